"""Where ECS itself registers the tasks of its services, kept in the container."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import batched
from typing import Any

from botocore.exceptions import ClientError

from berthmaster.clients import Clients
from berthmaster.concurrently import concurrently
from berthmaster.errors import code_of
from berthmaster.expiring import Expiring
from berthmaster.targets.observe.failed_reads import AWS_FAILED

SERVICES_PER_CALL = 10
AT_ONCE = 4
VALID_FOR = timedelta(minutes=2)
NONE_VALID_FOR = timedelta(seconds=10)
"""A service that ECS registers nowhere may be updated at any moment; the tasks that follow take longer to run."""

type Ports = Mapping[str, frozenset[int]]
"""By the ARN of a target group or Cloud Map service: the ports at which ECS registers tasks there, 0 if not known.

A Classic Load Balancer has no ARN: it goes by its name.
"""


class EcsRegistrations:
    """The registrations of the ECS services that were asked about so far."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._kept: Expiring[Ports] = Expiring()

    def of(self, services: Collection[tuple[str, str]], now: datetime) -> dict[str, Ports]:
        """By `cluster/service`: where ECS registers its tasks; raises AWS's error if one could not be read.

        services: cluster and name of each.
        """
        found, failed = self.read(services, now)
        for error in failed.values():
            raise error
        return found

    def read(
        self, services: Collection[tuple[str, str]], now: datetime, may_begin: Callable[[], bool] = lambda: True
    ) -> tuple[dict[str, Ports], dict[str, Exception]]:
        """As `of`, with the errors of those that could not be read."""
        known = {one: self._kept.get("/".join(one), now) for one in services}
        unknown = sorted(one for one, ports in known.items() if ports is None)
        found = {"/".join(one): ports for one, ports in known.items() if ports is not None}
        failed: dict[str, Exception] = {}
        parts = [
            (cluster, part)
            for cluster in sorted({cluster for cluster, _ in unknown})
            for part in batched([name for home, name in unknown if home == cluster], SERVICES_PER_CALL, strict=False)
        ]
        for one in concurrently(lambda part: self._registered(*part), parts, at_once=AT_ONCE, may_begin=may_begin):
            cluster, names = one.item
            if isinstance(one.error, AWS_FAILED):
                failed |= {f"{cluster}/{name}": one.error for name in names}
                continue
            for name, ports in one.result.items():
                lifetime = VALID_FOR if ports else NONE_VALID_FOR
                found[f"{cluster}/{name}"] = self._kept.put(f"{cluster}/{name}", ports, now, lifetime)
        return found, failed

    def _registered(self, cluster: str, names: Sequence[str]) -> dict[str, Ports]:
        """By the name of a service; empty for services that do not exist."""
        found: dict[str, Ports] = {name: {} for name in names}
        try:
            answer = self._clients.ecs.describe_services(cluster=cluster, services=list(names))
        except ClientError as error:
            if code_of(error) != "ClusterNotFoundException":
                raise
            return found
        for service in answer["services"]:
            ports: dict[str, set[int]] = defaultdict(set)
            for arn, port in _registrations(service):
                ports[arn].add(port)
            found[service["serviceName"]] = {arn: frozenset(some) for arn, some in ports.items()}
        return found


def _registrations(service: Any) -> Iterator[tuple[str, int]]:
    """Those of a service, its deployments and its task sets: a running deployment may use what the service dropped."""
    for one in (service, *service.get("deployments", ()), *service.get("taskSets", ())):
        for balancer in one.get("loadBalancers", ()):
            port = balancer.get("containerPort", 0)
            yield balancer.get("targetGroupArn") or f"Classic Load Balancer {balancer.get('loadBalancerName')}", port
            if alternate := balancer.get("advancedConfiguration", {}).get("alternateTargetGroupArn"):
                yield alternate, port
        for registry in one.get("serviceRegistries", ()):
            yield registry.get("registryArn", ""), registry.get("containerPort", registry.get("port", 0))
        for resource in one.get("serviceConnectResources", ()):
            yield resource.get("discoveryArn", ""), 0
        for lattice in one.get("vpcLatticeConfigurations", ()):
            yield lattice.get("targetGroupArn", ""), 0
