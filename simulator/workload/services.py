"""ECS services that grow, shrink, deploy, and fail when no address is left.

Each task holds a network interface and its address. The scheduler looks at every service once a minute of virtual time,
starts and stops tasks within the deployment's percentages, and backs off after failures.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from moto.ec2.exceptions import EC2ClientError
from moto.moto_api._internal import mock_random

from simulator.aws.ecs.circuit_breaker import count_failure, count_start
from simulator.aws.ecs.deployments import Deployments, start_deployment
from simulator.aws.ecs.placement import Choice, choose_subnet
from simulator.aws.ecs.task_definitions import task_definition
from simulator.aws.ecs.task_events import api_call_failed, no_free_address
from simulator.aws.ecs.task_interfaces import create_interface, delete_interface
from simulator.aws.events.bus import DEFAULT_BUS, complete
from simulator.workload.scheduling import (
    BackOff,
    end_deployment,
    fewest_ready,
    kept_deployment,
    may_start_tasks,
    most_tasks,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.cloud import Cloud

type Demand = Callable[[float], float]
"""Desired count of a service, by minutes since it was created."""

TICK = 60.0
START_TIME = 45.0
STARTS_PER_TICK = 20


@dataclass(slots=True)
class Task:
    """A task with its interface; it runs from `runs_at` on."""

    arn: str
    zone: str
    eni: Any
    runs_at: float


@dataclass(frozen=True)
class FailedTask:
    """A task that found no free address."""

    at: float
    service: str
    subnet_id: str


@dataclass
class ServiceRun:
    """What the scheduler knows of one service (moto's): its tasks by deployment, and its back-off.

    errors: by the ARN of a task definition, why no task of it can start.
    """

    service: Any
    demand: Demand
    started: float
    tasks: dict[str, list[Task]] = field(default_factory=dict)
    back_off: BackOff = field(default_factory=BackOff)
    errors: dict[str, str] = field(default_factory=dict)

    def all_tasks(self) -> list[Task]:
        """The tasks of every deployment."""
        return [task for tasks in self.tasks.values() for task in tasks]


class Workload:
    """The ECS services of one cluster and their scheduler.

    >>> workload = Workload(cloud)
    >>> workload.service("web", network.network_configuration(), lambda minutes: 10 + minutes / 600)
    >>> berthmaster.run(minutes=600)
    >>> len(workload.failed)

    `cloudtrail`: also send the CloudTrail event of each failed CreateNetworkInterface.
    """

    def __init__(
        self, cloud: Cloud, *, cluster: str = "web", choice: Choice = Choice.RANDOM, cloudtrail: bool = False
    ) -> None:
        self.cloud = cloud
        self.cluster = cluster
        self.failed: list[FailedTask] = []
        self.started = 0
        self._runs: dict[str, ServiceRun] = {}
        self._choice = choice
        self._cloudtrail = cloudtrail
        self._rng = Random(f"{cloud.seed}:workload")
        cloud.client("ecs").create_cluster(clusterName=cluster)
        cloud.clock.every(TICK, self._tick)

    def service(
        self,
        name: str,
        network_configuration: Mapping[str, Any],
        demand: Demand | int,
        *,
        maximum_percent: int = 200,
        minimum_healthy_percent: int = 100,
        circuit_breaker: Mapping[str, bool] | None = None,
        deployment_configuration: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> str:
        """Create a Fargate service whose desired count follows `demand`; returns its ARN.

        `circuit_breaker`: the deploymentCircuitBreaker of ECS's API; disabled unless given. `deployment_configuration`:
        other members of ECS's deploymentConfiguration, such as alarms, or a strategy with bake time and hooks.
        """
        wanted = demand if callable(demand) else lambda _: demand
        ecs = self.cloud.client("ecs")
        self._define(name)
        self.cloud.state(Deployments).with_scheduler.add(
            f"arn:aws:ecs:{self.cloud.region}:{self.cloud.account_id}:service/{self.cluster}/{name}"
        )
        arn: str = ecs.create_service(
            cluster=self.cluster,
            serviceName=name,
            taskDefinition=name,
            desiredCount=_count(wanted(0.0)),
            launchType="FARGATE",
            networkConfiguration=network_configuration,
            deploymentConfiguration={
                "maximumPercent": maximum_percent,
                "minimumHealthyPercent": minimum_healthy_percent,
                **({"deploymentCircuitBreaker": circuit_breaker} if circuit_breaker else {}),
                **(deployment_configuration or {}),
            },
            tags=[{"key": key, "value": value} for key, value in (tags or {}).items()],
        )["service"]["serviceArn"]
        service = self.cloud.backend("ecs").services[f"{self.cluster}:{name}"]
        self._runs[name] = ServiceRun(service, wanted, self.cloud.clock.timestamp())
        return arn

    def deploy(self, name: str) -> None:
        """Start a deployment of what a service runs already."""
        start_deployment(self.cloud, self._runs[name].service)

    def release(self, name: str, *, error: str = "") -> None:
        """Start a deployment of a new revision of its task definition; error: why no task of that can start."""
        run = self._runs[name]
        run.service.task_definition = self._define(name)
        if error:
            run.errors[run.service.task_definition] = error
        start_deployment(self.cloud, run.service)

    def running(self, name: str) -> int:
        """How many tasks of a service run."""
        count: int = self._runs[name].service.running_count
        return count

    def tasks_by_subnet(self, name: str) -> dict[str, int]:
        """How many tasks of a service, running or starting, are in each subnet."""
        counts: dict[str, int] = {}
        for task in self._runs[name].all_tasks():
            counts[task.eni.subnet.id] = counts.get(task.eni.subnet.id, 0) + 1
        return counts

    def _define(self, family: str) -> str:
        """Register a revision of a task definition; returns its ARN."""
        container = {"name": family, "image": f"{family}:latest", "memory": 512}
        arn: str = self.cloud.client("ecs").register_task_definition(
            family=family, networkMode="awsvpc", containerDefinitions=[container]
        )["taskDefinition"]["taskDefinitionArn"]
        return arn

    def _tick(self) -> None:
        now = self.cloud.clock.timestamp()
        for run in self._runs.values():
            desired = _count(run.demand((now - run.started) / 60))
            if run.service.desired_count != desired:
                run.service.desired_count = run.service.deployments[0]["desiredCount"] = desired
            self._schedule(run, now)

    def _schedule(self, run: ServiceRun, now: float) -> None:
        service, desired = run.service, run.service.desired_count
        primary = service.deployments[0]
        current = run.tasks.setdefault(primary["id"], [])
        if any(task.runs_at <= now for task in current):
            count_start(self.cloud, primary)
        while len(current) > desired:
            self._stop(current)
        blue = kept_deployment(self.cloud, service)
        old = [tasks for identifier, tasks in run.tasks.items() if identifier not in {primary["id"], blue} and tasks]
        if old:
            # Old tasks go as new ones run: never fewer healthy than the minimum.
            healthy = sum(task.runs_at <= now for task in run.all_tasks())
            fewest = fewest_ready(service)
            for tasks in old:
                while tasks and healthy > fewest:
                    healthy -= tasks[-1].runs_at <= now
                    self._stop(tasks)
        total = len(current) + sum(map(len, old))
        most = most_tasks(service, is_replacing=bool(old))
        if may_start_tasks(self.cloud, service):
            self._start(run, primary["id"], min(desired - len(current), most - total, STARTS_PER_TICK), now)
        self._report(run, now)

    def _start(self, run: ServiceRun, deployment_id: str, count: int, now: float) -> None:
        if count <= 0 or run.back_off.wait(deployment_id, now):
            return
        awsvpc = run.service.network_configuration["awsvpcConfiguration"]
        failures = sum(not self._start_task(run, deployment_id, awsvpc, now) for _ in range(count))
        if not failures:
            run.back_off.succeeded()
            return
        run.back_off.failed(now)
        for _ in range(failures):
            count_failure(self.cloud, run.service, deployment_id)

    def _start_task(self, run: ServiceRun, deployment_id: str, awsvpc: Mapping[str, Any], now: float) -> bool:
        cloud, service = self.cloud, run.service
        zones = (task.zone for task in run.tasks[deployment_id])
        subnet = choose_subnet(cloud, awsvpc["subnets"], zones, rng=self._rng, choice=self._choice)
        task_arn = (
            f"arn:aws:ecs:{cloud.region}:{cloud.account_id}:task/{self.cluster}/{mock_random.getrandbits(128):032x}"
        )
        try:
            address = cloud.interfaces.pool_of(subnet).pick()
        except EC2ClientError:
            self.failed.append(FailedTask(now, service.name, subnet.id))
            self._fail_task(run, task_arn, deployment_id, subnet, no_free_address(subnet))
            if self._cloudtrail:
                event = api_call_failed(cloud, subnet_id=subnet.id)
                cloud.buses.put(DEFAULT_BUS, complete(cloud, event))
            return False
        if error := run.errors.get(service.task_definition):
            self._fail_task(run, task_arn, deployment_id, subnet, error)
            return False
        eni = create_interface(
            cloud,
            subnet,
            awsvpc.get("securityGroups", []),
            address=address,
            attachment=f"{mock_random.getrandbits(128):032x}",
        )
        run.tasks[deployment_id].append(Task(task_arn, subnet.availability_zone, eni, now + START_TIME))
        self.started += 1
        return True

    def _fail_task(self, run: ServiceRun, task_arn: str, deployment_id: str, subnet: Any, reason: str) -> None:
        self.cloud.tasks.fail_to_start(
            task_definition(self.cloud, run.service.task_definition),
            self.cloud.backend("ecs").clusters[self.cluster],
            subnet,
            arn=task_arn,
            group=f"service:{run.service.name}",
            started_by=deployment_id,
            attachment=str(mock_random.uuid4()),
            reason=reason,
        )

    def _stop(self, tasks: list[Task]) -> None:
        delete_interface(self.cloud, tasks.pop().eni)

    def _report(self, run: ServiceRun, now: float) -> None:
        service = run.service
        service.running_count = service.pending_count = 0
        for deployment in service.deployments:
            tasks = run.tasks.get(deployment["id"], [])
            running = sum(task.runs_at <= now for task in tasks)
            deployment["runningCount"], deployment["pendingCount"] = running, len(tasks) - running
            service.running_count += running
            service.pending_count += len(tasks) - running
        run.tasks = {identifier: tasks for identifier, tasks in run.tasks.items() if tasks}
        primary = service.deployments[0]
        end_deployment(
            self.cloud,
            service,
            is_ready=primary["runningCount"] >= service.desired_count,
            is_alone=run.tasks.keys() <= {primary["id"]},
        )


def _count(demand: float) -> int:
    return max(0, math.floor(demand))
