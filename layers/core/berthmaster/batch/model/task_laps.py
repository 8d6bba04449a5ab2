"""How far tasks have been listed."""

from dataclasses import dataclass
from datetime import UTC, datetime

LONG_AGO = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskLap:
    """How far the tasks of all clusters have been listed; one item.

    place, token: the cluster and family, and the page, with which the next run goes on; empty for the first. began:
    when the first page was read. pages: since then.
    """

    place: str = ""
    token: str = ""
    began: datetime = LONG_AGO
    pages: int = 0
    version: int = 0

    @property
    def sort_key(self) -> str:
        """Of its item."""
        return "stopped tasks"

    @property
    def is_over(self) -> bool:
        """Whether it goes on from the start."""
        return not (self.place or self.token)
