"""Reads the ECS services of all clusters in rotation, with a budget of calls per cycle.

ECS lists services cluster by cluster and describes ten at a time, so a large account would cost hundreds of calls in
every cycle. One half of the budget goes to services that matter now, because they run in subnets that are short of
addresses, or have a deployment in progress; the other half to the clusters that were read longest ago.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import batched
from typing import TYPE_CHECKING

from berthmaster.capacity.ecs_service import DESCRIBED_AT_ONCE
from berthmaster.capacity.model.vpc import Subnet
from berthmaster.capacity.observe.cluster_memory import Cluster
from berthmaster.capacity.observe.workloads import LISTED_AT_ONCE, cluster_arns, describe_services, service_arns
from berthmaster.concurrently import NotBegun, Outcome, concurrently
from berthmaster.failures import Failures

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient

CYCLES_PER_ROTATION = 6
"""In which all clusters are read, half an hour; it may take twice as long while many services matter now."""
AT_ONCE = 2
"""DescribeServices and ListServices share 20 calls a second in an account ("Request throttling", ECS API): deployments
and people need some of them."""


@dataclass(frozen=True, slots=True)
class _Turn:
    """A cluster to read. urgent: its services to describe again, beside those that are new; None for all."""

    arn: str
    urgent: frozenset[str] | None = None


class ServiceRotation:
    """The services of an account; each run reads some clusters again.

    clusters: by ARN, as they were read before. subnets: the managed ones. may_begin: asked before each call.
    """

    def __init__(
        self,
        ecs: "ECSClient",
        clusters: Mapping[str, Cluster],
        subnets: Collection[Subnet],
        may_begin: Callable[[], bool],
    ) -> None:
        self._ecs = ecs
        self._clusters = dict(clusters)
        self._may_begin = may_begin
        self._listed: dict[str, list[str]] = {}
        self._subnet_ids = {subnet.id for subnet in subnets}
        self._short = {subnet.id for subnet in subnets if _is_short(subnet)}

    def run(self, now: datetime, calls: int, failures: Failures) -> dict[str, Cluster]:
        """Read clusters until the calls or the time are used up; returns all clusters.

        calls: or as many as a rotation takes, divided by its cycles. A cluster that needs more is continued in the next
        run, so only a list of very many services can exceed the budget. Errors of single clusters are added to the
        failures.
        """
        listed = cluster_arns(self._ecs)
        self._clusters = {arn: self._clusters.get(arn) or Cluster() for arn in listed}
        left = max(calls, sum(map(_cost, self._clusters.values())) // CYCLES_PER_ROTATION) - _pages(listed)
        oldest_first = sorted(listed, key=lambda arn: self._clusters[arn].read_at)
        # How many services there are says how many calls a rotation takes.
        new = [_Turn(arn) for arn in oldest_first if self._clusters[arn].is_new]
        left -= self._list(new[: max(0, left // 2)], now, failures)
        urgent = [_Turn(arn, services) for arn in oldest_first if (services := self._urgent(self._clusters[arn]))]
        left -= self._read(urgent, left // 2, now, failures)
        rest = [_Turn(arn) for arn in oldest_first if self._clusters[arn].read_at != now]
        self._read(rest, left, now, failures)
        return self._clusters

    def _read(self, turns: Iterable[_Turn], calls: int, now: datetime, failures: Failures) -> int:
        """Read some clusters, with about so many calls; returns how many were made."""
        taken = list(self._within(turns, calls))
        continued = {turn.arn for turn in taken if turn.urgent is None and self._clusters[turn.arn].unread}
        used = self._list([turn for turn in taken if turn.arn not in continued], now, failures)
        parts = [
            (turn.arn, part) for turn in taken for part in batched(self._due(turn), DESCRIBED_AT_ONCE, strict=False)
        ]
        parts = parts[: max(0, calls - used)]
        described = concurrently(
            lambda one: describe_services(self._ecs, *one), parts, at_once=AT_ONCE, may_begin=self._may_begin
        )
        for one in _begun(described):
            arn, part = one.item
            with self._collecting(arn, now, failures):
                self._clusters[arn].take(part, one.result)
        for turn in taken:
            cluster = self._clusters[turn.arn]
            if turn.urgent is None and turn.arn in continued | self._listed.keys() and not cluster.unread:
                cluster.read_at = now
        return used + len(parts)

    def _within(self, turns: Iterable[_Turn], calls: int) -> Iterator[_Turn]:
        """The first turns, until they take so many calls; the last one may take more."""
        expected = 0
        for turn in turns:
            if expected >= calls:
                return
            yield turn
            expected += _cost(self._clusters[turn.arn]) if turn.urgent is None else 1 + _batches(turn.urgent)

    def _list(self, turns: Sequence[_Turn], now: datetime, failures: Failures) -> int:
        """List the services of some clusters; returns how many calls were made."""
        listed = concurrently(
            lambda turn: service_arns(self._ecs, turn.arn), turns, at_once=AT_ONCE, may_begin=self._may_begin
        )
        used = 0
        for one in _begun(listed):
            turn, used = one.item, used + _pages(one.value or ())
            with self._collecting(turn.arn, now, failures):
                self._listed[turn.arn] = one.result
                cluster = self._clusters[turn.arn]
                cluster.keep(set(one.result))
                if turn.urgent is None:
                    cluster.unread = list(one.result)
                if not cluster.size:
                    cluster.read_at = now
        return used

    def _due(self, turn: _Turn) -> Sequence[str]:
        """The services that a turn describes."""
        cluster = self._clusters[turn.arn]
        if turn.urgent is None:
            return cluster.unread
        return [one for one in self._listed.get(turn.arn, ()) if one in turn.urgent or not cluster.knows(one)]

    @contextmanager
    def _collecting(self, arn: str, now: datetime, failures: Failures) -> Iterator[None]:
        before = len(failures)
        with failures.collect("cluster not read", cluster=arn):
            yield
        if len(failures) > before:
            # The other clusters come first before it is tried again.
            self._clusters[arn].read_at = now

    def _urgent(self, cluster: Cluster) -> frozenset[str]:
        """Its services that take addresses now, or may not find any."""
        return frozenset(
            arn
            for arn, service in cluster.services.items()
            if not (self._subnet_ids if service.deploying else self._short).isdisjoint(service.subnet_ids)
        )


def _begun[Item, Result](outcomes: Iterable[Outcome[Item, Result]]) -> Iterator[Outcome[Item, Result]]:
    return (one for one in outcomes if not isinstance(one.error, NotBegun))


def _cost(cluster: Cluster) -> int:
    """The calls that read a cluster."""
    size = cluster.size
    return max(1, -(-size // LISTED_AT_ONCE)) + max(1, -(-size // DESCRIBED_AT_ONCE))


def _pages(listed: Collection[str]) -> int:
    return max(1, -(-len(listed) // LISTED_AT_ONCE))


def _batches(services: Collection[str]) -> int:
    return -(-len(services) // DESCRIBED_AT_ONCE)


def _is_short(subnet: Subnet) -> bool:
    """Whether less than a quarter of it is free."""
    return subnet.free * 4 < subnet.capacity
