"""Tasks, as ECS reports and describes them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from berthmaster.batch.model.prices import STORAGE_INCLUDED

STACK_TAG, PIPELINE_TAG = "berthmaster:stack", "berthmaster:pipeline"
FILE_TAG, WORKER_TAG = "berthmaster:file", "berthmaster:worker"
STOPPED: Final = "STOPPED"
RUNNING: Final = "RUNNING"
NOT_STARTED = frozenset({"PROVISIONING", "PENDING", "ACTIVATING"})
"""The container does not run yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStateChange:
    """ECS reports the state of a task.

    task_definition: the ARN of its revision. version: rises with every change of the task. exit_codes: of its
    containers that have one; reasons: likewise. size: CPU units and MiB; None if ECS does not say. provider: the name
    of its capacity provider, empty for a launch type. storage: GiB. created_at: when RunTask was called.
    pull_started_at: None if its image was never pulled. execution_stopped_at: when its containers had ended; it is
    billed until `stopped_at`. estimated_until: ECS has forgotten the task, and this
    is until when it is billed by assumption; None for what ECS says.
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
    created_at: datetime | None = None
    pull_started_at: datetime | None = None
    execution_stopped_at: datetime | None = None
    provider: str = ""
    is_arm: bool = False
    storage: int = STORAGE_INCLUDED
    estimated_until: datetime | None = None

    @property
    def has_stopped(self) -> bool:
        """Whether nothing follows any more."""
        return self.last_status == STOPPED


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One task as ECS describes it. status, desired_status: as ECS names them. stack: its tag, empty if it has none.

    event: the detail of an ECS Task State Change event that says the same.
    """

    arn: str
    status: str
    desired_status: str
    group: str = ""
    started_by: str = ""
    stack: str = ""
    started_at: datetime | None = None
    event: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_stopped(self) -> bool:
        """Whether it has ended."""
        return self.status == STOPPED

    @property
    def is_to_stop(self) -> bool:
        """Whether it has ended or is about to, whoever wants that."""
        return self.desired_status == STOPPED
