"""How the security_groups scene is shown and compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.demo.phases import Script
from simulator.demo.security_groups.simulation import BERTHMASTER, USUAL, simulate
from simulator.demo.wording import MINUTE, NONE, count, duration

if TYPE_CHECKING:
    from simulator.demo.security_groups.outcome import Run
    from simulator.demo.security_groups.scene import TwoMonths


def longest(run: Run) -> str:
    """The longest outage."""
    return duration(run.longest * MINUTE) if run.outages else NONE


SCRIPT: Script[TwoMonths, Run] = Script(
    name="security_groups",
    introduction=(
        "A shop with seven security groups, whose rules have piled up. Flow logs tell which rules are used; some are "
        "needed once a month, once a quarter, or in a disaster."
    ),
    ways=(USUAL, BERTHMASTER),
    simulate=simulate,
    lines=(
        ("unused rules in the beginning", lambda run: count(len(run.idle))),
        ("… that are gone in the end", lambda run: count(run.idle_removed)),
        ("needed rules that were taken away, and missed", lambda run: count(len(run.outages))),
        ("connections denied because of that", lambda run: count(run.total_denied)),
        ("longest time until the rule was back", longest),
        ("rules that came back without anybody having looked for them", lambda run: count(run.found_by_itself)),
        ("rules removed that a CloudFormation template still has", lambda run: count(run.behind_the_back)),
        ("failed Lambda invocations", lambda run: count(run.errors)),
    ),
)
