"""Configuration of the batch functions; see `berthmaster.settings`."""

from datetime import timedelta
from typing import Annotated

from msgspec import Meta, Struct

from berthmaster.modes import Mode
from berthmaster.settings import Text

Days = Annotated[int, Meta(ge=1, le=3650)]


class BatchSettings(Struct, frozen=True, kw_only=True):
    """What all functions of batch read of their environment.

    stack: the name of the stack, by which its tasks are known. batch_kept_days: how long files that have come to their
    end are remembered.
    """

    batch_table: Text
    batch_mode: Mode
    batch_kept_days: Days
    stack: Text
    event_bus: Text
    topic_arn: Text

    @property
    def kept_for(self) -> timedelta:
        """How long files that have come to their end are remembered."""
        return timedelta(days=self.batch_kept_days)


class IntakeSettings(BatchSettings, frozen=True, kw_only=True):
    """Environment of batch_intake."""

    batch_dispatch_queue_url: Text


class DispatchSettings(BatchSettings, frozen=True, kw_only=True):
    """Environment of batch_dispatch."""

    batch_dispatch_queue_url: Text


class FollowSettings(BatchSettings, frozen=True, kw_only=True):
    """Environment of batch_follow."""

    batch_task_queue_url: Text
    batch_dispatch_queue_url: Text


class ReconcileSettings(BatchSettings, frozen=True, kw_only=True):
    """Environment of batch_reconcile."""

    batch_task_queue_url: Text
    batch_dispatch_queue_url: Text
