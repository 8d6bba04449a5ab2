"""Security groups on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.demo.act import Act, Number, filled
from simulator.demo.drawing import charts
from simulator.demo.security_groups.graph import graph
from simulator.demo.security_groups.scene import STRETCH
from simulator.demo.security_groups.script import SCRIPT, longest
from simulator.demo.security_groups.simulation import BERTHMASTER, USUAL
from simulator.demo.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.demo.phases import Comparison
    from simulator.demo.security_groups.outcome import Outage, Run
    from simulator.demo.security_groups.rules import ShopRule
    from simulator.demo.security_groups.scene import TwoMonths
    from simulator.demo.way import Way

SECTIONS = {
    "security-groups-phases": "What happened",
    "security-groups-back": "Needed rules that were missing",
    "security-groups-graph": "Who may reach whom",
    "security-groups-rules": "What became of the rules",
    "security-groups-comparison": "Comparison",
    "security-groups-method": "How it was measured",
}


def act(comparison: Comparison[TwoMonths, Run]) -> Act:
    """The part of the page about two months of a shop."""
    usual, with_it = comparison.runs[USUAL], comparison.runs[BERTHMASTER]
    runs = {"comparison": comparison, "usual": usual, "with_it": with_it}
    return Act(
        name="security_groups",
        title="Rules that nobody uses go, and come back if somebody does",
        numbers=tuple(_number(way, run) for way, run in comparison.runs.items()),
        figure=filled(
            "security_groups/figure.html", **runs, charts=charts(comparison, lambda run: run.denied, stretch=STRETCH)
        ),
        sections=SECTIONS,
        body=filled(
            "security_groups/act.html",
            **runs,
            sections=SECTIONS,
            ways=SCRIPT.ways,
            rows=list(SCRIPT.rows(comparison)),
            missed=list(_missed(usual, with_it)),
            before=graph("before", f"The {len(usual.before)} rules of the beginning", usual.before),
            after=graph("after", f"The {len(with_it.left)} rules of the end, with Berthmaster", with_it.left),
            charts=charts(comparison, lambda run: run.rules, stretch=STRETCH),
        ),
    )


def _number(way: Way, run: Run) -> Number:
    note = (
        f"connections denied, the longest outage {longest(run)}; "
        f"{run.idle_removed} of {len(run.idle)} unused rules are gone"
    )
    return Number(way, count(run.total_denied), note)


def _missed(usual: Run, with_it: Run) -> Iterator[tuple[ShopRule, float, Outage | None, Outage | None]]:
    """Each rule that was missed, since when, and what came of it either way."""
    found = [{outage.rule: outage for outage in run.outages} for run in (usual, with_it)]
    first = {outage.rule: outage.since for run in (with_it, usual) for outage in run.outages}
    for rule, since in sorted(first.items(), key=lambda one: one[1]):
        yield rule, since, found[0].get(rule), found[1].get(rule)
