"""Take an expansion as far as one invocation can, and see to it that it is carried on."""

from datetime import datetime, timedelta

import msgspec

from berthmaster.bus import SOURCE
from berthmaster.capacity.act.expansion import Act
from berthmaster.capacity.act.network import InUse, NotYet
from berthmaster.capacity.ledger.expansions import Expansion, Expansions, ExpansionState
from berthmaster.capacity.observe import snapshot as observe
from berthmaster.capacity.report.notices import Announcer
from berthmaster.capacity.settings import ExpandSettings
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.errors import Refused
from berthmaster.telemetry import logger

GIVE_UP_AFTER = timedelta(hours=2)
"""Without progress for so long an expansion is failed, so that it does not keep the VPC from others."""


class Progress:
    """Runs the saga of running and retiring expansions."""

    def __init__(
        self, settings: ExpandSettings, clients: Clients, clock: Clock, expansions: Expansions, announcer: Announcer
    ) -> None:
        self._settings = settings
        self._clients = clients
        self._clock = clock
        self._expansions = expansions
        self._announcer = announcer

    def carry_on(self, expansion: Expansion, deadline: datetime) -> datetime | None:
        """Run the saga to its end, or leave a message that has it carried on when AWS is ready; returns when."""
        if self._clock.now() - expansion.changed_at > GIVE_UP_AFTER:
            self._end(self._given_up(expansion, f"no progress since {expansion.changed_at:%Y-%m-%d %H:%M} UTC"))
            return None
        act = Act(
            self._clients,
            self._clock,
            self._expansions,
            caller_roles=self._settings.capacity_caller_roles,
            deadline=deadline,
        )
        try:
            if expansion.state is ExpansionState.RETIRING:
                now = self._clock.now()
                snapshot = observe.vpc(self._clients, expansion.vpc_id, now)
                before = [
                    one for one in self._expansions.of_vpc(expansion.vpc_id) if one.state is ExpansionState.RETIRED
                ]
                over = act.undo(expansion, snapshot, before)
            else:
                over = act.carry_out(expansion)
        except NotYet as wait:
            logger.info("waiting", expansion=expansion.id, until=str(wait), seconds=wait.seconds)
            return self._continue_later(expansion, wait.seconds)
        except InUse as use:
            latest = self._latest(expansion)
            state = ExpansionState.DONE if latest.proved else ExpansionState.FAILED
            over = latest.moved(state, self._clock.now(), note=f"not retired: {use}")
            self._announcer.say("Retirement Refused", over, reason=str(use))
            self._expansions.save(over)
            return None
        except Refused as refusal:
            over = self._failed(self._latest(expansion), refusal)
        self._end(over)
        return None

    def abandon(self, expansion: Expansion, by: str) -> None:
        """Stop where it stands, at an operator's word."""
        self._end(self._given_up(expansion, f"abandoned by {by or 'an operator'}"))

    def _given_up(self, expansion: Expansion, note: str) -> Expansion:
        """What was made stays; it can be retired, and the next plan builds on what was proved."""
        return expansion.moved(ExpansionState.FAILED, self._clock.now(), note=note)

    def _end(self, expansion: Expansion) -> None:
        self._announcer.announce(expansion)
        self._expansions.save(expansion)

    def _failed(self, expansion: Expansion, refusal: Refused) -> Expansion:
        """Nothing is undone: what was made stays as it is, and the next plan builds on it without what was refused."""
        logger.error("AWS refused", expansion=expansion.id, operation=refusal.operation, code=refusal.code)
        block = expansion.plan.block
        blamed = block is not None and refusal.operation == "AssociateVpcCidrBlock"
        return expansion.moved(
            ExpansionState.FAILED,
            self._clock.now(),
            note=f"AWS refused: {refusal}",
            refused=(block.cidr,) if block and blamed else (),
        )

    def _latest(self, expansion: Expansion) -> Expansion:
        return self._expansions.get(expansion.id) or expansion

    def _continue_later(self, expansion: Expansion, seconds: int) -> datetime:
        now = self._clock.now()
        event = {
            "source": SOURCE,
            "detail-type": "Expansion Continued",
            "time": now.isoformat(),
            "detail": {"expansion": expansion.id},
        }
        self._clients.sqs.send_message(
            QueueUrl=self._settings.capacity_queue_url,
            MessageBody=msgspec.json.encode(event).decode(),
            DelaySeconds=seconds,
        )
        return now + timedelta(seconds=seconds)
