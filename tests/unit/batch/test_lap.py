"""Every file in flight is compared once in each lap, however often and however late the runs come."""

from datetime import UTC, datetime, timedelta
from itertools import accumulate, pairwise

from hypothesis import given
from hypothesis import strategies as st

from berthmaster.batch.model.lap import Lap
from berthmaster.batch.plan.lap import LAP, advance

NOW = datetime(2026, 3, 2, 6, tzinfo=UTC)
IDS = st.lists(st.integers(0, 16**30 - 1).map("{:030x}".format), unique=True, min_size=1, max_size=30)
STEPS = st.lists(st.integers(1, 200).map(lambda seconds: timedelta(seconds=seconds)), min_size=1, max_size=20)


@given(IDS, STEPS)
def test_a_file_is_compared_once_in_each_lap(ids: list[str], steps: list[timedelta]) -> None:
    lap = Lap(at=NOW, after=ids[0])
    seen: dict[str, list[datetime]] = {one: [] for one in ids}
    for now in accumulate([*steps, *[timedelta(seconds=60)] * 12], initial=NOW):
        chosen, lap = advance(lap, ids, now, most=100)
        for one in chosen:
            seen[one].append(now)
    longest = max(*steps, timedelta(seconds=60))
    for times in seen.values():
        gaps = [later - earlier for earlier, later in pairwise(times)]
        assert all(LAP - longest <= gap <= LAP + longest for gap in gaps)
        assert times[0] - NOW <= LAP + longest


@given(IDS, st.integers(1, 5))
def test_a_run_that_reaches_only_some_leaves_the_others_to_the_next_runs(ids: list[str], most: int) -> None:
    lap, seen = Lap(at=NOW - LAP), list[str]()
    for minute in range(5 * -(-len(ids) // most) + 1):
        chosen, lap = advance(lap, ids, NOW + minute * LAP, most=most)
        assert len(chosen) <= most
        seen += chosen
    assert set(seen) == set(ids)


def test_the_first_run_compares_everything() -> None:
    ids = [f"{number:030x}" for number in range(5)]
    assert set(advance(Lap(), ids, NOW, most=100)[0]) == set(ids)
