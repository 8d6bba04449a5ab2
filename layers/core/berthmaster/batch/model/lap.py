"""How far the files in flight have been compared with their tasks."""

from dataclasses import dataclass
from datetime import UTC, datetime

LONG_AGO = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lap:
    """All ids of files are a circle. after: the id up to which files were compared, at the time `at`."""

    after: str = ""
    at: datetime = LONG_AGO
    version: int = 0

    @property
    def sort_key(self) -> str:
        """Of its item; there is one."""
        return "lap"
