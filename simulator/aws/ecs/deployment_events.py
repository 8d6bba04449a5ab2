"""The event AWS sends when a deployment of an ECS service changes its state.

Source: "Amazon ECS service deployment state change events" of the ECS guide; `clusterArn` is in events that users show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.account import Account

EVENT_TYPES = {"IN_PROGRESS": "INFO", "COMPLETED": "INFO", "FAILED": "ERROR"}


def deployment_state_changed(account: Account, service: Any, deployment: Mapping[str, Any]) -> dict[str, Any]:
    """ECS Deployment State Change of a deployment as it is now; `service` is moto's."""
    state = deployment["rolloutState"]
    return {
        "source": "aws.ecs",
        "detail-type": "ECS Deployment State Change",
        "resources": [service.arn],
        "detail": {
            "eventType": EVENT_TYPES[state],
            "eventName": f"SERVICE_DEPLOYMENT_{state}",
            "clusterArn": service.cluster_arn,
            "deploymentId": deployment["id"],
            "updatedAt": account.clock.now().strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
            "reason": deployment["rolloutStateReason"],
        },
    }
