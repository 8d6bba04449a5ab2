"""One run of the batch scene, the usual way or with Berthmaster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.cloud import Cloud
from simulator.demo.batch.outcome import Run
from simulator.demo.batch.scene import GOAL, PROVIDER, TASKS, Stage
from simulator.demo.bill import REGION, bill_of
from simulator.demo.way import Way
from simulator.faults import FaultPlan
from simulator.stack.deployment import Deployment
from simulator.workload.scans import CLUSTER, FAMILY, INCOMING, RESULTS, Scans
from simulator.workload.workers import worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.demo.batch.scene import Afternoon
    from simulator.demo.phases import Emit

USUAL = Way("the usual way", "usual", "The usual way: a Lambda calls RunTask for each event", "without")
EACH = Way(
    "a task per file",
    "a task each",
    "With Berthmaster, deployed from template.yaml, in mode enforce: a task for each file",
    "also",
)
WORKERS = Way("workers", "workers", "With Berthmaster: workers, which take many files each", "with")
WAYS = (USUAL, EACH, WORKERS)

USUAL_WAY = Path(__file__).parent / "usual_way" / "template.yaml"
OTHERS = ("CapacityWatchFunction", "TargetsReconcileFunction", "TargetsPodsFunction")
"""Functions of automations that are off, which a schedule would start."""


def simulate(scene: Afternoon, emit: Emit, way: Way) -> Run:
    """Run the scene; `emit` gets each phase when all is over: only then is known what became of its files."""
    with Cloud(seed=scene.seed, start=scene.start, region=REGION, faults=FaultPlan(seed=scene.seed)) as cloud:
        stage = Stage(cloud, scene)
        deployed = _usual_way(cloud, stage.scans) if way == USUAL else _berthmaster(cloud, stage.scans, way)
        cloud.clock.run_until(scene.ends)
        scans = stage.scans
        phases = tuple(stage.judged())
        for phase in phases:
            emit(phase)
        return Run(
            phases=phases,
            waiting=tuple(stage.waiting),
            waits=tuple(sorted(scans.ended_at[key] - at for key, at in scans.put_at.items() if key in scans.ended_at)),
            tasks=sum(call.outcome == "ok" for call in cloud.calls.named("ecs:RunTask")),
            fargate=cloud.tasks.dollars(),
            rest=bill_of(deployed, hours=(scene.warm_up + scene.minutes) / 60).dollars,
            errors=sum(one.error is not None for one in deployed.invocations),
        )


def usual_program(scans: Scans) -> Callable[[Any], int]:
    """What a task of the usual way does: its result stands under a stable name."""

    def program(task: Any) -> int:
        key = task.environment["KEY"]
        scans.work(task, key, f"{key}/text.txt")
        return 0

    return program


def _berthmaster(cloud: Cloud, scans: Scans, way: Way) -> Deployment:
    if way == WORKERS:
        cloud.tasks.programs[FAMILY] = worker(scans.command)
    definitions = f"arn:aws:ecs:{cloud.region}:{cloud.account_id}:task-definition/{FAMILY}"
    parameters = {
        "BatchMode": "enforce",
        "BatchInputBuckets": f"arn:aws:s3:::{INCOMING}",
        "BatchOutputBuckets": f"arn:aws:s3:::{RESULTS}",
        "BatchTaskDefinitions": definitions,
    }
    deployed = Deployment(cloud, parameters=parameters, unscheduled=OTHERS)
    document = scans.pipeline(TASKS, spot_tries=2, workers=way == WORKERS, goal=GOAL if way == WORKERS else 0)
    cloud.client("ssm").put_parameter(Name="/berthmaster/batch/ocr", Type="String", Value=document)
    return deployed


def _usual_way(cloud: Cloud, scans: Scans) -> Deployment:
    cloud.tasks.programs[FAMILY] = usual_program(scans)
    parameters = {
        "Bucket": INCOMING,
        "Cluster": CLUSTER,
        "TaskDefinition": FAMILY,
        "Subnets": ",".join(scans.network.subnets),
        "Provider": PROVIDER,
    }
    return Deployment(cloud, template=USUAL_WAY, parameters=parameters, stack="usual-way")
