"""What batch proposes to operators, and what they have decided."""

from dataclasses import dataclass
from enum import StrEnum

from berthmaster.proposals import Proposed


class Kind(StrEnum):
    """Of what is proposed."""

    BACKFILL = "backfill"
    """Objects that were there before are processed."""
    BUDGET = "budget"
    """A pipeline goes on for the day although its dollars are spent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal(Proposed):
    """One ledger item. unreported: whether people have not been asked yet."""

    kind: Kind
    pipeline: str
    unreported: bool = False
    version: int = 0
