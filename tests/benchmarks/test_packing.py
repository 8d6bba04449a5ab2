"""What the README says of packing holds on every machine: the price of many files, and that the goal is kept."""

import pytest

from benchmarks import packing
from benchmarks.packing_queue import Queue, World, arrivals

pytestmark = pytest.mark.long


@pytest.mark.parametrize("kind", packing.KINDS)
def test_packing_costs_little_more_than_the_best_fixed_packing_and_is_predicted(kind: str) -> None:
    found = packing.a_million(kind, is_spot=False, files=5_000, tasks=200)
    assert found.outcome.dollars < packing.BEST_AIM * found.best
    assert found.outcome.first
    assert found.outcome.first.dollars == pytest.approx(found.outcome.dollars, rel=0.05)
    if kind == packing.SINGLE_AIM_OF:
        assert found.single > packing.SINGLE_AIM * found.outcome.dollars


def test_the_best_fixed_packing_is_none_that_anybody_could_beat() -> None:
    """Tasks that share the work by themselves cost no less, and are no quicker, than what is computed for as many."""
    world, files = World(jitter=0.0), arrivals(10.0, 0.5, 2_000)
    work = sum(one.seconds + world.turn for one in files)
    for count in (3, 20, 60):
        outcome = Queue(packing.a_pipeline(), files, world, packing.HALF, fixed=count).run()
        assert outcome.billed >= packing.fixed_seconds(work, world, count)
        assert outcome.billed == pytest.approx(packing.fixed_seconds(work, world, count), rel=0.02)


def test_the_goal_is_kept_on_random_afternoons() -> None:
    assert [one for one in map(packing.an_afternoon, range(4)) if one.late] == []
