"""StopTask: what asks for it has been written down before."""

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from berthmaster.batch.model.stops import OwnStop
from berthmaster.errors import code_of

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient

REASONS = {
    OwnStop.TIMEOUT: "it ran longer than its pipeline allows",
    OwnStop.CANCEL: "its file was cancelled",
    OwnStop.SUPERSEDED: "a newer version of its object has come",
    OwnStop.STUCK: "it did not start for 12 minutes",
    OwnStop.SILENT: "its worker gave no sign of life for minutes",
    OwnStop.ORPHAN: "no file of the ledger has this task",
}
_GONE = frozenset({"ClusterNotFoundException", "InvalidParameterException"})
"""ECS does not know the cluster, or the task any more."""


def stop_task(ecs: "ECSClient", task: str, cluster: str, why: OwnStop) -> bool:
    """Have a task stopped; False if ECS does not know it any more. Does no harm when it is done again."""
    try:
        ecs.stop_task(cluster=cluster, task=task, reason=f"Berthmaster: {REASONS[why]}")
    except ClientError as error:
        if code_of(error) not in _GONE:
            raise
        return False
    return True
