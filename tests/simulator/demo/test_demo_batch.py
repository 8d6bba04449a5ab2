"""The batch scene of the demo: nothing is lost with Berthmaster, and the page shows what was."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from simulator.demo.__main__ import parsed, show
from simulator.demo.batch.scene import Afternoon
from simulator.demo.batch.simulation import EACH, USUAL, WORKERS
from tests.support.pages import read

pytestmark = pytest.mark.long

if TYPE_CHECKING:
    from pathlib import Path

HASTE = Afternoon(seed=7, warm_up=3, minutes=75, bursts=(60, 60), a_minute=4, pace=2)
"""What happens in the demo's own scene, in half of its time and with a quarter of its files."""
SPOT, IMAGE, EVENTS = 2, 3, 4
"""The phases whose trouble the usual way does not survive."""


def test_an_afternoon_is_shown_as_text_and_as_a_page(tmp_path: Path) -> None:
    page, stream = tmp_path / "demo.html", io.StringIO()
    comparison = show(page, stream, batch=HASTE).batch
    assert comparison
    usual, each, workers = (comparison.runs[way] for way in (USUAL, EACH, WORKERS))
    assert usual.files == each.files == workers.files > 250
    assert all(usual.phases[number].lost for number in (SPOT, IMAGE, EVENTS))
    assert usual.doubled > 0
    for run in (each, workers):
        assert run.lost == run.errors == 0
        # Spot takes some tasks just as they end well: exit code 0 after SIGTERM does not say so.
        assert [bool(phase.doubled) for phase in run.phases if "Spot" not in phase.text] == [False] * 5
    assert workers.fargate < each.fargate / 2
    assert workers.tasks < each.tasks / 2
    shown = read(page.read_text())
    assert shown.numbers == [f"{usual.lost:,.0f}", "0", "0"]
    assert shown.command == 'make demo ARGS="--seed 7 --only batch"'
    assert parsed(["--seed", "7", "--only", "batch"]).only == "batch"
    assert all(phase.text in shown.text for phase in usual.phases)
    assert all(phase.text in " ".join(stream.getvalue().split()) for phase in usual.phases)
