"""A fleet of ECS tasks, each with its own lifecycle and address: services, single tasks, and what happens to them.

`simulator.workload.services` shows how many addresses a growing cluster needs; this shows which task holds which one,
and when. A service with target groups of its own has its tasks registered there by ECS itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from simulator.aws.ecs.circuit_breaker import count_failure, count_start
from simulator.aws.ecs.deployments import Deployments, start_deployment
from simulator.aws.ecs.service_revisions import revision_arn
from simulator.aws.ecs.task_definitions import task_definition
from simulator.aws.ecs.tasks import start_tasks, stop_task
from simulator.calls import WORKLOAD, calling_as
from simulator.workload.scheduling import (
    BackOff,
    end_deployment,
    fewest_ready,
    kept_deployment,
    may_start_tasks,
    most_tasks,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simulator.account import Account, Params, Parsed
    from simulator.aws.ecs.task import Task
    from simulator.clock import Timer
    from simulator.cloud import Cloud

# How soon the scheduler sees a change, and how many tasks it starts then: "up to 500 tasks per minute" (Fargate, ECS
# guide, service quotas).
TICK = 3.0
STARTS_PER_TICK = 25
# How soon ECS registers a task that has begun to run, and when it tries again at an address that still drains; neither
# is documented.
REGISTRATION = 1.0
REGISTRATION_RETRY = 10.0


@dataclass
class ServiceRun:
    """What the scheduler knows of one service (moto's): its tasks that are not stopping, and its back-off."""

    service: Any
    activates: bool
    target_groups: tuple[str, ...] = ()
    tasks: dict[str, Task] = field(default_factory=dict)
    next_check: Timer | None = None
    back_off: BackOff = field(default_factory=BackOff)


class Fleet:
    """The tasks of one cluster and the scheduler of its services.

    >>> fleet = Fleet(cloud)
    >>> arn = fleet.service("web", network.network_configuration(), 3)
    >>> cloud.clock.run_until(cloud.clock.timestamp() + 60)
    >>> fleet.crash(fleet.tasks[0])

    The scheduler checks a service `TICK` seconds after something happened to it, and only then.
    `reuse` is the probability that a new task of the account gets the address its subnet was given back last.
    """

    def __init__(self, cloud: Cloud, *, cluster: str = "web", reuse: float = 0.5) -> None:
        self.cloud = cloud
        self.cluster = cluster
        cloud.tasks.freed.reuse = reuse
        self._runs: dict[str, ServiceRun] = {}
        if cluster not in cloud.backend("ecs").clusters:
            cloud.client("ecs").create_cluster(clusterName=cluster)
        cloud.tasks.watchers.append(self._task_changed)
        cloud.state(Deployments).watchers.append(self._deployment_changed)
        self._watch_updates()

    @property
    def tasks(self) -> list[Task]:
        """The tasks not yet STOPPED, oldest first."""
        return [task for task in self.cloud.tasks.alive() if task.cluster == self.cluster]

    def task(self, arn: str) -> Task:
        """A task, however long ago it stopped."""
        task = self.cloud.tasks.find(arn)
        if task is None:
            raise KeyError(arn)
        return task

    def occupant(self, address: str, subnet_id: str = "") -> Task | None:
        """Who holds an address now, from the attachment of its interface until DEPROVISIONING."""
        return self.cloud.tasks.occupant(address, subnet_id)

    def service(
        self,
        name: str,
        network_configuration: Mapping[str, Any],
        count: int,
        *,
        port: int = 8080,
        health_check: bool = False,
        activates: bool = False,
        tags: Mapping[str, str] | None = None,
        target_groups: Sequence[str] = (),
        stop_timeout: int = 0,
        circuit_breaker: Mapping[str, bool] | None = None,
        deployment_configuration: Mapping[str, Any] | None = None,
    ) -> str:
        """Create a Fargate service of `count` tasks; returns its ARN.

        `activates`: its tasks pass through ACTIVATING and DEACTIVATING, as with Cloud Map or several target groups.
        `target_groups`: where ECS registers its tasks, from RUNNING until the first sign of leaving. `stop_timeout`: of
        their containers, in seconds; ECS's default unless given.
        `circuit_breaker`: the deploymentCircuitBreaker of ECS's API; disabled unless given. `deployment_configuration`:
        other members of ECS's deploymentConfiguration, such as alarms, or a strategy with bake time and hooks.
        """
        cloud = self.cloud
        self._define(name, port, health_check=health_check, stop_timeout=stop_timeout)
        cloud.state(Deployments).with_scheduler.add(
            f"arn:aws:ecs:{cloud.region}:{cloud.account_id}:service/{self.cluster}/{name}"
        )
        arn: str = cloud.client("ecs").create_service(
            cluster=self.cluster,
            serviceName=name,
            taskDefinition=name,
            desiredCount=count,
            launchType="FARGATE",
            networkConfiguration=network_configuration,
            loadBalancers=[
                {"targetGroupArn": arn, "containerName": name, "containerPort": port} for arn in target_groups
            ],
            deploymentConfiguration={
                **({"deploymentCircuitBreaker": circuit_breaker} if circuit_breaker else {}),
                **(deployment_configuration or {}),
            },
            tags=[{"key": key, "value": value} for key, value in (tags or {}).items()],
        )["service"]["serviceArn"]
        service = cloud.backend("ecs").services[f"{self.cluster}:{name}"]
        self._runs[name] = ServiceRun(service, activates or len(target_groups) > 1, tuple(target_groups))
        self._wake(self._runs[name])
        return arn

    def external_service(self, name: str, network_configuration: Mapping[str, Any], *, port: int = 8080) -> str:
        """Create a service whose tasks are those of its task sets; returns its ARN."""
        self._define(name, port, health_check=False)
        arn: str = self.cloud.client("ecs").create_service(
            cluster=self.cluster,
            serviceName=name,
            desiredCount=0,
            deploymentController={"type": "EXTERNAL"},
            networkConfiguration=network_configuration,
        )["service"]["serviceArn"]
        return arn

    def task_set(self, service: str, network_configuration: Mapping[str, Any], count: int) -> str:
        """Create a task set of such a service with its tasks; returns its ARN."""
        created = self.cloud.client("ecs").create_task_set(
            cluster=self.cluster, service=service, taskDefinition=service, launchType="FARGATE"
        )["taskSet"]
        start_tasks(
            self.cloud,
            self.cloud.backend("ecs").clusters[self.cluster],
            task_definition(self.cloud, service),
            network_configuration,
            count=count,
            group=f"service:{service}",
            started_by=created["id"],
        )
        arn: str = created["taskSetArn"]
        return arn

    def scale(self, name: str, count: int) -> None:
        """Change a service's desired count."""
        run = self._runs[name]
        run.service.desired_count = run.service.deployments[0]["desiredCount"] = count
        self._wake(run)

    def deploy(self, name: str) -> str:
        """Start a rolling deployment of a service, as a release does; returns the ARN of its service revision."""
        service = self._runs[name].service
        return revision_arn(service, start_deployment(self.cloud, service))

    def run_task(
        self,
        family: str,
        network_configuration: Mapping[str, Any],
        *,
        port: int = 8080,
        health_check: bool = False,
        count: int = 1,
    ) -> list[Task]:
        """Run tasks that belong to no service."""
        definition = self._define(family, port, health_check=health_check)
        home = self.cloud.backend("ecs").clusters[self.cluster]
        return start_tasks(self.cloud, home, definition, network_configuration, count=count, group=f"family:{family}")

    def stop(self, task: Task) -> None:
        """Stop a task as a person does; its service starts another."""
        stop_task(self.cloud, {"cluster": task.cluster, "task": task.arn})

    def interrupt(self, task: Task) -> None:
        """Take the Spot capacity under a task back."""
        self.cloud.tasks.interrupt(task)

    def crash(self, task: Task) -> None:
        """Let the process of a task die without a warning."""
        self.cloud.tasks.crash(task)

    def _define(self, family: str, port: int, *, health_check: bool, stop_timeout: int = 0) -> Any:
        definition = task_definition(self.cloud, family)
        container: dict[str, Any] = {
            "name": family,
            "image": f"{family}:latest",
            "portMappings": [{"name": "http", "containerPort": port, "protocol": "tcp"}],
        }
        if stop_timeout:
            container["stopTimeout"] = stop_timeout
        if health_check:
            container["healthCheck"] = {"command": ["CMD-SHELL", f"curl -f http://localhost:{port}/ || exit 1"]}
        if definition is None or not container.items() <= definition.container_definitions[0].items():
            self.cloud.client("ecs").register_task_definition(
                family=family,
                networkMode="awsvpc",
                requiresCompatibilities=["FARGATE"],
                cpu="256",
                memory="512",
                containerDefinitions=[container],
            )
        return task_definition(self.cloud, family)

    def _watch_updates(self) -> None:
        def updated(_: Account, __: Params, response: Parsed) -> None:
            if run := self._runs.get(response["service"]["serviceName"]):
                self._wake(run)

        self.cloud.add_patch("ecs:UpdateService", updated)

    def _deployment_changed(self, service: Any) -> None:
        run = self._runs.get(service.name)
        if run is not None and run.service is service:
            self._wake(run)

    def _task_changed(self, task: Task) -> None:
        run = self._runs.get(task.service)
        if run is None or task.cluster != self.cluster:
            return
        if task.desired_status == "STOPPED":
            run.tasks.pop(task.arn, None)
        for group in run.target_groups:
            self._keep_registered(task, group)
        self._keep_count(run, task)
        self._wake(run)

    def _keep_registered(self, task: Task, group: str) -> None:
        """Let ECS follow a change of a task: it registers a task that runs and deregisters one that stops."""
        if task.is_running and task.running_at == self.cloud.clock.now():
            self.cloud.clock.after(REGISTRATION, lambda: self._register(task, group))
        elif task.left_at == self.cloud.clock.now() and task.running_at:
            self.cloud.clock.after(0.0, lambda: self._deregister(task, group))

    def _register(self, task: Task, group: str) -> None:
        if not task.is_running:
            return
        try:
            with calling_as(WORKLOAD):
                self.cloud.client("elbv2").register_targets(TargetGroupArn=group, Targets=[_target(task)])
        except ClientError as refusal:
            if refusal.response["Error"]["Code"] != "InvalidTarget":
                raise
            self.cloud.clock.after(REGISTRATION_RETRY, lambda: self._register(task, group))

    def _deregister(self, task: Task, group: str) -> None:
        with calling_as(WORKLOAD):
            self.cloud.client("elbv2").deregister_targets(TargetGroupArn=group, Targets=[_target(task)])

    def _keep_count(self, run: ServiceRun, task: Task) -> None:
        """Count tasks of the primary deployment that fail to start, until one runs."""
        primary = run.service.deployments[0]
        if task.started_by != primary["id"]:
            return
        if task.is_running:
            run.back_off.succeeded()
            count_start(self.cloud, primary)
        elif task.last_status == "DEPROVISIONING" and task.stop_code == "TaskFailedToStart":
            run.back_off.failed(self.cloud.clock.timestamp())
            count_failure(self.cloud, run.service, primary["id"])

    def _wake(self, run: ServiceRun, delay: float = TICK) -> None:
        when = self.cloud.clock.timestamp() + delay
        if run.next_check is not None:
            if run.next_check.when <= when:
                return
            run.next_check.cancel()
        run.next_check = self.cloud.clock.at(when, lambda: self._check(run))

    def _check(self, run: ServiceRun) -> None:
        run.next_check = None
        service, primary = run.service, run.service.deployments[0]
        desired = service.desired_count
        current = [task for task in run.tasks.values() if task.started_by == primary["id"]]
        blue = kept_deployment(self.cloud, service)
        old = [task for task in run.tasks.values() if task.started_by not in {primary["id"], blue}]
        for task in current[desired:]:
            self._stop(task, primary)
        del current[desired:]
        # Old tasks go as new ones are ready: never fewer ready ones than the minimum.
        fewest = fewest_ready(service)
        ready = sum(task.is_ready for task in run.tasks.values())
        for task in old:
            if not task.is_ready or ready > fewest:
                ready -= task.is_ready
                self._stop(task, primary)
        left = sum(task.arn in run.tasks for task in old)
        most = most_tasks(service, is_replacing=bool(old))
        self._start(run, primary, min(desired - len(current), most - len(current) - left))
        self._report(run)

    def _start(self, run: ServiceRun, primary: Mapping[str, Any], wanted: int) -> None:
        if wanted <= 0 or not may_start_tasks(self.cloud, run.service):
            return
        if wait := run.back_off.wait(primary["id"], self.cloud.clock.timestamp()):
            self._wake(run, wait)
            return
        started = start_tasks(
            self.cloud,
            self.cloud.backend("ecs").clusters[self.cluster],
            task_definition(self.cloud, primary["taskDefinition"]),
            run.service.network_configuration,
            count=min(wanted, STARTS_PER_TICK),
            group=f"service:{run.service.name}",
            started_by=primary["id"],
            activates=run.activates,
        )
        run.tasks.update({task.arn: task for task in started})
        if wanted > STARTS_PER_TICK:
            self._wake(run)

    def _stop(self, task: Task, primary: Mapping[str, Any]) -> None:
        reason = f"Scaling activity initiated by (deployment {primary['id']})"
        self.cloud.tasks.leave(task, "ServiceSchedulerInitiated", reason)

    def _report(self, run: ServiceRun) -> None:
        service, primary = run.service, run.service.deployments[0]
        for deployment in service.deployments:
            tasks = [task for task in run.tasks.values() if task.started_by == deployment["id"]]
            deployment["runningCount"] = sum(task.is_running for task in tasks)
            deployment["pendingCount"] = len(tasks) - deployment["runningCount"]
        service.running_count = sum(deployment["runningCount"] for deployment in service.deployments)
        service.pending_count = sum(deployment["pendingCount"] for deployment in service.deployments)
        own = [task for task in run.tasks.values() if task.started_by == primary["id"]]
        end_deployment(
            self.cloud,
            service,
            is_ready=sum(task.is_ready for task in own) >= service.desired_count,
            is_alone=len(own) == len(run.tasks),
        )


def _target(task: Task) -> dict[str, Any]:
    return {"Id": task.address, "Port": task.port}
