"""The order in which a run goes through the destinations."""

from datetime import timedelta
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from berthmaster.targets.model import Declaration, EksSelector
from berthmaster.targets.plan.rotation import PODS_FIRST, in_rotation
from tests.support.targets.builders import NOON, SHOP, target_group_arn

PODS = EksSelector("blue", "shop", "web")


def declared(ecs: int, pods: int = 0) -> list[Declaration]:
    return [
        Declaration(arn=target_group_arn(f"{number}"), selector=SHOP if number < ecs else PODS)
        for number in range(ecs + pods)
    ]


@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 10_000_000))
def test_every_destination_is_reached_however_little_time_there_is(count: int, fit: int, minute: int) -> None:
    """With time for a third of them in each run, for example, all are reached within nine runs."""
    fit = min(count, fit)
    seen = set()
    for later in range(3 * ceil(count / fit)):
        seen |= set(in_rotation(declared(count), NOON + timedelta(minutes=minute + later))[:fit])
    assert len(seen) == count


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 100))
def test_each_destination_comes_once_and_those_of_pods_mostly_come_last(ecs: int, pods: int, minute: int) -> None:
    order = in_rotation(declared(ecs, pods), NOON + timedelta(minutes=minute))
    assert sorted(order, key=lambda one: one.arn) == sorted(declared(ecs, pods), key=lambda one: one.arn)
    of_pods = [one.selector == PODS for one in order]
    assert of_pods == sorted(of_pods, reverse=(NOON.timestamp() // 60 + minute) % PODS_FIRST == 0)
