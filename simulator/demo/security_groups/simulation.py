"""One run of the security_groups scene, the usual way or with Berthmaster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from simulator.cloud import Cloud
from simulator.demo.bill import REGION
from simulator.demo.security_groups.berthmaster import Operated
from simulator.demo.security_groups.outcome import By, Outage, Run
from simulator.demo.security_groups.rules import RULES
from simulator.demo.security_groups.scene import Stage
from simulator.demo.security_groups.shop import BUCKET, create_bucket
from simulator.demo.way import Way
from simulator.demo.wording import HOUR, MINUTE
from simulator.faults import FaultPlan
from simulator.stack.deployment import Deployment

if TYPE_CHECKING:
    from simulator.demo.phases import Emit
    from simulator.demo.security_groups.callers import Missed
    from simulator.demo.security_groups.scene import TwoMonths

USUAL = Way("the usual way", "usual", "The usual way: a Lambda revokes rules that flow logs have not shown", "without")
BERTHMASTER = Way("with Berthmaster", "with", "With Berthmaster, deployed from template.yaml, in mode approve", "with")

USUAL_WAY = Path(__file__).parent / "usual_way" / "template.yaml"


def simulate(scene: TwoMonths, emit: Emit, way: Way) -> Run:
    """Run the scene; `emit` gets each phase when all is over: until then an outage may go on."""
    with Cloud(seed=scene.seed, start=scene.start, region=REGION, faults=FaultPlan(seed=scene.seed)) as cloud:
        create_bucket(cloud)
        stage = Stage(cloud, scene)
        operated = Operated(cloud, scene, stage) if way == BERTHMASTER else None
        deployed = operated.berthmaster if operated else _usual_way(cloud, scene, stage)
        cloud.clock.run_until(scene.ends)
        phases = tuple(stage.judged())
        for phase in phases:
            emit(phase)
        left = stage.shop.present()
        return Run(
            phases=phases,
            before=RULES,
            left=tuple(rule for rule in RULES if rule in left),
            rules=tuple(stage.left),
            denied=tuple(stage.denied),
            outages=tuple(_outage(one, operated) for one in stage.callers.missed),
            lives=tuple(operated.lives()) if operated else (),
            errors=sum(one.error is not None for one in deployed.invocations),
        )


def _outage(missed: Missed, operated: Operated | None) -> Outage:
    by = By.NOBODY if not missed.is_over else operated.who(missed) if operated else By.PEOPLE
    return Outage(missed.rule, missed.since, (missed.until - missed.since) / MINUTE, missed.denied, by)


def _usual_way(cloud: Cloud, scene: TwoMonths, stage: Stage) -> Deployment:
    """The sweep, and people who put back what is missed once they have found out."""

    def repair(missed: Missed) -> None:
        def put_back() -> None:
            if missed.rule not in stage.shop.present():
                stage.shop.authorize(missed.rule)

        cloud.clock.after(scene.repair * HOUR, put_back)

    stage.callers.on_missed = repair
    parameters = {"LogBucket": BUCKET, "Days": str(scene.window)}
    return Deployment(cloud, template=USUAL_WAY, parameters=parameters, stack="usual-way")
