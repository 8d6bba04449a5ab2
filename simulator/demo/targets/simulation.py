"""One run of the targets scene, the usual way or with Berthmaster."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from simulator.cloud import Cloud
from simulator.demo.bill import REGION
from simulator.demo.targets.outcome import Run
from simulator.demo.targets.scene import Stage
from simulator.demo.way import Way
from simulator.faults import FaultPlan
from simulator.stack.deployment import Deployment

if TYPE_CHECKING:
    from simulator.demo.phases import Emit
    from simulator.demo.targets.scene import Morning

USUAL = Way(
    "the usual way", "usual", "The usual way: a Lambda registers on RUNNING and deregisters on STOPPED", "without"
)
BERTHMASTER = Way("with Berthmaster", "with", "With Berthmaster, deployed from template.yaml, in mode enforce", "with")

USUAL_WAY = Path(__file__).parent / "usual_way" / "template.yaml"
PARAMETERS = {"TargetsMode": "enforce"}
"""All others as template.yaml has them."""


def simulate(scene: Morning, emit: Emit, way: Way) -> Run:
    """Run the scene; `emit` gets each phase when it is over."""
    faults = FaultPlan(seed=scene.seed)
    with Cloud(seed=scene.seed, start=scene.start, region=REGION, faults=faults) as cloud:
        stage = Stage(cloud, scene)
        deployed = _usual_way(cloud, stage) if way == USUAL else _berthmaster(cloud)
        stage.open()
        traffic = stage.traffic
        cloud.clock.run_until(scene.begins)
        before = len(cloud.calls)
        emitted = 0
        while (due := cloud.clock.next_due()) is not None and due < scene.ends:
            cloud.clock.step(scene.ends)
            for phase in traffic.phases[emitted:-1]:
                emit(phase)
                emitted += 1
        emit(traffic.phases[-1])
        calls = [call for call in cloud.calls.all[before:] if call.is_by_function and call.service == "elbv2"]
        return Run(
            phases=tuple(traffic.phases),
            requests=traffic.requests,
            so_far=traffic.so_far,
            dead=traffic.dead,
            waits=traffic.waits(),
            unused=traffic.unused(),
            longest_dead=traffic.longest_dead,
            changes=sum(not call.is_read for call in calls),
            reads=sum(call.is_read for call in calls),
            errors=sum(one.error is not None for one in deployed.invocations),
        )


def _berthmaster(cloud: Cloud) -> Deployment:
    return Deployment(cloud, parameters=PARAMETERS)


def _usual_way(cloud: Cloud, stage: Stage) -> Deployment:
    parameters = {"TargetGroups": json.dumps(stage.groups)}
    return Deployment(cloud, template=USUAL_WAY, parameters=parameters, stack="usual-way")
