"""Tasks that no file of the ledger has."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from berthmaster.batch.model.task_laps import TaskLap


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing(TaskLap):
    """How far the running tasks have been listed, and what was found.

    marked: by ARN, when a task was first found that no file has. unknown: by ARN, when it was reported that the ledger
    has no such file.
    """

    marked: Mapping[str, datetime] = field(default_factory=dict)
    unknown: Mapping[str, datetime] = field(default_factory=dict)

    @property
    def sort_key(self) -> str:
        """Of its item."""
        return "listing"
