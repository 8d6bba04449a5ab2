"""A run of targets_reconcile over 200 target groups and 10,000 tasks: its calls, and the CPU of its own work."""

from __future__ import annotations

import io
import json
import os
import time
from collections import Counter
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from ipaddress import IPv4Network
from statistics import median
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from benchmarks.cluster import RECONCILE, task_of
from benchmarks.replay import played_back, recorded
from berthmaster import settings
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.invocation import Invocation
from berthmaster.targets.reconcile import Reconcile
from berthmaster.targets.settings import ReconcileSettings
from berthmaster.telemetry import logger
from simulator.calls import calling_as
from simulator.clock import Clock as VirtualClock
from simulator.cloud import Cloud
from simulator.latency import Constant
from simulator.stack.deployment import Deployment
from simulator.workload.network import Network

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from benchmarks.replay import Answer
    from simulator.account import Account
    from simulator.aws.ecs.task import Task

AIM = 20.0
"""Seconds of CPU."""
GROUPS, TASKS_PER_GROUP, GROUPS_PER_CLUSTER = 200, 50, 10
DRIFT = 100
"""One task in so many is replaced without an event."""
SUBNET, FIRST_HOST = IPv4Network("10.0.0.0/17"), 10
ROUNDS = 3
PERIOD, DEADLINE = timedelta(minutes=1), timedelta(minutes=2)
RUNS = {
    "new container": "the first run of a container, everything is in place",
    "steady": "everything is in place",
    "drift": f"1 in {DRIFT} tasks was replaced without an event",
    "drift, next run": "ECS is asked about missing tasks, and they are deregistered",
}


@dataclass(frozen=True)
class Run:
    """One run: when it began, the answers that it got, call by call, and what it printed."""

    at: datetime
    answers: Sequence[Answer]
    calls: Counter[str]
    log: str


@dataclass(frozen=True)
class Recording:
    """Runs by what there was to find, and the settings of the function."""

    settings: ReconcileSettings
    runs: Mapping[str, Run]


@dataclass(frozen=True)
class Cost:
    """Seconds of CPU; baseline: decoding the JSON of the same answers."""

    own: float
    baseline: float

    @property
    def ratio(self) -> float:
        """How many times the baseline."""
        return self.own / self.baseline


@dataclass(frozen=True)
class Report:
    """Calls and costs by run, and the costs with half as many groups."""

    calls: Mapping[str, Counter[str]]
    costs: Mapping[str, Cost]
    half: Mapping[str, Cost]


