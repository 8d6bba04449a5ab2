"""What has waited longest is called first, and no kind of call keeps the other from its turn."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from berthmaster.targets.act.target_groups import TARGETS_PER_CALL
from berthmaster.targets.act.turns import calls_of
from berthmaster.targets.model import Call, ClaimState, Kind, Move
from tests.support.targets.builders import NOON, a_claim, a_cloud_map_service, a_target_group, a_task, seconds

GROUPS = [replace(a_target_group(), arn=f"{a_target_group().arn}{number}") for number in range(3)]
SERVICE = a_cloud_map_service()


def a_move(number: int, group: int, call: Call | None, since: float) -> Move:
    task = a_task(number, ip=f"10.0.{number // 200}.{number % 200 + 4}")
    state = ClaimState.REGISTERING if call is Call.REGISTER else ClaimState.DRAINING
    destination = SERVICE if group == len(GROUPS) else GROUPS[group]
    after = a_claim(task, destination, state, changed_at=NOON + seconds(since))
    return Move(before=None, after=after, reason="a test", call=call)


KINDS = st.tuples(st.integers(0, len(GROUPS)), st.sampled_from([*Call, None]), st.integers(0, 5))
MOVES = st.lists(KINDS, max_size=30).map(lambda all_: [a_move(number, *one) for number, one in enumerate(all_)])


@given(moves=MOVES)
def test_every_move_that_needs_a_call_is_in_exactly_one(moves: list[Move]) -> None:
    called = [move for kind in Kind for part in calls_of(moves, kind) for move in part]
    assert sorted(move.after.key for move in called) == sorted(move.after.key for move in moves if move.call)


@given(moves=MOVES)
def test_a_call_is_of_one_kind_on_one_destination_and_the_longest_wait_comes_first(moves: list[Move]) -> None:
    for kind in Kind:
        calls = calls_of(moves, kind)
        for part in calls:
            assert len({(move.call, move.after.key.destination) for move in part}) == 1
        oldest = [min(move.after.changed_at for move in part) for part in calls]
        assert oldest == sorted(oldest)


def test_deregistrations_of_the_same_age_come_first_and_later_ones_do_not() -> None:
    moves = [
        a_move(1, 0, Call.REGISTER, since=0),
        a_move(2, 0, Call.DEREGISTER, since=0),
        a_move(3, 1, Call.REGISTER, since=1),
        a_move(4, 1, Call.DEREGISTER, since=2),
    ]
    assert [part[0] for part in calls_of(moves, Kind.TARGET_GROUP)] == [moves[1], moves[0], moves[2], moves[3]]


def test_a_call_takes_two_hundred_targets_and_cloud_maps_one_instance() -> None:
    many = [a_move(number, 0, Call.REGISTER, since=number) for number in range(TARGETS_PER_CALL + 1)]
    assert [len(part) for part in calls_of(many, Kind.TARGET_GROUP)] == [TARGETS_PER_CALL, 1]
    instances = [a_move(number, len(GROUPS), Call.REGISTER, since=0) for number in range(3)]
    assert [len(part) for part in calls_of(instances, Kind.CLOUD_MAP)] == [1, 1, 1]
