"""What costs a call each, read in rotation: ECS services, subnet reservations, quotas.

ECS lists services cluster by cluster and describes ten at a time, so a large account would cost hundreds of calls in
every cycle. The watch spends a budget instead: one half on clusters that matter now, because they have services in
subnets short of room or in the midst of a deployment, the other on those unread for longest. What was read is kept in
the container, and now and then in the table, so that a cold start need not begin anew. It is a cache: containers may
overwrite each other's, and one that cannot be decoded is forgotten.
"""

import zlib
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from berthmaster.capacity.model import Quotas, Reservation, Service, Subnet
from berthmaster.capacity.observe.network import may_have_reservations, reservations_of
from berthmaster.capacity.observe.quotas import quotas
from berthmaster.capacity.observe.workloads import (
    DESCRIBED_AT_ONCE,
    LISTED_AT_ONCE,
    cluster_arns,
    describe_services,
    service_arns,
)
from berthmaster.clients import Clients
from berthmaster.network_codec import network_from

KEY = {"pk": {"S": "inventory"}, "sk": {"S": "watch"}}
ECS_CALLS = 20
RESERVATION_CALLS = 4
QUOTAS_KEPT = timedelta(hours=1)
SAVED_EVERY = timedelta(minutes=30)
TOO_OLD = timedelta(days=1)
"""A cluster unread for so long says nothing about what its deployments may still take."""
LARGEST_ITEM = 390_000
"""DynamoDB takes 400 KB. An inventory that is larger lives in the container only."""
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class _Cluster:
    """`services` by ARN, those in managed subnets; `unread` are ARNs listed and not described yet."""

    read_at: datetime = _NEVER
    services: dict[str, Service] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Reservations:
    read_at: datetime
    found: tuple[Reservation, ...]


@dataclass(slots=True)
class _Memory:
    clusters: dict[str, _Cluster] = field(default_factory=dict)
    reservations: dict[str, _Reservations] = field(default_factory=dict)
    quotas: Quotas = field(default_factory=Quotas)
    quotas_read_at: datetime = _NEVER
    saved_at: datetime = _NEVER