@cache
def report() -> Report:
    """Measure both sizes."""
    whole, half = recording(GROUPS), recording(GROUPS // 2)
    return Report(
        calls={name: one.calls for name, one in whole.runs.items()}, costs=_measured(whole), half=_measured(half)
    )


@cache
def recording(groups: int, each: int = TASKS_PER_GROUP) -> Recording:
    """Let all tasks be registered, and then record runs; AWS answers at once, so a run takes no virtual time."""
    with Cloud(seed=5, latency=Constant()) as cloud:
        berthmaster = Deployment(cloud, parameters={"TargetsMode": "enforce"})
        berthmaster.schedules_enabled = False
        tasks = _settle(cloud, groups, each)
        while True:
            before = len(cloud.calls)
            if error := berthmaster.invoke(RECONCILE, {}).error:
                raise error
            cloud.clock.advance(PERIOD.total_seconds())
            if not cloud.calls.since(before).named("elbv2:RegisterTargets"):
                break
        configured = settings.read(berthmaster.runtime.functions[RECONCILE].environment, ReconcileSettings)
        reconcile = Reconcile(configured, Clients(), Clock())
        found = {}
        for name in RUNS:
            if name == "drift":
                _replace(cloud, tasks)
            before = len(cloud.calls)
            at = cloud.clock.now()
            with calling_as(RECONCILE), recorded() as answers, _captured() as printed:
                reconcile.run(Invocation(id=name, deadline=at + DEADLINE))
            found[name] = Run(at, answers, cloud.calls.since(before).counts(), printed.getvalue())
            cloud.clock.advance(PERIOD.total_seconds())
        return Recording(configured, found)


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


def _replace(cloud: Cloud, tasks: dict[str, Task]) -> None:
    """Replace one task in so many, long enough ago for no event to be expected any more."""
    for task in list(tasks.values())[::DRIFT]:
        task.desired_status = task.last_status = "STOPPED"
        task.stop_code, task.has_process = "ServiceSchedulerInitiated", False
        _run(cloud, tasks, task.cluster, task.service, task.subnet_id)
    cloud.clock.advance(PERIOD.total_seconds())


@contextmanager
def _captured() -> Iterator[io.StringIO]:
    """Capture what the function prints: log lines and metrics."""
    printed = io.StringIO()
    handler: logging.StreamHandler[Any] = logger.registered_handler  # type: ignore[assignment]
    with patch.dict(os.environ, {"POWERTOOLS_METRICS_NAMESPACE": "Berthmaster"}), redirect_stdout(printed):
        before = handler.setStream(printed)
        try:
            yield printed
        finally:
            handler.setStream(before)


def _measured(recorded_: Recording) -> Mapping[str, Cost]:
    runs = [replayed(recorded_) for _ in range(ROUNDS)]
    return {
        name: Cost(median(run[name] for run in runs), median(_decoded(one) for _ in range(ROUNDS)))
        for name, one in recorded_.runs.items()
    }


def replayed(recorded_: Recording) -> Mapping[str, float]:
    """Repeat the runs with the same answers; returns seconds of CPU."""
    taken = {}
    begun_at = next(iter(recorded_.runs.values())).at
    # Under the simulator's clock calls are made one after the other, as they were when they were recorded.
    with VirtualClock(begun_at) as clock, played_back() as (clients, tape), _captured():
        reconcile = Reconcile(recorded_.settings, clients, Clock())
        for name, one in recorded_.runs.items():
            tape.put(one.answers)
            clock.run_until(one.at)
            began = time.process_time()
            reconcile.run(Invocation(id=name, deadline=one.at + DEADLINE))
            taken[name] = time.process_time() - began
    return taken


def _decoded(one: Run) -> float:
    texts = [json.dumps(answer.parsed, default=str) for answer in one.answers]
    began = time.process_time()
    for text in texts:
        json.loads(text)
    return time.process_time() - began


def printed(found: Report) -> Iterator[str]:
    """Calls by operation, and CPU."""
    yield f"{GROUPS} target groups, {GROUPS * TASKS_PER_GROUP:,} tasks, {GROUPS // GROUPS_PER_CLUSTER} clusters"
    yield from (f"  {name}: {what}" for name, what in RUNS.items())
    yield f"{'':42s}" + "".join(f"{name:>18s}" for name in found.calls)
    every = sum(found.calls.values(), Counter())
    for operation, _ in every.most_common():
        yield f"  {operation:40s}" + "".join(f"{calls[operation] or '-':>18}" for calls in found.calls.values())
    yield f"{'all':42s}" + "".join(f"{calls.total():18d}" for calls in found.calls.values())
    rows: tuple[tuple[str, Callable[[str], float]], ...] = (
        (f"CPU, seconds (aim: less than {AIM:g})", lambda name: found.costs[name].own),
        ("baseline: decoding the answers' JSON", lambda name: found.costs[name].baseline),
        ("ratio", lambda name: found.costs[name].ratio),
        (f"CPU, {GROUPS // 2} groups and as many tasks each", lambda name: found.half[name].own),
        ("ratio to that (twice as much to do)", lambda name: found.costs[name].own / found.half[name].own),
    )
    for what, value in rows:
        yield f"{what:42s}" + "".join(f"{value(name):18.2f}" for name in found.calls)
