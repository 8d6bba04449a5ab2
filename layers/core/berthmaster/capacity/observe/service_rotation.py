"""Reads the ECS services of all clusters in rotation, with a budget of calls per cycle.

ECS lists services cluster by cluster and describes ten at a time, so a large account would cost hundreds of calls in
every cycle. One half of the budget goes to clusters that matter now, because they have services in subnets that are
short of addresses, or a deployment in progress; the other half to those that were read longest ago.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime
from itertools import repeat
from typing import TYPE_CHECKING

from berthmaster.capacity.ecs_service import DESCRIBED_AT_ONCE
from berthmaster.capacity.model import Subnet
from berthmaster.capacity.observe.inventory_memory import Cluster, Memory
from berthmaster.capacity.observe.workloads import LISTED_AT_ONCE, cluster_arns, describe_services, service_arns
from berthmaster.failures import Failures

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient


class ServiceRotation:
    """The services in these subnets; each run reads some clusters of the memory again.

    may_begin: asked before each call.
    """

    def __init__(
        self, ecs: "ECSClient", memory: Memory, subnets: Collection[Subnet], may_begin: Callable[[], bool]
    ) -> None:
        self._ecs = ecs
        self._may_begin = may_begin
        self._memory = memory
        self._subnet_ids = {subnet.id for subnet in subnets}
        self._short = {subnet.id for subnet in subnets if _is_short(subnet)}

    def run(self, now: datetime, calls: int, failures: Failures) -> None:
        """Read clusters until the calls or the time are used up; errors of single clusters are added to the failures.

        A cluster that needs more is continued in the next run, so only a list of very many services can exceed the
        budget.
        """
        listed = cluster_arns(self._ecs)
        left = calls - _pages(listed)
        self._memory.clusters = {arn: self._memory.clusters.get(arn) or Cluster() for arn in listed}
        longest_ago_first = sorted(listed, key=lambda arn: self._memory.clusters[arn].read_at)
        urgent = [arn for arn in longest_ago_first if self._is_urgent(self._memory.clusters[arn])]
        used = self._read_clusters(urgent, left // 2, now, failures)
        rest = [arn for arn in longest_ago_first if self._memory.clusters[arn].read_at != now]
        self._read_clusters(rest, left - used, now, failures)

    def _read_clusters(self, arns: Iterable[str], calls: int, now: datetime, failures: Failures) -> int:
        """Read one cluster after the other until calls or time are used up; returns how many calls were made."""
        used = 0
        for arn in arns:
            if used >= calls or not self._may_begin():
                break
            cluster = self._memory.clusters[arn]
            before = len(failures)
            with failures.collect("cluster not read", cluster=arn):
                for _ in self._read_cluster(arn, cluster, calls - used):
                    used += 1
            if len(failures) > before:
                # The other clusters come first before it is tried again.
                used += 1
                cluster.read_at = now
            elif not cluster.unread:
                cluster.read_at = now
        return used

    def _read_cluster(self, arn: str, cluster: Cluster, calls: int) -> Iterator[None]:
        """Read a cluster, or go on with it, with at most so many calls; yields after each."""
        if not cluster.unread:
            cluster.unread = service_arns(self._ecs, arn)
            listed = set(cluster.unread)
            cluster.services = {one: service for one, service in cluster.services.items() if one in listed}
            calls -= _pages(listed)
            yield from repeat(None, _pages(listed))
        while cluster.unread and calls > 0 and self._may_begin():
            some = cluster.unread[:DESCRIBED_AT_ONCE]
            described = describe_services(self._ecs, arn, some)
            for service_arn in some:
                service = described.get(service_arn)
                if service and not self._subnet_ids.isdisjoint(service.subnet_ids):
                    cluster.services[service_arn] = service
                else:
                    cluster.services.pop(service_arn, None)
            del cluster.unread[:DESCRIBED_AT_ONCE]
            calls -= 1
            yield

    def _is_urgent(self, cluster: Cluster) -> bool:
        return any(
            service.deploying or not self._short.isdisjoint(service.subnet_ids) for service in cluster.services.values()
        )


def _pages(listed: Collection[str]) -> int:
    return max(1, -(-len(listed) // LISTED_AT_ONCE))


def _is_short(subnet: Subnet) -> bool:
    """Whether less than a quarter of it is free."""
    return subnet.free * 4 < subnet.capacity
