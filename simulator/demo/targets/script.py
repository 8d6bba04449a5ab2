"""How the targets scene is shown and compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.demo.phases import Script
from simulator.demo.targets.simulation import BERTHMASTER, USUAL, simulate
from simulator.demo.targets.traffic import PER_SECOND
from simulator.demo.wording import count

if TYPE_CHECKING:
    from simulator.demo.targets.outcome import Run
    from simulator.demo.targets.scene import Morning

SCRIPT: Script[Morning, Run] = Script(
    name="targets",
    introduction=(
        "An ECS service (storefront) and standalone tasks (previews) behind an Application Load Balancer, with "
        f"{PER_SECOND:g} requests a second each. ECS does not register them. Another service (payments) runs in the "
        "same subnets, on the same port."
    ),
    ways=(USUAL, BERTHMASTER),
    simulate=simulate,
    lines=(
        ("requests", lambda run: count(run.requests)),
        ("… lost: no task listened at the address", lambda run: count(run.lost)),
        ("… misdirected: a task of another service answered", lambda run: count(run.misdirected)),
        ("longest time that a stopped task's address got requests", lambda run: f"{count(run.longest_dead)} s"),
        ("from RUNNING to the first request, median", lambda run: f"{count(run.median_wait)} s"),
        ("… longest", lambda run: f"{count(run.longest_wait)} s"),
        ("tasks that never got a request", lambda run: count(run.unused)),
        ("calls that registered or deregistered targets", lambda run: count(run.changes)),
        ("calls that read target groups", lambda run: count(run.reads)),
        ("failed Lambda invocations", lambda run: count(run.errors)),
    ),
)
