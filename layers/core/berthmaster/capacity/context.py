"""What all parts of capacity_expand share in one container."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from berthmaster.capacity.act.attempt import LAST_STEPS
from berthmaster.capacity.ledger.expansions import Expansion, Expansions
from berthmaster.capacity.model.plan import Policy
from berthmaster.capacity.model.shortage import Shortage
from berthmaster.capacity.model.tags import AUTOMATION
from berthmaster.capacity.model.vpc import VpcSnapshot
from berthmaster.capacity.observe.cluster_memory import Cluster, ClusterMemory
from berthmaster.capacity.observe.snapshot import read_vpc
from berthmaster.capacity.settings import ExpandSettings
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.errors import BerthmasterError
from berthmaster.lease import Leases
from berthmaster.modes import Mode
from berthmaster.notices import Notices
from berthmaster.own_queue import OwnQueue
from berthmaster.switch import Switch

WORKLOADS_WITHIN = timedelta(seconds=25)
"""Of the two minutes of an invocation: subnets can be added before all services, rules and schedules are read."""


class Busy(BerthmasterError):
    """A request must wait: another invocation, or an expansion in progress, has the VPC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpandContext:
    """Settings, AWS clients, the clock, the switch, the ledger, leases, notices, and the function's own queue."""

    settings: ExpandSettings
    clients: Clients
    clock: Clock
    switch: Switch
    expansions: Expansions
    leases: Leases
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
            leases=Leases(clients.dynamodb, table),
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

    def read_vpc(self, vpc_id: str, deadline: datetime, shortage: Shortage | None = None) -> VpcSnapshot:
        """A VPC for a plan, with the workloads that can be read in time; NotBegun if the rest cannot be.

        deadline: of the invocation. shortage: whose cluster and service are read whatever was read of them before.
        """
        now, latest = self.clock.now(), deadline - LAST_STEPS
        workloads_until = min(now + WORKLOADS_WITHIN, latest)
        known = self._clusters(now)
        if shortage and shortage.cluster in known:
            known[shortage.cluster].forget(shortage.service)
        return read_vpc(
            self.clients,
            vpc_id,
            now,
            ipam_pool=self.settings.capacity_ipam_pool,
            may_begin=lambda: self.clock.now() < latest,
            known=known,
            reporting={shortage.cluster} if shortage else (),
            may_read_workloads=lambda: self.clock.now() < workloads_until,
        )

    def _clusters(self, now: datetime) -> dict[str, Cluster]:
        return ClusterMemory(self.clients.dynamodb, self.settings.capacity_table).load(now)


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
