"""The order in which a run goes through the destinations, and where the next one continues."""

from collections.abc import Iterable
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from berthmaster.targets.model import Declaration, EcsSelector, EksSelector
from berthmaster.targets.plan.rotation import PODS_PER_LOT, TASKS_PER_LOT, Cursor, before, in_lots
from tests.support.targets.builders import target_group_arn

PODS = EksSelector("blue", "shop", "web")


def declared(ecs: int, pods: int = 0) -> list[Declaration]:
    """Destinations of tasks in three clusters, and of pods."""
    return [
        Declaration(
            arn=target_group_arn(f"{number}"),
            selector=EcsSelector(f"cluster-{number % 3}", service="shop") if number < ecs else PODS,
        )
        for number in range(ecs + pods)
    ]


def in_order(all_: list[Declaration], cursor: Cursor) -> list[Declaration]:
    return [one for lot in in_lots(all_, cursor) for one in lot.declared]


def arns(some: Iterable[Declaration]) -> list[str]:
    return sorted(one.arn for one in some)


@given(st.integers(0, 100), st.integers(0, 20), st.text(max_size=3), st.text(max_size=3))
def test_each_destination_comes_once_wherever_a_run_begins(ecs: int, pods: int, tasks: str, others: str) -> None:
    all_ = declared(ecs, pods)
    assert arns(in_order(all_, Cursor(tasks=tasks, pods=others))) == arns(all_)


@given(st.integers(1, 200), st.integers(0, 30), st.integers(1, 5))
def test_runs_that_are_killed_in_a_lot_reach_all_in_turn(ecs: int, pods: int, lots: int) -> None:
    """Each run begins so many lots; nothing but the cursor is left of it."""
    all_ = declared(ecs, pods)
    cursor, seen = Cursor(), set[str]()
    for _ in range(max(ceil(ecs / TASKS_PER_LOT), ceil(pods / PODS_PER_LOT))):
        for lot, _ in zip(in_lots(all_, cursor), range(lots), strict=False):
            cursor = lot.after
            seen |= {one.arn for one in lot.declared}
    assert seen == {one.arn for one in all_}


@given(st.integers(1, 100), st.integers(0, 10), st.data())
def test_what_was_left_comes_first_in_the_next_run(ecs: int, pods: int, data: st.DataObject) -> None:
    all_ = declared(ecs, pods)
    order = in_order(all_, Cursor())
    begun = order[: data.draw(st.integers(1, len(order)))]
    left = begun[data.draw(st.integers(0, len(begun) - 1)) :]
    following = in_order(all_, before(left, begun, Cursor()))
    for kind in (EcsSelector, EksSelector):
        waiting = [one for one in left if isinstance(one.selector, kind)]
        assert [one for one in following if isinstance(one.selector, kind)][: len(waiting)] == waiting


def test_pods_and_tasks_advance_side_by_side() -> None:
    first, *_ = in_lots(declared(100, 100), Cursor())
    assert sum(one.selector == PODS for one in first.declared) == PODS_PER_LOT
    assert len(first.declared) == PODS_PER_LOT + TASKS_PER_LOT


def test_the_destinations_of_a_cluster_come_together_and_those_of_a_selector_one_after_the_other() -> None:
    lots = list(in_lots(declared(30), Cursor()))
    clusters = [one.selector.cluster for lot in lots for one in lot.declared]
    assert clusters == sorted(clusters)
    assert [len({one.selector for one in some}) for some in lots[0].by_selector] == [1] * 3
