"""One run of the batch scene, the usual way or with Berthmaster."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.cloud import Cloud
from simulator.demo.batch.outcome import Phase, Run
from simulator.demo.batch.scene import MINUTES, PROVIDER, TASKS, WARM_UP, Stage
from simulator.demo.bill import REGION, bill_of
from simulator.faults import FaultPlan
from simulator.stack.deployment import Deployment
from simulator.workload.scans import CLUSTER, FAMILY, INCOMING, RESULTS, Scans

if TYPE_CHECKING:
    from simulator.demo.batch.scene import Scene

type Emit = Callable[[Phase], None]

USUAL_WAY = Path(__file__).parent / "usual_way" / "template.yaml"
OTHERS = ("CapacityWatchFunction", "TargetsReconcileFunction", "TargetsPodsFunction")
"""Functions of automations that are off, which a schedule would start."""


def simulate(scene: Scene, emit: Emit, *, with_berthmaster: bool) -> Run:
    """Run the scene; `emit` gets each phase when all is over: only then is known what became of its files."""
    with Cloud(seed=scene.seed, start=scene.start, region=REGION, faults=FaultPlan(seed=scene.seed)) as cloud:
        stage = Stage(cloud, scene)
        deployed = _berthmaster(cloud, stage.scans) if with_berthmaster else _usual_way(cloud, stage.scans)
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
            rest=bill_of(deployed, hours=(MINUTES + WARM_UP) / 60).dollars,
            errors=sum(one.error is not None for one in deployed.invocations),
        )


def usual_program(scans: Scans) -> Callable[[Any], int]:
    """What a task of the usual way does: its result stands under a stable name."""

    def program(task: Any) -> int:
        key = task.environment["KEY"]
        scans.work(task, key, f"{key}/text.txt")
        return 0

    return program


def _berthmaster(cloud: Cloud, scans: Scans) -> Deployment:
    definitions = f"arn:aws:ecs:{cloud.region}:{cloud.account_id}:task-definition/{FAMILY}"
    parameters = {
        "BatchMode": "enforce",
        "BatchInputBuckets": f"arn:aws:s3:::{INCOMING}",
        "BatchOutputBuckets": f"arn:aws:s3:::{RESULTS}",
        "BatchTaskDefinitions": definitions,
    }
    deployed = Deployment(cloud, parameters=parameters, unscheduled=OTHERS)
    document = scans.pipeline(TASKS, spot_tries=2)
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
