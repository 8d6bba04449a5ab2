"""The batch scene of the demo: nothing is lost with Berthmaster, and the page shows what was."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from simulator.demo.__main__ import main
from tests.support.pages import read

if TYPE_CHECKING:
    from pathlib import Path


def test_an_afternoon_is_shown_as_text_and_as_a_page(tmp_path: Path) -> None:
    page, stream = tmp_path / "demo.html", io.StringIO()
    report = main(["--only", "batch", "--seed", "7", "--html", str(page)], stream)
    assert report.batch
    usual, with_it = report.batch.usual, report.batch.with_it
    assert usual.files == with_it.files > 1500
    assert with_it.lost == 0
    # Spot takes some tasks just as they end well: exit code 0 after SIGTERM does not say so.
    assert [bool(phase.doubled) for phase in with_it.phases if "Spot" not in phase.text] == [False] * 5
    assert with_it.errors == 0
    assert [bool(phase.lost) for phase in usual.phases] == [False, False, True, True, True, False]
    assert usual.doubled > 0
    shown = read(page.read_text())
    assert shown.numbers == [f"{usual.lost:,.0f}", "0"]
    assert shown.command == 'make demo ARGS="--seed 7 --only batch"'
    assert all(phase.text in shown.text for phase in usual.phases)
    assert all(phase.text in " ".join(stream.getvalue().split()) for phase in usual.phases)
