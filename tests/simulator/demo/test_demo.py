"""The demo: it shows what happened, each time the same, on a terminal, in a log and as a page."""

from __future__ import annotations

import io
import re
import shlex
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from simulator.demo.__main__ import main, parsed, show
from simulator.demo.capacity.approval import first_request
from simulator.demo.capacity.console import Console
from simulator.demo.capacity.outcome import Entry, Kind, Progress
from simulator.demo.capacity.scene import Scene
from simulator.demo.capacity.simulation import simulate
from simulator.demo.page import Report, render
from simulator.demo.processes import Observed
from simulator.demo.terminal import Terminal
from tests.support.pages import read

if TYPE_CHECKING:
    from simulator.demo.capacity.comparison import Comparison

HASTE = Scene(seed=2, days=1.625, growth=0.45)
"""Grows as much in two days as the demo's own scene in two weeks."""


@dataclass
class Shown:
    comparison: Comparison
    text: str
    page: str


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    path, stream = tmp_path_factory.mktemp("demo") / "new" / "demo.html", io.StringIO()
    comparison = show(path, stream, capacity=HASTE).capacity
    assert comparison
    return Shown(comparison, stream.getvalue(), path.read_text())


def test_launches_fail_without_it_and_none_with_it(shown: Shown) -> None:
    without, with_it = shown.comparison.without, shown.comparison.with_it
    assert without.failed > 50
    assert without.fewest == 0
    assert sum(hour.failed for hour in without.hours) == without.failed
    assert with_it.failed == 0
    assert with_it.missing == 0
    assert with_it.work
    assert with_it.work.errors == 0
    assert 0.1 < with_it.work.bill.dollars < 1


def test_room_is_added_in_time_and_with_reasons(shown: Shown) -> None:
    assert (shown.comparison.lead or 0) > 3600
    expansion = shown.comparison.with_it.expansions[0]
    assert expansion.reasons
    assert expansion.steps[0].startswith("associate 100.64.")
    assert f"{expansion.steps[0]}\n" in expansion.text


def test_the_approval_request_is_the_mail_that_proposes_the_same_plan(shown: Shown) -> None:
    comparison = shown.comparison
    request = comparison.request
    assert request
    assert set(comparison.with_it.expansions[0].steps) <= {line[2:] for line in request.text.splitlines()}
    assert request.at - comparison.with_it.expansions[0].began < 60
    assert request.text.count("aws events put-events") == 2
    read_back = read(shown.page).text
    assert all(line in read_back for line in (request.subject, *request.text.splitlines()))
    assert request.subject in shown.text


def test_without_a_plan_there_is_no_approval_request(shown: Shown) -> None:
    assert first_request(replace(HASTE, days=1 / 24), lambda _: None) is None
    page = render(Report(capacity=replace(shown.comparison, request=None)))
    assert "no plan was made" in read(page).text


@pytest.mark.long
def test_the_same_seed_gives_the_same_run_in_any_process() -> None:
    scene = replace(HASTE, days=0.75)
    elsewhere = Observed(partial(simulate, with_berthmaster=True), scene)
    here = simulate(scene, lambda _: None, with_berthmaster=True)
    assert here.expansions
    assert elsewhere.follow(lambda _: None) == here


def test_a_log_gets_plain_text(shown: Shown) -> None:
    assert "\x1b" not in shown.text
    assert "\r" not in shown.text
    assert re.search(rf"failed launches +{shown.comparison.without.failed} +0\n", shown.text)
    assert "first failed launch: a task of" in shown.text
    assert "associated 100.64." in shown.text
    assert "expansion completed" in shown.text


def test_a_terminal_gets_progress_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    console = Console(Terminal(stream))
    console.show(Progress(3600.0, 7, 0))
    assert stream.getvalue().startswith("\r")
    assert not stream.getvalue().endswith("\n")
    console.show(Entry(3700.0, Kind.DONE, "done"))
    assert "\x1b[32mdone\x1b[0m\n" in stream.getvalue()


def test_the_page_stands_alone(shown: Shown) -> None:
    assert read(shown.page).numbers == [str(shown.comparison.without.failed), "0"]


def test_a_step_that_is_the_same_for_all_services_is_written_once(shown: Shown) -> None:
    steps = read(shown.page).steps
    assert len(steps) < len(shown.comparison.with_it.expansions[0].steps)
    assert sum(all(service.name in step for service in HASTE.services) for step in steps) == 1


@pytest.mark.parametrize(
    ("days", "options"), [(14, "--seed 5 --only capacity"), (3, "--seed 5 --days 3 --only capacity")]
)
def test_the_command_on_the_page_runs_the_same_scene_again(shown: Shown, days: int, options: str) -> None:
    page = read(render(Report(capacity=replace(shown.comparison, scene=Scene(seed=5, days=days)))))
    make, target, arguments = shlex.split(page.command)
    assert (make, arguments) == ("make", f"ARGS={options}")
    makefile = Path("Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{target}:.*\n\t.*python -m simulator\.demo \$\(ARGS\)$", makefile, re.MULTILINE)
    again = parsed(options.split())
    assert (again.seed, again.days, again.only) == (5, days, "capacity")


def test_the_page_escapes_what_it_quotes(shown: Shown) -> None:
    expansion = replace(shown.comparison.with_it.expansions[0], steps=("<b>bold</b>: & more",))
    with_it = replace(shown.comparison.with_it, expansions=(expansion,))
    page = render(Report(capacity=replace(shown.comparison, with_it=with_it)))
    assert "&lt;b&gt;bold&lt;/b&gt;" in page
    assert "<b>" not in page


def test_a_page_may_show_that_nothing_happened(shown: Shown) -> None:
    calm = replace(
        shown.comparison.without,
        hours=tuple(replace(hour, failed=0) for hour in shown.comparison.without.hours),
        entries=(),
        failed=0,
        first_failure=None,
    )
    comparison = replace(shown.comparison, without=calm, with_it=calm)
    assert comparison.lead is None
    assert "no more addresses were needed" in read(render(Report(capacity=comparison))).text


@pytest.mark.parametrize(
    "option", [["--days", "0"], ["--days", "some"], ["--html", "."], ["--seed", "x"], ["--only", "x"]]
)
def test_a_wrong_option_is_refused_before_anything_runs(option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refusal:
        main(option)
    assert refusal.value.code == 2
    assert f"argument {option[0]}: " in capsys.readouterr().err