class Inventory:
    """The inventory of one account and Region, in the item `inventory` of a table with the keys `pk` and `sk`."""

    def __init__(
        self, clients: Clients, table: str, *, ecs_calls: int = ECS_CALLS, reservation_calls: int = RESERVATION_CALLS
    ) -> None:
        self._clients = clients
        self._table = table
        self._ecs_calls = ecs_calls
        self._reservation_calls = reservation_calls
        self._memory: _Memory | None = None
        self.failures: list[ClientError | BotoCoreError] = []
        """Why the last refresh could not read everything it meant to."""

    @property
    def services(self) -> tuple[Service, ...]:
        """The known services in managed subnets."""
        clusters = self._memory.clusters.values() if self._memory else ()
        return tuple(service for cluster in clusters for service in cluster.services.values())

    @property
    def reservations(self) -> tuple[Reservation, ...]:
        """The known reservations."""
        known = self._memory.reservations.values() if self._memory else ()
        return tuple(reservation for one in known for reservation in one.found)

    @property
    def quotas(self) -> Quotas:
        """The limits, at most an hour old."""
        return self._memory.quotas if self._memory else Quotas()

    def refresh(self, now: datetime, subnets: Collection[Subnet], holding_prefixes: Collection[str]) -> None:
        """Read what is due within the budget. An AWS error ends its part of the reading and goes to `failures`."""
        self.failures = []
        memory = self._memory
        if memory is None:
            memory = _Memory()
            self._attempt(lambda: self._recall(now))
            memory = self._memory or memory
        self._memory = memory
        self._attempt(lambda: self._read_services(memory, now, subnets))
        self._attempt(lambda: self._read_reservations(memory, now, subnets, holding_prefixes))
        self._attempt(lambda: self._read_quotas(memory, now))
        self._attempt(lambda: self._save(memory, now))

    def _attempt(self, step: Callable[[], None]) -> None:
        try:
            step()
        except (ClientError, BotoCoreError) as error:
            self.failures.append(error)

    # Services

    def _read_services(self, memory: _Memory, now: datetime, subnets: Collection[Subnet]) -> None:
        listed = cluster_arns(self._clients.ecs)
        calls_left = self._ecs_calls - _pages(listed)
        known = {subnet.id for subnet in subnets}
        memory.clusters = {arn: memory.clusters.get(arn) or _Cluster() for arn in listed}
        short = {subnet.id for subnet in subnets if _is_short(subnet)}
        longest_unread = sorted(memory.clusters, key=lambda arn: memory.clusters[arn].read_at)
        urgent = [arn for arn in longest_unread if _is_urgent(memory.clusters[arn], short)]
        half = calls_left // 2
        spent = self._read_clusters(memory, urgent, half, now, known)
        rest = [arn for arn in longest_unread if memory.clusters[arn].read_at != now]
        self._read_clusters(memory, rest, calls_left - spent, now, known)

    def _read_clusters(
        self, memory: _Memory, arns: Iterable[str], calls: int, now: datetime, known: Collection[str]
    ) -> int:
        """Read one cluster after the other until the calls are spent; how many were made.

        A cluster that needs more is read on next time, so only a listing of very many services can exceed the budget.
        """
        spent = 0
        for arn in arns:
            if spent >= calls:
                break
            cluster = memory.clusters[arn]
            try:
                spent += self._read_cluster(arn, cluster, calls - spent, known)
            except (ClientError, BotoCoreError):
                # Others have their turn before it is tried again.
                cluster.read_at = now
                raise
            if not cluster.unread:
                cluster.read_at = now
        return spent

    def _read_cluster(self, arn: str, cluster: _Cluster, calls: int, known: Collection[str]) -> int:
        spent = 0
        if not cluster.unread:
            cluster.unread = service_arns(self._clients.ecs, arn)
            spent += _pages(cluster.unread)
            still_there = set(cluster.unread)
            cluster.services = {one: found for one, found in cluster.services.items() if one in still_there}
        while cluster.unread and spent < calls:
            some = cluster.unread[:DESCRIBED_AT_ONCE]
            described = describe_services(self._clients.ecs, arn, some)
            spent += 1
            for service_arn in some:
                service = described.get(service_arn)
                if service and any(subnet in known for subnet in service.subnet_ids):
                    cluster.services[service_arn] = service
                else:
                    cluster.services.pop(service_arn, None)
            del cluster.unread[:DESCRIBED_AT_ONCE]
        return spent

    # Reservations

    def _read_reservations(
        self, memory: _Memory, now: datetime, subnets: Collection[Subnet], holding_prefixes: Collection[str]
    ) -> None:
        asked = [subnet.id for subnet in subnets if may_have_reservations(subnet, holding_prefixes)]
        memory.reservations = {subnet: memory.reservations[subnet] for subnet in asked if subnet in memory.reservations}
        unread_first = sorted(
            asked, key=lambda subnet: memory.reservations[subnet].read_at if subnet in memory.reservations else _NEVER
        )
        for subnet_id in unread_first[: self._reservation_calls]:
            memory.reservations[subnet_id] = _Reservations(now, reservations_of(self._clients.ec2, subnet_id))

    # Quotas

    def _read_quotas(self, memory: _Memory, now: datetime) -> None:
        if now - memory.quotas_read_at < QUOTAS_KEPT:
            return
        memory.quotas = quotas(self._clients.quotas)
        memory.quotas_read_at = now

    # The table

    def _recall(self, now: datetime) -> None:
        item = self._clients.dynamodb.get_item(TableName=self._table, Key=KEY).get("Item")
        if not item:
            return
        try:
            packed = zlib.decompress(item["state"]["B"])
            memory = msgspec.msgpack.decode(packed, type=_Memory, dec_hook=network_from)
        except (KeyError, zlib.error, msgspec.DecodeError):
            return
        memory.clusters = {arn: cluster for arn, cluster in memory.clusters.items() if now - cluster.read_at <= TOO_OLD}
        self._memory = memory

    def _save(self, memory: _Memory, now: datetime) -> None:
        if now - memory.saved_at < SAVED_EVERY:
            return
        memory.saved_at = now
        packed = zlib.compress(msgspec.msgpack.encode(memory, enc_hook=str))
        if len(packed) <= LARGEST_ITEM:
            self._clients.dynamodb.put_item(TableName=self._table, Item={**KEY, "state": {"B": packed}})


def _pages(listed: Collection[str]) -> int:
    return max(1, -(-len(listed) // LISTED_AT_ONCE))


def _is_short(subnet: Subnet) -> bool:
    """Less than a quarter of it is free."""
    return subnet.free * 4 < subnet.capacity


def _is_urgent(cluster: _Cluster, short: Collection[str]) -> bool:
    return any(
        service.deploying or any(subnet in short for subnet in service.subnet_ids)
        for service in cluster.services.values()
    )
