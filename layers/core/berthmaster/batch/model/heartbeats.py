"""Signs of life that workers give, and since when each has been as it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

LONG_AGO = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """What a worker says of itself, every 20 seconds.

    guid: another one each time, empty if what it has written has none. file: the id of that which it works on, empty if
    it has none. done: files that it has reported.
    """

    worker: str
    guid: str = ""
    file: str = ""
    done: int = 0

    @property
    def has_claimed(self) -> bool:
        """Whether it has claimed a file."""
        return bool(self.file or self.done)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeats:
    """The last beats of the workers of one pipeline, as they were seen; one item.

    looked_at: when. seen: by worker, a part of the beat's GUID, and since when that one has been seen: by the clock of
    whoever has read it, so that no worker's clock counts. A worker that gives no sign at all has the beat "".
    """

    pipeline: str
    looked_at: datetime = LONG_AGO
    seen: Mapping[str, tuple[str, datetime]] = field(default_factory=dict)
    version: int = 0

    @property
    def sort_key(self) -> str:
        """Of its item."""
        return self.pipeline
