"""What all parts of capacity_expand share in one container."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from berthmaster.capacity.ledger.expansions import Expansion, Expansions
from berthmaster.capacity.model import AUTOMATION, Policy
from berthmaster.capacity.settings import ExpandSettings
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.modes import Mode
from berthmaster.notices import Notices
from berthmaster.own_queue import OwnQueue
from berthmaster.switch import Switch


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpandContext:
    """Settings, AWS clients, the clock, the switch, the ledger, notices, and the function's own queue."""

    settings: ExpandSettings
    clients: Clients
    clock: Clock
    switch: Switch
    expansions: Expansions
    notices: Notices
    queue: OwnQueue

    @classmethod
    def of(cls, settings: ExpandSettings, clients: Clients, clock: Clock) -> Self:
        """The context of a new container."""
        table, mode = settings.capacity_table, settings.capacity_mode
        return cls(
            settings=settings,
            clients=clients,
            clock=clock,
            switch=Switch(clients.dynamodb, clock, table=table, automation=AUTOMATION, mode=mode),
            expansions=Expansions(clients.dynamodb, table),
            notices=Notices(clients, bus=settings.event_bus, topic_arn=settings.topic_arn),
            queue=OwnQueue(clients, clock, settings.capacity_queue_url),
        )

    @property
    def mode(self) -> Mode:
        """How far capacity may go."""
        return self.settings.capacity_mode

    @property
    def policy(self) -> Policy:
        """What an expansion may do."""
        return self.settings.policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """What the holder of a VPC's lease leaves to the next one; see `Lease`."""

    considered_at: datetime | None = None
    resumes_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What becomes of a trigger, decided under the lease of its VPC.

    text: the answer, if the trigger is a request. is_refused: whether it is a refusal. vpc: as people know it. begun:
    the expansion to carry on next. considered_at, resumes_at: for the handover.
    """

    text: str = ""
    is_refused: bool = False
    vpc: str = ""
    begun: Expansion | None = None
    considered_at: datetime | None = None
    resumes_at: datetime | None = None
