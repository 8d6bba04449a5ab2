"""How many files of a pipeline there were, and what has become of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from berthmaster.batch.model.files import State

LONG_AGO = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """The files of one pipeline, counted up to a moment; records that have expired since stay counted.

    cut: until when all that were received were counted, and all that have ended for good. horizon: likewise, for those
    that have ended and may yet be replayed. received, ended: how many, since the ledger began. found_at: when the
    others were last counted, which are waiting, in_flight, and replayable. out_of_balance: how many files were missing
    then; negative if there were too many.
    """

    pipeline: str
    cut: datetime = LONG_AGO
    horizon: datetime = LONG_AGO
    received: int = 0
    ended: Mapping[State, int] = field(default_factory=dict)
    found_at: datetime = LONG_AGO
    waiting: int = 0
    in_flight: int = 0
    replayable: Mapping[State, int] = field(default_factory=dict)
    out_of_balance: int = 0
    version: int = 0

    @property
    def sort_key(self) -> str:
        """Of its item."""
        return self.pipeline

    @property
    def open(self) -> int:
        """How many files must be somewhere in the ledger: received by the cut, and not ended for good."""
        return self.received - sum(self.ended.values())
