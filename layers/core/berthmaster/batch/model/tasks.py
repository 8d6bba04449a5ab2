"""Tasks, as ECS reports them."""

from dataclasses import dataclass
from datetime import datetime

STOPPED, RUNNING = "STOPPED", "RUNNING"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStateChange:
    """ECS reports the state of a task.

    task_definition: the ARN of its revision. version: rises with every change of the task. exit_codes: of its
    containers that have one; reasons: likewise. size: CPU units and MiB; None if ECS does not say.
    """

    task: str
    task_definition: str
    started_by: str
    group: str
    version: int
    last_status: str
    desired_status: str
    stop_code: str
    stopped_reason: str
    exit_codes: dict[str, int]
    reasons: dict[str, str]
    size: tuple[int, int] | None
    started_at: datetime | None
    stopped_at: datetime | None
    at: datetime

    @property
    def has_stopped(self) -> bool:
        """Whether nothing follows any more."""
        return self.last_status == STOPPED
