"""Tasks that no file of the ledger has."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

LONG_AGO = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """How far the tasks of all clusters have been listed, and what was found; one item.

    place, token: the cluster and family, and the page, with which the next run goes on; empty for the first. began:
    when the first page was read. pages: since then. marked: by ARN, when a task was first found that no file has.
    unknown: by ARN, when it was reported that the ledger has no such file.
    """

    place: str = ""
    token: str = ""
    began: datetime = LONG_AGO
    pages: int = 0
    marked: Mapping[str, datetime] = field(default_factory=dict)
    unknown: Mapping[str, datetime] = field(default_factory=dict)
    version: int = 0

    @property
    def sort_key(self) -> str:
        """Of its item."""
        return "listing"
