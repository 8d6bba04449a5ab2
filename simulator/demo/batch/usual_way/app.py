"""One event, one call: no state.

Better than most samples in one point: a failure in RunTask's answer leaves the handler, so that Lambda tries again.
Inherent: an event that is lost starts nothing and a doubled one starts two tasks; a burst is throttled, and what the
SDK and Lambda's two retries do not get through is gone; nobody sees that a task has failed.
"""

from __future__ import annotations

import os
from typing import Any

import boto3

ecs = boto3.client("ecs")


def handler(event: dict[str, Any], _context: object) -> None:
    """Run a task for the object that was created."""
    answer = ecs.run_task(
        cluster=os.environ["CLUSTER"],
        taskDefinition=os.environ["TASK_DEFINITION"],
        capacityProviderStrategy=[{"capacityProvider": os.environ["PROVIDER"], "weight": 1}],
        networkConfiguration={"awsvpcConfiguration": {"subnets": os.environ["SUBNETS"].split(",")}},
        overrides={
            "containerOverrides": [
                {
                    "name": os.environ["TASK_DEFINITION"],
                    "environment": [{"name": "KEY", "value": event["detail"]["object"]["key"]}],
                }
            ]
        },
    )
    if answer["failures"]:
        raise RuntimeError(answer["failures"])
