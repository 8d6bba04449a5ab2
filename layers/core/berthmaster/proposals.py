"""What a proposal has, whatever it is about, and why a decision about it does not count."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self


class Outcome(StrEnum):
    """What an operator decided."""

    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """What operators are asked to decide.

    id: `<automation>.<subject>.<time>`. fingerprint: of the effect that is proposed; a decision may name it.
    expires_at: it cannot be approved later. verdict: None while nobody has decided. superseded: why it does not stand
    any more, as a sentence without a full stop; empty if it does.
    """

    id: str
    fingerprint: str
    made_at: datetime
    expires_at: datetime
    verdict: Outcome | None = None
    decided_by: str = ""
    decided_at: datetime | None = None
    superseded: str = ""

    @property
    def sort_key(self) -> str:
        """Its id."""
        return self.id

    @property
    def decider(self) -> str:
        """Who has decided, as a text says it."""
        return self.decided_by or "an operator"

    def decided(self, outcome: Outcome, by: str, at: datetime) -> Self:
        """As it is to be written."""
        return replace(self, verdict=outcome, decided_by=by, decided_at=at)

    def why_not(self, outcome: Outcome, fingerprint: str, now: datetime) -> str:
        """Why a decision does not count, whatever the proposal is about; empty if it does, or did before.

        fingerprint: as the operator has named it; empty if not.
        """
        if fingerprint and fingerprint != self.fingerprint:
            return f"the fingerprint is {fingerprint}, and that of the proposal is {self.fingerprint}"
        if self.verdict is not None:
            return "" if self.verdict is outcome else f"it was {self.verdict} before by {self.decider}"
        if self.superseded:
            return self.superseded
        if outcome is Outcome.APPROVED and now >= self.expires_at:
            return f"it could be approved until {self.expires_at:%Y-%m-%d %H:%M:%S} UTC"
        return ""
