"""The usual way to register tasks that ECS does not register itself: one event, one call, no state.

It does what samples on the web do (aws-samples/ecs-anywhere-load-balancer-integration; for Cloud Map
StratusGrid/terraform-aws-lambda-event-handler-service-discovery-sync), and better in one point: an error leaves the
handler, so that Lambda tries again.
"""

from __future__ import annotations

import json
import os
from typing import Any

import boto3


def handler(event: dict[str, Any], _context: object) -> None:
    """Register a task that runs; deregister one that has stopped."""
    task = event["detail"]
    wanted = json.loads(os.environ["TARGET_GROUPS"]).get(task["group"])
    if wanted is None or task["lastStatus"] != task["desiredStatus"]:
        return
    details = {pair["name"]: pair["value"] for pair in task["attachments"][0]["details"]}
    if "privateIPv4Address" not in details:
        return
    elbv2 = boto3.client("elbv2")
    change = elbv2.register_targets if task["lastStatus"] == "RUNNING" else elbv2.deregister_targets
    change(TargetGroupArn=wanted, Targets=[{"Id": details["privateIPv4Address"]}])
