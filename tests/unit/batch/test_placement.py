"""Where tasks run: zones and providers take turns, and what has no room is tried again by one launch at a time."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from berthmaster.batch.model.dispatcher import Dispatcher, Placement
from berthmaster.batch.model.files import File, Provider, State
from berthmaster.batch.model.pipelines import Pipeline
from berthmaster.batch.plan.launching import next_launch
from berthmaster.batch.plan.placement import (
    PAUSE,
    QUOTA_PAUSE,
    for_file,
    lacking,
    over_quota,
    placed,
    succeeded,
    tried_again_at,
)
from tests.support.batch.pipelines import a_pipeline

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ZONES = ("subnet-a", "subnet-b", "subnet-c")
SPOT, ON_DEMAND = Provider.FARGATE_SPOT, Provider.FARGATE


def pipeline(*, spot_tries: int = 0) -> Pipeline:
    one = a_pipeline(spot_tries=spot_tries)
    return replace(one, run=replace(one.run, subnets=ZONES))


def a_file(number: int = 0, **more: int) -> File:
    return File(
        id=f"{number:030x}",
        pipeline="ocr",
        bucket="incoming",
        key="a",
        received_at=NOON,
        state=State.WAITING,
        since=NOON,
        due=NOON,
        **more,  # type: ignore[arg-type]
    )


def test_subnets_take_turns() -> None:
    found = Counter(
        where.subnet
        for number in range(300)
        if (where := placed(Dispatcher(), for_file(a_file(number), pipeline()), NOON)[1])
    )
    assert set(found) == set(ZONES)
    assert min(found.values()) > 60


def test_the_next_launch_of_a_file_goes_to_another_subnet() -> None:
    file, visited = a_file(), list[str]()
    for _ in ZONES:
        where = placed(Dispatcher(), for_file(file, pipeline()), NOON)[1]
        assert where
        visited.append(where.subnet)
        file = replace(file, launch=next_launch(file, pipeline(), where, NOON))
    assert sorted(visited) == sorted(ZONES)


@given(
    st.sets(st.tuples(st.sampled_from(Provider), st.sampled_from(ZONES))),
    st.integers(0, 2),
    st.integers(0, 2),
)
def test_a_launch_goes_where_there_is_room_and_to_spot_as_often_as_its_pipeline_says(
    full: set[tuple[Provider, str]], tries: int, losses: int
) -> None:
    known = Dispatcher()
    for provider, subnet in full:
        known = lacking(known, Placement(provider=provider, subnet=subnet), NOON)
    _, where = placed(
        known, for_file(a_file(spot_losses=losses), pipeline(spot_tries=tries)), NOON + timedelta(seconds=1)
    )
    allowed = [SPOT, ON_DEMAND] if losses < tries else [ON_DEMAND]
    room = [(provider, zone) for provider in allowed for zone in ZONES if (provider, zone) not in full]
    if where is None:
        assert not room
    else:
        assert (where.provider, where.subnet) in room
        assert where.provider is room[0][0]


def test_one_launch_at_a_time_finds_out_if_there_is_room_again() -> None:
    known = Dispatcher()
    for zone in ZONES:
        known = lacking(known, Placement(provider=ON_DEMAND, subnet=zone), NOON)
    again = tried_again_at(known, NOON)
    assert again == NOON + PAUSE[ON_DEMAND]
    tried = list[Placement]()
    for number in range(10):
        known, where = placed(known, for_file(a_file(number), pipeline()), again)
        tried += [where] if where else []
    assert len(tried) == len({one.subnet for one in tried}) == len(ZONES)
    known = succeeded(known, tried[0])
    assert placed(known, for_file(a_file(), pipeline()), again)[1] == tried[0]
    assert placed(known, for_file(a_file(1), pipeline()), again)[1] == tried[0]


def test_a_quota_stops_its_provider_everywhere_and_is_reported_once() -> None:
    known, is_news = over_quota(Dispatcher(), SPOT, NOON)
    assert is_news
    second = NOON + timedelta(seconds=1)
    known, is_news = over_quota(known, SPOT, second)
    assert not is_news
    assert placed(known, for_file(a_file(), pipeline(spot_tries=1)), second)[1] is None, (
        "not on demand, which is dearer"
    )
    assert placed(known, for_file(a_file(), pipeline()), second)[1]
    again = second + QUOTA_PAUSE
    known, where = placed(known, for_file(a_file(), pipeline(spot_tries=1)), again)
    assert where
    assert placed(known, for_file(a_file(1), pipeline(spot_tries=1)), again)[1] is None, "one launch in a minute"
    known = succeeded(known, where)
    assert placed(known, for_file(a_file(1), pipeline(spot_tries=1)), again)[1]
    assert not over_quota(known, SPOT, again)[1]
    assert over_quota(known, SPOT, NOON + timedelta(days=1))[1]
