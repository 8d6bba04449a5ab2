"""What batch proposes to operators, and what they have decided."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """Of what is proposed."""

    BACKFILL = "backfill"
    """Objects that were there before are processed."""
    BUDGET = "budget"
    """A pipeline goes on for the day although its dollars are spent."""


class Verdict(StrEnum):
    """What an operator has decided, as `berthmaster.approval.Outcome` has it."""

    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """One ledger item.

    id: `batch.<pipeline>.<time>`. fingerprint: of the effect that is proposed; a decision may name it. expires_at: it
    cannot be approved later. verdict: None while nobody has decided. superseded: why it does not stand any more, as a
    sentence without a full stop; empty if it does. unreported: whether people have not been asked yet.
    """

    id: str
    kind: Kind
    pipeline: str
    fingerprint: str
    made_at: datetime
    expires_at: datetime
    verdict: Verdict | None = None
    decided_by: str = ""
    decided_at: datetime | None = None
    superseded: str = ""
    unreported: bool = False
    version: int = 0

    @property
    def sort_key(self) -> str:
        """Its id."""
        return self.id
