"""StopTask, for tasks that an operator asked to drain."""

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from berthmaster.errors import code_of
from berthmaster.targets.model import cluster_of

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient

_STOPPED = frozenset({"InvalidParameterException", "ClusterNotFoundException"})
"""What ECS answers about a task that it does not know any more."""


def stop_task(ecs: "ECSClient", task: str) -> None:
    """Stop a task by its ARN; one that ECS does not know any more counts as stopped."""
    reason = "Drained by Berthmaster, as an operator requested"
    try:
        ecs.stop_task(cluster=cluster_of(task), task=task, reason=reason)
    except ClientError as error:
        if code_of(error) not in _STOPPED:
            raise
