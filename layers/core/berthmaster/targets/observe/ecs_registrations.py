"""The ECS services: where ECS itself registers their tasks, and how it deploys them. Kept in the container."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import batched
from typing import Any

from botocore.exceptions import ClientError

from berthmaster.clients import Clients
from berthmaster.concurrently import concurrently
from berthmaster.errors import code_of
from berthmaster.expiring import Expiring
from berthmaster.targets.observe.failed_reads import AWS_FAILED
from berthmaster.targets.plan.traffic_shift import Revision

SERVICES_PER_CALL = 10
AT_ONCE = 4
VALID_FOR = timedelta(minutes=2)
NONE_VALID_FOR = timedelta(seconds=10)
"""A service that ECS registers nowhere may be updated at any moment; the tasks that follow take longer to run."""
SHIFTING_VALID_FOR = timedelta(seconds=3)
"""Production traffic may be shifted at any moment."""
ROLLING = frozenset({"", "ROLLING"})
PRIMARY = "PRIMARY"

type Ports = Mapping[str, frozenset[int]]
"""By the ARN of a target group or Cloud Map service: the ports at which ECS registers tasks there, 0 if not known.

A Classic Load Balancer has no ARN: it goes by its name.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class EcsService:
    """A service as DescribeServices shows it; without an ARN it does not exist.

    ports: where ECS registers its tasks. deployed_by: the type of its deployment controller. started_by: what its tasks
    may be started by, that is the ids of its deployments and task sets.
    """

    cluster: str
    service: str
    arn: str = ""
    desired_count: int = 0
    ports: Ports = field(default_factory=dict)
    strategy: str = ""
    deployed_by: str = "ECS"
    started_by: frozenset[str] = frozenset()
    task_sets: tuple[Revision, ...] = ()

    @property
    def name(self) -> str:
        """`cluster/service`."""
        return f"{self.cluster}/{self.service}"

    @property
    def shifts_traffic(self) -> bool:
        """Whether its deployments start tasks long before these take production traffic."""
        return self.deployed_by != "ECS" or self.strategy not in ROLLING

    @property
    def is_shifting(self) -> bool:
        """Whether such a deployment may be in progress."""
        return self.shifts_traffic and len(self.started_by) > 1

    @property
    def lifetime(self) -> timedelta:
        """How long this may be remembered."""
        if self.is_shifting:
            return SHIFTING_VALID_FOR
        return VALID_FOR if self.ports else NONE_VALID_FOR


class EcsRegistrations:
    """The ECS services that were asked about so far."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._kept: Expiring[EcsService] = Expiring()

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
        found, failed = self.described(services, now, may_begin)
        ports = {one.name: one.ports for one in found.values()}
        return ports, {"/".join(name): error for name, error in failed.items()}

    def described(
        self, services: Collection[tuple[str, str]], now: datetime, may_begin: Callable[[], bool] = lambda: True
    ) -> tuple[dict[tuple[str, str], EcsService], dict[tuple[str, str], Exception]]:
        """The services by cluster and name, and AWS's errors for those that could not be read."""
        known = {one: self._kept.get("/".join(one), now) for one in services}
        unknown = sorted(one for one, service in known.items() if service is None)
        found = {one: service for one, service in known.items() if service is not None}
        failed: dict[tuple[str, str], Exception] = {}
        parts = [
            (cluster, part)
            for cluster in sorted({cluster for cluster, _ in unknown})
            for part in batched([name for home, name in unknown if home == cluster], SERVICES_PER_CALL, strict=False)
        ]
        for one in concurrently(lambda part: self._describe(*part), parts, at_once=AT_ONCE, may_begin=may_begin):
            cluster, names = one.item
            if isinstance(one.error, AWS_FAILED):
                failed |= {(cluster, name): one.error for name in names}
                continue
            for name, service in one.result.items():
                found[cluster, name] = self._kept.put(f"{cluster}/{name}", service, now, service.lifetime)
        return found, failed

    def forget(self, cluster: str, service: str) -> None:
        """Read a service again, since what is remembered of it is contradicted."""
        self._kept.forget(f"{cluster}/{service}")

    def _describe(self, cluster: str, names: Sequence[str]) -> dict[str, EcsService]:
        """By the name of a service; those that do not exist have no ARN."""
        found = {name: EcsService(cluster=cluster, service=name) for name in names}
        try:
            answer = self._clients.ecs.describe_services(cluster=cluster, services=list(names))
        except ClientError as error:
            if code_of(error) != "ClusterNotFoundException":
                raise
            return found
        for one in answer["services"]:
            found[one["serviceName"]] = _service(cluster, one)
        return found


def _service(cluster: str, answer: Mapping[str, Any]) -> EcsService:
    ports: dict[str, set[int]] = defaultdict(set)
    for arn, port in _registrations(answer):
        ports[arn].add(port)
    deployments = (*answer.get("deployments", ()), *answer.get("taskSets", ()))
    return EcsService(
        cluster=cluster,
        service=answer["serviceName"],
        arn=answer["serviceArn"],
        desired_count=answer["desiredCount"],
        ports={arn: frozenset(some) for arn, some in ports.items()},
        strategy=answer.get("deploymentConfiguration", {}).get("strategy", ""),
        deployed_by=answer.get("deploymentController", {}).get("type", "ECS"),
        started_by=frozenset(one["id"] for one in deployments),
        task_sets=tuple(map(_task_set, answer.get("taskSets", ()))),
    )


def _task_set(answer: Mapping[str, Any]) -> Revision:
    return Revision(
        id=answer["id"],
        in_production=answer["status"] == PRIMARY,
        definition=answer["taskDefinition"],
        created_at=answer["createdAt"],
    )


def _registrations(service: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
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
