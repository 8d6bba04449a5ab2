"""Flow logs of the past that an operator has requested to be read."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """One request, and how far it has come.

    since, until: the first and the last day. after: the key that was looked at last. files, bytes: that are queued.
    others: objects that are no files of flow logs of those days. is_over: all of them were found.
    """

    id: str
    bucket: str
    prefix: str
    since: date
    until: date
    by: str = ""
    after: str = ""
    files: int = 0
    bytes: int = 0
    others: int = 0
    is_over: bool = False
    version: int = 0

    @property
    def sort_key(self) -> str:
        """Of its item."""
        return self.id
