"""Runs in which it is decided what is removed."""

from dataclasses import dataclass
from datetime import UTC, datetime

LONG_AGO = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovalRun:
    """The newest run that was completed. begun: when it began to read the ledger."""

    begun: datetime = LONG_AGO
    version: int = 0

    @property
    def sort_key(self) -> str:
        """Of its item."""
        return "newest"
