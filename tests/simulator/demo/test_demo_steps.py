"""The steps of a plan on the page: nothing is lost, nothing is written twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from simulator.demo.capacity.steps import Step, grouped

WORDS = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(" ".join)
LINES = st.lists(st.builds("{}: {}".format, WORDS, st.sampled_from(["x", "y"])))


def written_out(step: Step) -> list[str]:
    whats = [" ".join(filter(None, (step.before, one, step.after))) for one in step.variants or ("",)]
    return [f"{what}: {step.reason}" for what in whats]


@given(LINES)
def test_groups_written_out_are_the_lines_in_their_order_each_once(lines: list[str]) -> None:
    assert [line for step in grouped(lines) for line in written_out(step)] == list(dict.fromkeys(lines))


def test_lines_that_differ_in_one_word_are_one_step() -> None:
    lines = [f"add 10.0.0.0/25 to service {name}: it runs beside" for name in ("one", "two", "three")]
    assert list(grouped(lines)) == [Step("add 10.0.0.0/25 to service", ("one", "two", "three"), "", "it runs beside")]


def test_what_follows_the_word_is_written_once() -> None:
    assert list(grouped(["a is full: x", "b is full: x"])) == [Step("", ("a", "b"), "is full", "x")]


def test_lines_with_other_reasons_or_more_differences_stay_apart() -> None:
    lines = ["add a to one: x", "add a to two: y", "add b to three: y"]
    assert [step.before for step in grouped(lines)] == ["add a to one", "add a to two", "add b to three"]
