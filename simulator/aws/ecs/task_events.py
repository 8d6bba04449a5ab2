"""The events AWS sends of tasks, and of a call that found no free address, in their real shape."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from simulator.aws.events.api_calls import api_called

if TYPE_CHECKING:
    from simulator.account import Account
    from simulator.aws.ecs.task import Task

type Event = dict[str, Any]


def task_state_changed(task: Task) -> Event:
    """ECS Task State Change of a task as it is now.

    It differs from DescribeTasks in three ways: the attachment's type is `eni`, times are text, and tags are missing.
    Source: "Amazon ECS task state change events" of the ECS guide; aws/containers-roadmap#1515.
    """
    described = {**task.described(), "updatedAt": task.updated_at}
    detail = {name: _milliseconds(value) if isinstance(value, datetime) else value for name, value in described.items()}
    detail["attachments"] = [attachment | {"type": "eni"} for attachment in described["attachments"]]
    return _task_state_change(detail)


def no_free_address(subnet: Any) -> str:
    """The reason why a task stopped that found no free address in `subnet` (moto's)."""
    return (
        "Unexpected EC2 error while attempting to Create Network Interface in subnet "
        f"'{subnet.id}': InsufficientFreeAddressesInSubnet"
    )


def api_call_failed(
    account: Account, *, subnet_id: str, operation: str = "CreateNetworkInterface", code: str = ""
) -> Event:
    """AWS API Call via CloudTrail of an EC2 call that failed for lack of addresses.

    CloudTrail puts `Client.` before EC2's code (seen for other codes; unverified for this one).
    """
    return api_called(
        account,
        operation,
        errorCode=code or "Client.InsufficientFreeAddressesInSubnet",
        errorMessage=f"There are not enough free addresses in subnet '{subnet_id}' to satisfy the request.",
        requestParameters={"subnetId": subnet_id},
    )


def _task_state_change(detail: dict[str, Any]) -> Event:
    return {
        "source": "aws.ecs",
        "detail-type": "ECS Task State Change",
        "resources": [detail["taskArn"]],
        "detail": detail,
    }


def _milliseconds(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
