"""Changes that people are asked about are of a size that can be kept, told and approved."""

import msgspec

from berthmaster.targets.ledger.changes import STEPS_PER_CHANGE, Change, ChangeState, step_of, unsaid
from berthmaster.targets.model import Call, Claim, ClaimKey, ClaimState, Move
from tests.support.targets.builders import NOON, target_group_arn, task_arn

DYNAMODB_ITEM = 400 * 1024
EVENT = 256 * 1024
LONGEST_CLUSTER = "x" * 255


def departures(count: int) -> list[Move]:
    return [
        Move(
            before=None,
            after=Claim(
                key=ClaimKey(target_group_arn("shop"), f"10.100.{number // 250 + 100}.{number % 250}", 65535),
                owner=task_arn(number, LONGEST_CLUSTER),
                state=ClaimState.DRAINING,
                changed_at=NOON,
            ),
            reason="it is gone",
            call=Call.DEREGISTER,
        )
        for number in range(count)
    ]


def proposed(number: int, moves: list[Move], known: list[Change]) -> Change:
    return Change(
        id=f"shop.{number}",
        destination=target_group_arn("shop"),
        state=ChangeState.PROPOSED,
        steps=unsaid(known, moves, ChangeState.PROPOSED),
        reason="much",
        created_at=NOON,
    )


def test_whatever_its_size_a_change_can_be_kept_and_told() -> None:
    change = proposed(1, departures(5_000), [])
    assert len(change.steps) == STEPS_PER_CHANGE
    assert len(msgspec.json.encode(change)) < min(DYNAMODB_ITEM, EVENT)


def test_all_is_asked_about_in_the_end_and_each_step_once() -> None:
    moves = departures(2 * STEPS_PER_CHANGE + 1)
    known: list[Change] = []
    for number in range(3):
        known.append(proposed(number, moves, known))
    assert [len(change.steps) for change in known] == [STEPS_PER_CHANGE, STEPS_PER_CHANGE, 1]
    assert {step for change in known for step in change.steps} == {step_of(move) for move in moves}
    assert unsaid(known, moves, ChangeState.PROPOSED) == ()
