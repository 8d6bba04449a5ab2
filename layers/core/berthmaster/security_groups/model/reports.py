"""Reports that were written."""

from dataclasses import dataclass
from datetime import UTC, datetime

LONG_AGO = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenReport:
    """The newest report. begun: when it began to read evidence. folder: its address in S3."""

    begun: datetime = LONG_AGO
    folder: str = ""
    version: int = 0

    @property
    def sort_key(self) -> str:
        """Of its item."""
        return "newest"
