"""The answer to one request to capacity, which is given once."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from berthmaster.approval import Decision
from berthmaster.capacity.context import Ruling
from berthmaster.capacity.ledger.expansions import expansion_of, vpc_of
from berthmaster.capacity.triggers import ExpandRequest, Retirement
from berthmaster.notices import Notice, Notices
from berthmaster.requests import About, Request, accepted, refused

USUAL_DURATION = timedelta(minutes=15)
"""Most expansions and retirements have ended by then; those that deploy services again may take longer."""


@dataclass(slots=True)
class Reply:
    """Answers a request; is_given: whether people and the bus have the answer."""

    request: Request
    _notices: Notices
    is_given: bool = False

    def give(self, notice: Notice) -> None:
        """Publish an answer."""
        self._notices.publish([notice])
        self.is_given = True

    def refuse(self, reason: str) -> None:
        """Nothing is done."""
        self.give(refused(self.request, reason, about=self._about()))

    def wait(self, text: str) -> None:
        """It will be answered later, and people are notified of that."""
        self._notices.publish([accepted(self.request, text, about=self._about())])

    def rule(self, ruling: Ruling, now: datetime) -> None:
        """Answer what was decided."""
        about = self._about(ruling.vpc)
        if ruling.is_refused:
            self.give(refused(self.request, ruling.text, about=about))
        else:
            until = now + USUAL_DURATION if ruling.begun else None
            self.give(accepted(self.request, ruling.text, until=until, about=about))

    def _about(self, vpc: str = "") -> About:
        match self.request:
            case ExpandRequest(vpc_id=vpc_id):
                return About(vpc, (vpc_id,))
            case Retirement(expansion_id=expansion_id):
                return About(vpc, (vpc_of(expansion_id),))
            case Decision(proposal=proposal):
                return About(vpc, (vpc_of(expansion_of(proposal)),))
        return About()
