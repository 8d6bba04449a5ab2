"""The security_groups scene of the demo: needed rules come back by themselves, and the page shows what happened."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from simulator.demo.__main__ import parsed, show
from simulator.demo.security_groups import rules
from simulator.demo.security_groups.outcome import By
from simulator.demo.security_groups.scene import TwoMonths
from simulator.demo.security_groups.simulation import BERTHMASTER, USUAL
from tests.support.pages import read

pytestmark = pytest.mark.long

if TYPE_CHECKING:
    from pathlib import Path

HASTE = TwoMonths(seed=7, window=3, notice=1, quarantine=2, minutes=12 * 24 * 60)
"""What happens in the demo's own scene, in a fifth of its time."""


def test_months_of_a_shop_are_shown_as_text_and_as_a_page(tmp_path: Path) -> None:
    page, stream = tmp_path / "demo.html", io.StringIO()
    comparison = show(page, stream, security_groups=HASTE).security_groups
    assert comparison
    usual, with_it = (comparison.runs[way] for way in (USUAL, BERTHMASTER))
    assert usual.errors == with_it.errors == 0
    assert {outage.rule for outage in usual.outages} == set(rules.RARE)
    assert usual.longest >= 60 * HASTE.repair
    assert usual.behind_the_back == 1
    assert {outage.rule.ports[0]: outage.by for outage in with_it.outages} == {
        rules.AUDIT: By.ITSELF,
        rules.SUPPLIER_PORT: By.ASKED,
    }
    by_itself, asked = with_it.outages
    assert by_itself.minutes <= 20 < HASTE.answer <= asked.minutes <= HASTE.answer + 30
    assert with_it.total_denied < usual.total_denied / 10
    assert with_it.idle_removed == len(with_it.idle)
    assert with_it.behind_the_back == 0
    shown = read(page.read_text())
    assert shown.numbers == [f"{run.total_denied:,.0f}" for run in (usual, with_it)]
    assert shown.command == 'make demo ARGS="--seed 7 --only security_groups"'
    assert parsed(["--only", "security_groups"]).only == "security_groups"
    assert all(phase.text in shown.text for phase in usual.phases)
    assert all(phase.text in " ".join(stream.getvalue().split()) for phase in usual.phases)
