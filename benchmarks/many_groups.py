"""Many target groups on the simulator, each of one service, whose tasks are registered."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any

from benchmarks.cluster import RECONCILE, task_of
from simulator.cloud import Cloud
from simulator.latency import Constant
from simulator.stack.deployment import Deployment
from simulator.workload.network import Network

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from simulator.account import Account
    from simulator.aws.ecs.task import Task

SEED = 5
GROUPS_PER_CLUSTER = 10
SUBNET, FIRST_HOST = IPv4Network("10.0.0.0/17"), 10
PERIOD = timedelta(minutes=1)
"""From one run of targets_reconcile to the next."""


@dataclass(frozen=True)
class ManyGroups:
    """The cloud, Berthmaster, and the tasks by ARN."""

    cloud: Cloud
    berthmaster: Deployment
    tasks: dict[str, Task]

    def reconcile(self) -> None:
        """Run the reconciliation once, and let a minute pass."""
        if error := self.berthmaster.invoke(RECONCILE, {}).error:
            raise error
        self.cloud.clock.advance(PERIOD.total_seconds())

    def replace(self, one_in: int) -> None:
        """Replace one task in so many, long enough ago for no event to be expected any more."""
        for task in list(self.tasks.values())[::one_in]:
            task.desired_status = task.last_status = "STOPPED"
            task.stop_code, task.has_process = "ServiceSchedulerInitiated", False
            _run(self.cloud, self.tasks, task.cluster, task.service, task.subnet_id)
        self.cloud.clock.advance(PERIOD.total_seconds())


@contextmanager
def many_groups(groups: int, each: int) -> Iterator[ManyGroups]:
    """Open a cloud in which all tasks are registered; AWS answers at once, no schedule runs."""
    with Cloud(seed=SEED, latency=Constant()) as cloud:
        berthmaster = Deployment(cloud, parameters={"TargetsMode": "enforce"})
        berthmaster.schedules_enabled = False
        tasks = _settle(cloud, groups, each)
        scene = ManyGroups(cloud, berthmaster, tasks)
        is_settled = False
        while not is_settled:
            before = len(cloud.calls)
            scene.reconcile()
            is_settled = not cloud.calls.since(before).named("elbv2:RegisterTargets")
        yield scene


def _settle(cloud: Cloud, groups: int, each: int) -> dict[str, Task]:
    """Create clusters, services and target groups; the tasks exist only in answers, as in `benchmarks.fleet`."""
    network = Network.create(cloud, "10.0.0.0/16")
    subnet = network.subnet("a", str(SUBNET))
    ecs, elbv2 = cloud.client("ecs"), cloud.client("elbv2")
    tasks: dict[str, Task] = {}
    for number in range(groups):
        cluster, service = f"cluster-{number // GROUPS_PER_CLUSTER}", f"service-{number:03d}"
        if number % GROUPS_PER_CLUSTER == 0:
            ecs.create_cluster(clusterName=cluster)
        ports = [{"name": "http", "containerPort": 8080, "protocol": "tcp"}]
        container = {"name": "main", "image": "x", "memory": 64, "portMappings": ports}
        ecs.register_task_definition(family=service, networkMode="awsvpc", containerDefinitions=[container])
        ecs.create_service(
            cluster=cluster,
            serviceName=service,
            taskDefinition=service,
            desiredCount=each,
            networkConfiguration=network.network_configuration(),
        )
        tags = {"berthmaster:targets": "managed", "berthmaster:cluster": cluster, "berthmaster:service": service}
        balancer = elbv2.create_load_balancer(Name=service, Subnets=[subnet], Type="application")["LoadBalancers"][0]
        group = elbv2.create_target_group(
            Name=service,
            Protocol="HTTP",
            Port=80,
            VpcId=network.vpc_id,
            TargetType="ip",
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
        )["TargetGroups"][0]["TargetGroupArn"]
        cloud.targets.attach(group, balancer["LoadBalancerArn"])
        for _ in range(each):
            _run(cloud, tasks, cluster, service, subnet)
    cloud.clock.advance(PERIOD.total_seconds())
    _answer_for(cloud, tasks)
    return tasks


def _run(cloud: Cloud, tasks: dict[str, Task], cluster: str, service: str, subnet: str) -> None:
    number = len(tasks)
    task = task_of(cloud, cluster, service, number, subnet=subnet, address=str(SUBNET[FIRST_HOST + number]))
    task.last_status, task.running_at, task.connected_at, task.version = (
        "RUNNING",
        cloud.clock.now(),
        task.created_at,
        3,
    )
    tasks[task.arn] = task


def _answer_for(cloud: Cloud, tasks: Mapping[str, Task]) -> None:
    def list_tasks(_: Account, params: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "taskArns": [
                task.arn
                for task in tasks.values()
                if task.desired_status == "RUNNING"
                and (task.cluster, task.service) == (params["cluster"], params.get("serviceName", task.service))
            ]
        }

    def describe_tasks(_: Account, params: Mapping[str, Any]) -> dict[str, Any]:
        return {"tasks": [tasks[arn].described() for arn in params["tasks"]], "failures": []}

    cloud.handlers["ecs:ListTasks"], cloud.handlers["ecs:DescribeTasks"] = list_tasks, describe_tasks
