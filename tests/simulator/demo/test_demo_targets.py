"""The targets scene of the demo: what it claims holds for other seeds, too."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from simulator.demo.__main__ import main
from simulator.demo.targets.scene import Morning
from simulator.demo.targets.simulation import BERTHMASTER, USUAL, simulate
from tests.support.pages import read

pytestmark = pytest.mark.long

if TYPE_CHECKING:
    from pathlib import Path

    from simulator.demo.targets.outcome import Run
    from simulator.demo.way import Way

OTHER_MORNINGS = (1, 2, 3)
CRASH, LATE = 4, 5
"""The phases in which something must go wrong, or may."""


def run(number: int, way: Way) -> Run:
    return simulate(Morning(seed=number), lambda _: None, way)


@pytest.mark.parametrize("number", OTHER_MORNINGS)
def test_with_berthmaster_no_request_is_misdirected_and_only_crashes_and_late_events_lose_any(number: int) -> None:
    outcome = run(number, BERTHMASTER)
    assert outcome.misdirected == 0
    assert {index for index, phase in enumerate(outcome.phases) if phase.lost} <= {CRASH, LATE}
    assert outcome.lost < 100
    assert outcome.longest_dead <= 10
    assert outcome.unused == 0
    assert outcome.errors == 0


@pytest.mark.parametrize("number", OTHER_MORNINGS)
def test_the_usual_way_uses_every_task_and_loses_requests_whenever_tasks_stop(number: int) -> None:
    outcome = run(number, USUAL)
    assert [bool(phase.lost) for phase in outcome.phases] == [False, False, True, True, True, True, True]
    assert outcome.lost > 500
    assert outcome.unused == 0
    assert outcome.median_wait < 20


def test_the_same_seed_gives_the_same_morning() -> None:
    assert run(4, USUAL) == run(4, USUAL)


def test_it_is_shown_as_text_and_as_a_page(tmp_path: Path) -> None:
    page, stream = tmp_path / "demo.html", io.StringIO()
    report = main(["--only", "targets", "--seed", "7", "--html", str(page)], stream)
    assert report.capacity is None
    assert report.targets
    usual, with_it = report.targets.runs[USUAL], report.targets.runs[BERTHMASTER]
    assert usual.misdirected > 0
    assert sum(bool(most) for most in with_it.dead) < sum(bool(most) for most in usual.dead) / 10
    text = stream.getvalue()
    assert "\x1b" not in text
    assert f"{usual.lost:,.0f}" in text
    assert all(phase.text in " ".join(text.split()) for phase in usual.phases)
    shown = read(page.read_text())
    assert shown.numbers == [f"{usual.wrong:,.0f}", f"{with_it.wrong:,.0f}"]
    assert shown.command == 'make demo ARGS="--seed 7 --only targets"'
    assert all(phase.text in shown.text for phase in usual.phases)
