"""What waits is listed with what it waits for, and said after eight minutes, once for all that wait for the same."""

from dataclasses import replace
from datetime import timedelta

import pytest

from berthmaster.targets.ledger.findings import waiting_since
from berthmaster.targets.model import Claim, ClaimState, DestinationStatus, Policy
from berthmaster.targets.plan.reconciliation import OwnerStatus, ReconcileInput, Survey
from berthmaster.targets.plan.waits import SAID_AFTER, Wait, WaitsFor, overdue, waits
from tests.support.targets.builders import INVOCATION_ID, NOON, a_claim, a_target_group, a_task, seconds

FRONT = a_target_group()
TASK = a_task()
CLAIM = a_claim(TASK, FRONT, ClaimState.REGISTERED)


def evidence(*, registers: bool = True, **owners: OwnerStatus) -> ReconcileInput:
    policy = Policy(registers=registers)
    return ReconcileInput(now=NOON, invocation_id=INVOCATION_ID, policy=policy, owners=owners)


def survey(*claims: Claim, not_ready: frozenset[str] = frozenset()) -> Survey:
    return Survey(
        destination=FRONT,
        desired={},
        leaving=frozenset(),
        claims={claim.key: claim for claim in claims},
        targets={},
        not_ready=not_ready,
    )


@pytest.mark.parametrize(
    ("claim", "what"),
    [
        (replace(CLAIM, state=ClaimState.REGISTERING), WaitsFor.ANSWER),
        (replace(CLAIM, state=ClaimState.HANDOVER), None),
        (replace(CLAIM, state=ClaimState.REGISTERING, operation="op"), WaitsFor.OPERATION),
        (replace(CLAIM, state=ClaimState.DRAINING, due_at=NOON), WaitsFor.DRAIN_END),
        (replace(CLAIM, state=ClaimState.DRAINING, due_at=NOON + seconds(1)), None),
        (replace(CLAIM, state=ClaimState.REFUSED), None),
        (replace(CLAIM, state=ClaimState.TOMBSTONE), None),
        (CLAIM, None),
    ],
)
def test_a_claim_waits_for_what_its_state_says(claim: Claim, what: WaitsFor | None) -> None:
    assert {one.what for one in waits(survey(claim), evidence())} == ({what} if what else set())


def test_an_owner_of_which_nothing_is_known_waits_for_a_description() -> None:
    found = waits(survey(CLAIM), evidence(**{TASK.arn: OwnerStatus.UNKNOWN}))
    assert found == {Wait(WaitsFor.OWNER, str(CLAIM.key))}
    assert waits(survey(CLAIM), evidence(**{TASK.arn: OwnerStatus.ALIVE})) == set()


def test_in_mode_observe_nothing_waits_to_be_registered() -> None:
    claim = replace(CLAIM, state=ClaimState.REGISTERING)
    assert waits(survey(claim, not_ready=frozenset({"task"})), evidence(registers=False)) == set()


def test_what_waits_is_said_once_it_has_waited_for_long_however_others_come_and_go() -> None:
    lasting, other = (Wait(WaitsFor.ANSWER, name) for name in ("10.0.0.4:80", "10.0.0.5:80"))
    status = DestinationStatus(destination=FRONT.arn, shared=False, room=None, checked_at=NOON)
    since: dict[str, object] = {}
    for minute in range(int(SAID_AFTER / timedelta(minutes=1)) + 1):
        now = NOON + timedelta(minutes=minute)
        waiting = {lasting, other} if minute % 2 else {lasting}
        since_now = waiting_since(status, waiting, now)
        status, since = replace(status, waiting_since=since_now), dict(since_now)
        found = overdue(FRONT.arn, waiting, since_now, now)
        assert bool(found) is (now - NOON >= SAID_AFTER)
    assert set(since) == {str(lasting)}
    assert found[0].text.startswith("10.0.0.4:80: ")


def test_a_finding_names_some_of_many() -> None:
    waiting = {Wait(WaitsFor.READINESS, f"task {number}") for number in range(9)}
    (found,) = overdue(FRONT.arn, waiting, {str(one): NOON for one in waiting}, NOON + SAID_AFTER)
    assert found.text.startswith("task 0, task 1, task 2, task 3, task 4 and 4 more: ")
