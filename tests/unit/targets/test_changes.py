"""Changes have a size that can be saved, published and approved, and each step is announced once."""

import msgspec

from berthmaster.targets.ledger.changes import new_id
from berthmaster.targets.model import Call, Claim, ClaimKey, ClaimState, Move
from berthmaster.targets.plan.changes import STEPS_PER_CHANGE, Change, ChangeState, step_of, unannounced
from berthmaster.targets.report.notices import change_announced
from tests.support.targets.builders import NOON, seconds, target_group_arn, task_arn

DYNAMODB_ITEM = 400 * 1024
EVENT = 256 * 1024
LONGEST_CLUSTER = "x" * 255


def removals(count: int) -> list[Move]:
    return [
        Move(
            before=None,
            after=Claim(
                key=ClaimKey(target_group_arn("shop"), f"10.100.{number // 250 + 100}.{number % 250}", 65535),
                owner=task_arn(number, LONGEST_CLUSTER),
                state=ClaimState.DRAINING,
                changed_at=NOON,
            ),
            reason="it has stopped",
            call=Call.DEREGISTER,
        )
        for number in range(count)
    ]


def proposed(number: int, moves: list[Move], known: list[Change]) -> Change:
    return Change(
        id=new_id("shop", NOON + seconds(number)),
        destination=target_group_arn("shop"),
        state=ChangeState.PROPOSED,
        steps=unannounced(known, moves, ChangeState.PROPOSED),
        reason="many removals",
        created_at=NOON,
    )


def test_a_change_of_any_size_can_be_saved_and_published() -> None:
    change = proposed(1, removals(5_000), [])
    assert len(change.steps) == STEPS_PER_CHANGE
    assert len(msgspec.json.encode(change)) < DYNAMODB_ITEM
    assert len(msgspec.json.encode(change_announced(change, "aws").detail)) < EVENT


def test_all_steps_are_announced_in_the_end_and_each_step_once() -> None:
    moves = removals(2 * STEPS_PER_CHANGE + 1)
    known: list[Change] = []
    for number in range(3):
        known.append(proposed(number, moves, known))
    assert [len(change.steps) for change in known] == [STEPS_PER_CHANGE, STEPS_PER_CHANGE, 1]
    assert {step for change in known for step in change.steps} == {step_of(move) for move in moves}
    assert unannounced(known, moves, ChangeState.PROPOSED) == ()


def test_the_sort_keys_of_changes_follow_their_times() -> None:
    ids = [new_id(name, NOON + seconds(after)) for after, name in enumerate(("web", "api", "shop-blue"))]
    assert ids[0] == "targets.web.20260302T120000Z"
    keys = [
        Change(id=one, destination="", state=ChangeState.PROPOSED, steps=(), reason="", created_at=NOON).sort_key
        for one in ids
    ]
    assert keys == sorted(keys)
