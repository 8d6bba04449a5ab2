"""What takes a call each to read, read in rotation: ECS services, subnet reservations, quotas."""

from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from berthmaster.capacity.model.vpc import Quotas, Reservation, Subnet
from berthmaster.capacity.model.workloads import Service
from berthmaster.capacity.observe.cluster_memory import NEVER, Cluster, ClusterMemory
from berthmaster.capacity.observe.inventory_memory import Memory, SubnetReservations, load, save
from berthmaster.capacity.observe.network import reservations_of, uses_prefixes
from berthmaster.capacity.observe.quotas import read_quotas
from berthmaster.capacity.observe.service_rotation import ServiceRotation
from berthmaster.clients import Clients
from berthmaster.concurrently import NotBegun, concurrently, results_of
from berthmaster.failures import Failures

ECS_CALLS = 16
"""At least; see `ServiceRotation.run`."""
RESERVATION_CALLS = 4
QUOTA_LIFETIME = timedelta(hours=1)


class Inventory:
    """The inventory of one account and Region."""

    def __init__(
        self, clients: Clients, table: str, *, ecs_calls: int = ECS_CALLS, reservation_calls: int = RESERVATION_CALLS
    ) -> None:
        self._clients = clients
        self._table = table
        self._ecs_calls = ecs_calls
        self._reservation_calls = reservation_calls
        self._memory = Memory()
        self._clusters: dict[str, Cluster] = {}
        self._cluster_memory = ClusterMemory(clients.dynamodb, table)
        self._is_loaded = False

    @property
    def services(self) -> tuple[Service, ...]:
        """The known services whose tasks have addresses of their own, in whichever VPC."""
        return tuple(service for cluster in self._clusters.values() for service in cluster.services.values())

    @property
    def reservations(self) -> tuple[Reservation, ...]:
        """The known reservations."""
        known = self._memory.reservations.values()
        return tuple(reservation for one in known for reservation in one.found)

    @property
    def quotas(self) -> Quotas:
        """The quotas, at most an hour old unless Service Quotas cannot be read."""
        return self._memory.quotas

    def refresh(
        self,
        now: datetime,
        subnets: Collection[Subnet],
        holding_prefixes: Collection[str],
        failures: Failures,
        may_begin: Callable[[], bool] = lambda: True,
    ) -> None:
        """Read what is due, within the budget of calls, and while `may_begin` allows a call.

        An error ends its part of the reading and is collected. What was not read stays as it was read before.
        """
        if not self._is_loaded:
            with failures.collect("inventory not loaded"):
                self._memory = load(self._clients.dynamodb, self._table)
                self._clusters = self._cluster_memory.load(now)
                self._is_loaded = True
        with failures.collect("services not read"):
            rotation = ServiceRotation(self._clients.ecs, self._clusters, subnets, may_begin)
            self._clusters = rotation.run(now, self._ecs_calls, failures)
        with failures.collect("reservations not read"):
            self._read_reservations(now, subnets, holding_prefixes, may_begin)
        if may_begin():
            with failures.collect("quotas not read"):
                self._read_quotas(now)
        # Without what the table holds, the memory is poorer than that.
        if self._is_loaded:
            with failures.collect("inventory not saved"):
                save(self._clients.dynamodb, self._table, self._memory, now)
                self._cluster_memory.save(self._clusters, now)

    def _read_reservations(
        self,
        now: datetime,
        subnets: Collection[Subnet],
        holding_prefixes: Collection[str],
        may_begin: Callable[[], bool],
    ) -> None:
        before = self._memory.reservations
        self._memory.reservations = known = {one.id: before[one.id] for one in subnets if one.id in before}
        longest_ago_first = sorted(
            (subnet.id for subnet in subnets), key=lambda subnet: known[subnet].read_at if subnet in known else NEVER
        )
        first = {subnet.id for subnet in subnets if uses_prefixes(subnet, holding_prefixes)}
        due = [subnet for subnet in longest_ago_first if subnet in first][: self._reservation_calls]
        due += [subnet for subnet in longest_ago_first if subnet not in first][: self._reservation_calls]
        ec2 = self._clients.ec2
        outcomes = concurrently(
            lambda subnet: reservations_of(ec2, subnet), due, at_once=RESERVATION_CALLS, may_begin=may_begin
        )
        known |= {one.item: SubnetReservations(now, one.result) for one in outcomes if one.error is None}
        results_of(one for one in outcomes if not isinstance(one.error, NotBegun))

    def _read_quotas(self, now: datetime) -> None:
        if now - self._memory.quotas_read_at >= QUOTA_LIFETIME:
            self._memory.quotas = read_quotas(self._clients.quotas, known=self._memory.quotas)
            self._memory.quotas_read_at = now
