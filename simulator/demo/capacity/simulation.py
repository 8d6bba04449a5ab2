"""One run of the scene, with Berthmaster or without it."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from simulator.aws.ec2.addresses import RESERVED
from simulator.aws.ec2.lookup import find_subnet
from simulator.cloud import Cloud
from simulator.demo.bill import REGION, bill_of
from simulator.demo.capacity.chronicle import Chronicle
from simulator.demo.capacity.gauge import Gauge
from simulator.demo.capacity.outcome import Entry, Progress, Run, Work
from simulator.demo.capacity.scene import build
from simulator.stack.deployment import Deployment

if TYPE_CHECKING:
    from simulator.demo.capacity.scene import Scene

type Emit = Callable[[Progress | Entry], None]

HOUR = 3600.0
PARAMETERS = {"CapacityMode": "enforce"}
"""All others as template.yaml has them."""
UNSCHEDULED = ("TargetsReconcileFunction", "TargetsPodsFunction")
"""Reconciles targets every minute; this scene has none."""


def simulate(scene: Scene, emit: Emit, *, with_berthmaster: bool) -> Run:
    """Run the scene; `emit` gets the progress of each hour and each entry of the timeline."""
    with Cloud(seed=scene.seed, start=scene.start, region=REGION) as cloud:
        network, workload = build(cloud, scene)
        gauge = Gauge(cloud, network, workload)
        berthmaster = Deployment(cloud, parameters=PARAMETERS, unscheduled=UNSCHEDULED) if with_berthmaster else None
        chronicle = Chronicle(cloud, workload)
        start = cloud.clock.timestamp()
        for hour in range(1, scene.minutes // 60 + 1):
            now = start + hour * HOUR
            cloud.clock.run_until(now)
            progress = gauge.end_hour(now)
            for entry in chronicle.read_on():
                emit(entry)
            emit(progress)
        return Run(
            hours=tuple(gauge.hours),
            entries=tuple(chronicle.entries),
            started=workload.started,
            releases=sum(minute < scene.minutes for minute, _ in scene.releases()),
            failed=len(workload.failed),
            first_failure=workload.failed[0].at if workload.failed else None,
            missing=gauge.missing_minutes / 60,
            addresses=sum(
                IPv4Network(find_subnet(cloud, subnet).cidr_block).num_addresses - RESERVED
                for subnet in gauge.subnets()
            ),
            expansions=tuple(chronicle.expansions),
            work=_work(berthmaster, hours=scene.minutes / 60) if berthmaster else None,
        )


def _work(berthmaster: Deployment, *, hours: float) -> Work:
    calls = [call for call in berthmaster.cloud.calls if call.is_by_function]
    return Work(
        runs=len(berthmaster.invocations),
        errors=sum(one.error is not None for one in berthmaster.invocations),
        calls=len(calls),
        changes=sum(not call.is_read and call.service in {"ec2", "ecs"} for call in calls),
        bill=bill_of(berthmaster, hours=hours),
    )
