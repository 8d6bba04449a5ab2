"""What the dispatcher knows: how fast it may launch, where Fargate has no room, what it has to come back to."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from berthmaster.batch.model.files import FileReference, Provider
from berthmaster.batch.model.launch_rate import LaunchRate

LONG_AGO = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a task is to run. subnet: one, so that a failure says which zone has no capacity."""

    provider: Provider
    subnet: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """Fargate had no capacity. tried_at: when that was last found out, or when a launch began to find it out again."""

    placement: Placement
    tried_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaWait:
    """The account's vCPUs of a provider are used up.

    tried_at: as for a lack. reported_at: when people were last notified. is_over: whether a launch has succeeded since.
    """

    provider: Provider
    tried_at: datetime
    reported_at: datetime = LONG_AGO
    is_over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatcher:
    """What is remembered from one invocation that launches to the next.

    rate, full_at: how fast, and when as many launches may be made at once as ever. unsettled: files with a launch of
    which it is not known whether a task came of it. wakes_at: when a message will arrive that was sent for that time.
    """

    rate: LaunchRate = field(default_factory=LaunchRate)
    full_at: datetime = LONG_AGO
    lacks: tuple[Lack, ...] = ()
    quotas: tuple[QuotaWait, ...] = ()
    unsettled: tuple[FileReference, ...] = ()
    wakes_at: datetime = LONG_AGO
