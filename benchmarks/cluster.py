"""A busy cluster on the simulator: services of tasks, each with its target groups and a Cloud Map service."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from types import SimpleNamespace
from typing import TYPE_CHECKING
from unittest.mock import patch

from moto.sqs.models import SQSBackend

from simulator.aws.ec2.lookup import find_subnet
from simulator.aws.ecs.task import Task
from simulator.aws.ecs.task_definitions import task_definition
from simulator.cloud import Cloud
from simulator.stack.deployment import Deployment
from simulator.workload.fleet import Fleet
from simulator.workload.network import Network

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from simulator.cloud import Cloud as OpenCloud

SYNC, RECONCILE = "TargetsSyncFunction", "TargetsReconcileFunction"
CLUSTER = "web"
ZONES = {"a": "10.0.0.0/18", "b": "10.0.64.0/18", "c": "10.0.128.0/18"}
"""Large enough that hardly any address gets a second task while the target of the first one drains."""


@dataclass(frozen=True)
class BusyCluster:
    """The cluster, Berthmaster, and the target groups of each service."""

    cloud: OpenCloud
    network: Network
    fleet: Fleet
    berthmaster: Deployment
    groups: Mapping[str, Sequence[str]]


@contextmanager
def busy_cluster(
    groups: Mapping[str, int], *, tasks: int, cloud_map: bool = True, drain: int = 300
) -> Iterator[BusyCluster]:
    """Open a cloud in which so many tasks of each service run and are registered.

    groups: how many target groups each service has. drain: their deregistration delay in seconds. No schedule runs; one
    reconciliation has run.
    """
    # For each message moto checks its age, which takes time in proportion to all messages.
    with (
        Cloud(seed=3) as cloud,
        patch.object(SQSBackend, "is_message_valid_based_on_retention_period", lambda *_: True),
    ):
        network = Network.create(cloud, "10.0.0.0/16")
        for zone, block in ZONES.items():
            network.subnet(zone, block)
        made = {service: _destinations(network, service, count, cloud_map) for service, count in groups.items()}
        for arn in chain.from_iterable(made.values()):
            delay = {"Key": "deregistration_delay.timeout_seconds", "Value": str(drain)}
            cloud.client("elbv2").modify_target_group_attributes(TargetGroupArn=arn, Attributes=[delay])
        berthmaster = Deployment(cloud, parameters={"TargetsMode": "enforce"})
        berthmaster.schedules_enabled = False
        fleet = Fleet(cloud, cluster=CLUSTER, reuse=0)
        busy = BusyCluster(cloud, network, fleet, berthmaster, made)
        for service in groups:
            fleet.service(service, network.network_configuration(), tasks)
        berthmaster.run(minutes=5)
        reconcile(busy)
        yield busy


def reconcile(busy: BusyCluster) -> None:
    """Run the reconciliation once."""
    invocation = busy.berthmaster.invoke(RECONCILE, {})
    if invocation.error:
        raise invocation.error


def task_of(cloud: OpenCloud, cluster: str, service: str, number: int, *, subnet: str, address: str) -> Task:
    """A task that is about to run, as events and DescribeTasks show it; it has no interface in EC2."""
    return Task(
        arn=f"arn:aws:ecs:{cloud.region}:{cloud.account_id}:task/{cluster}/{number:032x}",
        cluster=cluster,
        cluster_arn=cloud.backend("ecs").clusters[cluster].arn,
        definition=task_definition(cloud, service),
        group=f"service:{service}",
        started_by="ecs-svc/1234567890123456789",
        subnet=find_subnet(cloud, subnet),
        security_groups=[],
        attachment=f"00000000-0000-4000-8000-{number:012x}",
        container_arns=[f"arn:aws:ecs:{cloud.region}:{cloud.account_id}:container/{cluster}/{number:032x}/1"],
        created_at=cloud.clock.now(),
        eni=SimpleNamespace(id=f"eni-{number:017x}", private_ip_address=address, mac_address="02:00:00:00:00:01"),
        has_process=True,
    )


def _destinations(network: Network, service: str, count: int, cloud_map: bool) -> tuple[str, ...]:  # noqa: FBT001
    cloud = network.cloud
    tags = {"berthmaster:targets": "managed", "berthmaster:cluster": CLUSTER, "berthmaster:service": service}
    pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
    elbv2, discovery = cloud.client("elbv2"), cloud.client("servicediscovery")
    arns = []
    for number in range(count):
        name = f"{service}-{number}"
        group = elbv2.create_target_group(
            Name=name, Protocol="HTTP", Port=80, VpcId=network.vpc_id, TargetType="ip", Tags=pairs
        )
        arns.append(group["TargetGroups"][0]["TargetGroupArn"])
        balancer = elbv2.create_load_balancer(Name=name, Subnets=list(network.subnets), Type="application")
        cloud.targets.attach(arns[-1], balancer["LoadBalancers"][0]["LoadBalancerArn"])
    if cloud_map:
        namespace = discovery.create_http_namespace(Name=service)["OperationId"]
        targets = discovery.get_operation(OperationId=namespace)["Operation"]["Targets"]
        discovery.create_service(Name=service, NamespaceId=targets["NAMESPACE"], Tags=pairs)
    return tuple(arns)
