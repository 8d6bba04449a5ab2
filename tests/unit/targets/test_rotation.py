"""Which destinations a pass looks at first."""

from datetime import timedelta
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from berthmaster.targets.model import Declaration, EksSelector
from berthmaster.targets.reconcile import PODS_FIRST, in_turn
from tests.support.targets.builders import NOON, SHOP, target_group_arn

PODS = EksSelector("blue", "shop", "web")


def declared(ecs: int, pods: int = 0) -> list[Declaration]:
    return [
        Declaration(arn=target_group_arn(f"{number}"), selector=SHOP if number < ecs else PODS)
        for number in range(ecs + pods)
    ]


@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 10_000_000))
def test_each_has_its_turn_however_little_time_there_is(count: int, fit: int, minute: int) -> None:
    """With time for a third of them, say, none waits for more than three times three passes."""
    fit = min(count, fit)
    seen = set()
    for later in range(3 * ceil(count / fit)):
        seen |= set(in_turn(declared(count), NOON + timedelta(minutes=minute + later))[:fit])
    assert len(seen) == count


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 100))
def test_each_is_there_once_and_those_of_pods_together_mostly_last(ecs: int, pods: int, minute: int) -> None:
    order = in_turn(declared(ecs, pods), NOON + timedelta(minutes=minute))
    assert sorted(order, key=lambda one: one.arn) == sorted(declared(ecs, pods), key=lambda one: one.arn)
    of_pods = [one.selector == PODS for one in order]
    assert of_pods == sorted(of_pods, reverse=(NOON.timestamp() // 60 + minute) % PODS_FIRST == 0)
