"""The order in which a run goes through the destinations, and where the next one continues."""

from collections.abc import Iterable
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from berthmaster.targets.model import Declaration, EcsSelector
from berthmaster.targets.plan.rotation import PER_LOT, before, in_lots
from tests.support.targets.builders import target_group_arn


def declared(count: int) -> list[Declaration]:
    """Destinations of tasks in three clusters."""
    return [
        Declaration(
            arn=target_group_arn(f"{number}"), selector=EcsSelector(f"cluster-{number % 3}", services=("shop",))
        )
        for number in range(count)
    ]


def in_order(all_: list[Declaration], cursor: str) -> list[Declaration]:
    return [one for lot in in_lots(all_, cursor) for one in lot.declared]


def arns(some: Iterable[Declaration]) -> list[str]:
    return sorted(one.arn for one in some)


@given(st.integers(0, 100), st.text(max_size=3))
def test_each_destination_comes_once_wherever_a_run_begins(count: int, cursor: str) -> None:
    all_ = declared(count)
    assert arns(in_order(all_, cursor)) == arns(all_)


@given(st.integers(1, 200), st.integers(1, 5))
def test_runs_that_are_killed_in_a_lot_reach_all_in_turn(count: int, lots: int) -> None:
    """Each run begins so many lots; nothing but the cursor is left of it."""
    all_ = declared(count)
    cursor, seen = "", set[str]()
    for _ in range(ceil(count / PER_LOT)):
        for lot, _ in zip(in_lots(all_, cursor), range(lots), strict=False):
            cursor = lot.after
            seen |= {one.arn for one in lot.declared}
    assert seen == {one.arn for one in all_}


@given(st.integers(1, 100), st.data())
def test_what_was_left_comes_first_in_the_next_run(count: int, data: st.DataObject) -> None:
    all_ = declared(count)
    order = in_order(all_, "")
    begun = order[: data.draw(st.integers(1, len(order)))]
    left = begun[data.draw(st.integers(0, len(begun) - 1)) :]
    assert in_order(all_, before(left, begun, ""))[: len(left)] == left


def test_the_destinations_of_a_cluster_come_together_and_those_of_a_selector_one_after_the_other() -> None:
    lots = list(in_lots(declared(30), ""))
    clusters = [one.selector.cluster for lot in lots for one in lot.declared]
    assert clusters == sorted(clusters)
    assert [len({one.selector for one in some}) for some in lots[0].by_selector] == [1] * 3
