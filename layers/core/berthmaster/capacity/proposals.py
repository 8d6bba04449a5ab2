"""What becomes of a plan: it is reported, proposed to an operator or carried out, as the mode says."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from berthmaster.capacity.ledger.expansions import PROPOSAL_LIFETIME, Expansion, Expansions, ExpansionState, new_id
from berthmaster.capacity.model import Plan
from berthmaster.capacity.progress import Progress
from berthmaster.capacity.report.notices import Announcer
from berthmaster.capacity.settings import ExpandSettings
from berthmaster.clock import Clock
from berthmaster.modes import Mode
from berthmaster.telemetry import logger

TOLD_LIFETIME = timedelta(days=1)
"""How long people are not told again that the same thing stands in the way."""


class Proposals:
    """Puts plans forward, each once."""

    def __init__(
        self,
        settings: ExpandSettings,
        clock: Clock,
        expansions: Expansions,
        announcer: Announcer,
        progress: Progress,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._expansions = expansions
        self._announcer = announcer
        self._progress = progress

    def put_forward(self, plan: Plan, expansions: Sequence[Expansion], deadline: datetime, by: str) -> datetime | None:
        """Do what the mode says; returns when an expansion that was begun will be resumed."""
        now = self._clock.now()
        mode = self._settings.capacity_mode
        expansion = Expansion(
            id=new_id(plan.vpc_id, now),
            vpc_id=plan.vpc_id,
            state=ExpansionState.RUNNING,
            plan=plan,
            created_at=now,
            changed_at=now,
            by=by,
        )
        if not plan.changes_anything:
            self._tell_once(replace(expansion, state=ExpansionState.IMPOSSIBLE), expansions, TOLD_LIFETIME)
        elif mode is Mode.OBSERVE:
            self._tell_once(replace(expansion, state=ExpansionState.REPORTED), expansions, PROPOSAL_LIFETIME)
        elif mode is Mode.APPROVE:
            self._propose(replace(expansion, state=ExpansionState.PROPOSED), expansions)
        elif begun_today(expansions, now) >= self._settings.policy.expansions_per_day:
            capped = f"{self._settings.policy.expansions_per_day} expansions were begun within a day, the most allowed"
            self._tell_once(replace(expansion, state=ExpansionState.REPORTED, note=capped), expansions, TOLD_LIFETIME)
        else:
            return self._progress.carry_on(self._expansions.save(expansion), deadline)
        return None

    def _tell_once(self, expansion: Expansion, expansions: Sequence[Expansion], lifetime: timedelta) -> None:
        """Record and announce, unless people were told the same not long ago."""
        if any(
            one.state is expansion.state
            and one.fingerprint == expansion.fingerprint
            and expansion.created_at - one.created_at < lifetime
            for one in expansions
        ):
            logger.info("told before", vpc=expansion.vpc_id, state=expansion.state, plan=expansion.fingerprint)
            return
        self._announcer.announce(expansion)
        self._expansions.save(expansion)

    def _propose(self, proposal: Expansion, expansions: Sequence[Expansion]) -> None:
        now = proposal.created_at
        for one in expansions:
            if one.fingerprint == proposal.fingerprint and now - one.created_at < PROPOSAL_LIFETIME:
                if one.state in {ExpansionState.PROPOSED, ExpansionState.REJECTED}:
                    logger.info("proposed before", expansion=one.id, state=one.state)
                    return
            elif one.state is ExpansionState.PROPOSED:
                over = (
                    ExpansionState.EXPIRED if now - one.created_at >= PROPOSAL_LIFETIME else ExpansionState.SUPERSEDED
                )
                self._expansions.save(one.moved(over, now))
        self._announcer.announce(proposal)
        self._expansions.save(proposal)


def begun_today(expansions: Sequence[Expansion], now: datetime) -> int:
    """Expansions that added something; wiring alone needs no breaker."""
    begun = {
        ExpansionState.RUNNING,
        ExpansionState.DONE,
        ExpansionState.FAILED,
        ExpansionState.RETIRING,
        ExpansionState.RETIRED,
    }
    return sum(
        1 for one in expansions if one.state in begun and one.plan.subnets and now - one.changed_at < timedelta(days=1)
    )
