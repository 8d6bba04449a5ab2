"""Claims are written only over what was read, together with what belongs to them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from berthmaster.clock import Clock
from berthmaster.items import SCHEMA, NewerSchema
from berthmaster.targets.ledger.claims import TOMBSTONES_KEPT_FOR, ClaimLedger, ClaimMove, View, Write
from berthmaster.targets.ledger.findings import DestinationStatuses
from berthmaster.targets.model import (
    AddressHolderMove,
    Claim,
    ClaimKey,
    ClaimState,
    DestinationStatus,
    Fence,
    FenceMove,
)
from simulator.aws.dynamodb.batch_reads import PartialBatches
from simulator.aws.throttling import TokenBucket
from simulator.calls import calling_as
from simulator.cloud import Cloud
from simulator.faults import FaultPlan
from tests.support.tables import TARGETS_TABLE, create_targets_table
from tests.support.targets.builders import NOON, a_claim, a_fence, a_target_group, a_task, an_address_holder, task_arn

FRONT = a_target_group()


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud(seed=1) as cloud:
        create_targets_table(cloud.client("dynamodb"))
        yield cloud


@pytest.fixture
def ledger(cloud: Cloud) -> ClaimLedger:
    return ClaimLedger(cloud.client("dynamodb"), TARGETS_TABLE, Clock())


def claim_of(number: int, **more: Any) -> Claim:
    return a_claim(a_task(number, ip=f"10.0.{number // 200}.{number % 200 + 4}"), FRONT, revision=0, **more)


def fence_of(number: int, *claims: Claim) -> Fence:
    return a_fence(a_task(number), *claims, revision=0)


def bundle(number: int, claims: Sequence[Claim]) -> list[Write]:
    return [FenceMove(None, fence_of(number, *claims)), *(ClaimMove(None, claim) for claim in claims)]


def stored(ledger: ClaimLedger, *, owners: Sequence[str] = (), claims: Sequence[ClaimKey] = ()) -> View:
    view = View()
    ledger.read(view, owners=owners, claims=claims)
    return view


def item(cloud: Cloud, pk: str, sk: str) -> dict[str, Any]:
    key = {"pk": {"S": pk}, "sk": {"S": sk}}
    found: dict[str, Any] = cloud.client("dynamodb").get_item(TableName=TARGETS_TABLE, Key=key)["Item"]
    return found


def test_what_was_written_is_read(cloud: Cloud, ledger: ClaimLedger) -> None:
    task = a_task(1)
    claim = a_claim(task, FRONT, ClaimState.HANDOVER, former=task_arn(2), due_at=NOON, pod="a/b", by_event=True)
    fence, holder = a_fence(task, claim, stop=True), an_address_holder(task)
    written, conflicts = ledger.write(
        [[FenceMove(None, fence), AddressHolderMove(None, holder), ClaimMove(None, claim)]]
    )
    status = DestinationStatus(
        destination=FRONT.arn, shared=True, room=3, checked_at=NOON, reported=frozenset({"0a1b"})
    )
    statuses = DestinationStatuses(cloud.client("dynamodb"), TARGETS_TABLE)
    statuses.save(None, status)
    view = View()
    ledger.read(
        view, owners=[task.arn, task_arn(9)], address_holders=[holder.key], claims=[claim.key], statuses=[FRONT.arn]
    )
    assert conflicts == []
    assert written == {0: [view.fences[task.arn], view.address_holders[holder.key], view.claims[claim.key]]}
    assert view.fences == {task.arn: replace(fence, revision=3)}
    assert view.address_holders == {holder.key: replace(holder, revision=3)}
    assert view.claims == {claim.key: replace(claim, revision=3)}
    assert view.statuses == statuses.all() == {FRONT.arn: replace(status, version=1)}
    assert ledger.claims_of(FRONT.arn) == [view.claims[claim.key]]
    assert ledger.claims_of("another") == []


def test_a_hundred_items_are_one_call_and_known_ones_are_not_read_again(cloud: Cloud, ledger: ClaimLedger) -> None:
    claims = [claim_of(number) for number in range(150)]
    ledger.write([[ClaimMove(None, claim)] for claim in claims])
    view = View()
    before = len(cloud.calls)
    ledger.read(view, claims=[claim.key for claim in claims])
    assert len(view.claims) == 150
    ledger.read(view, claims=[claim.key for claim in claims])
    assert len(cloud.calls) - before == 2


def test_keys_left_unprocessed_are_read_again_and_never_count_as_missing(cloud: Cloud, ledger: ClaimLedger) -> None:
    claims = [claim_of(number) for number in range(90)]
    ledger.write([[ClaimMove(None, claim)] for claim in claims])
    cloud.state(PartialBatches).unprocessed = 0.3
    view = View()
    with calling_as("TargetsSyncFunction"):
        ledger.read(view, claims=[claim.key for claim in claims])
    assert set(view.claims) == {claim.key for claim in claims}
    assert len(cloud.calls.named("dynamodb:BatchGetItem")) > 1


def test_a_throttled_table_is_given_time(cloud: Cloud, ledger: ClaimLedger) -> None:
    claims = [claim_of(number) for number in range(100)]
    ledger.write([[ClaimMove(None, claim)] for claim in claims])
    cloud.state(PartialBatches).capacity = TokenBucket(rate=100, burst=20)
    began, view = cloud.clock.timestamp(), View()
    with calling_as("TargetsSyncFunction"):
        ledger.read(view, claims=[claim.key for claim in claims])
    assert set(view.claims) == {claim.key for claim in claims}
    assert cloud.clock.timestamp() - began < 4


def test_a_table_that_stays_throttled_is_an_error_and_no_missing_claim(cloud: Cloud, ledger: ClaimLedger) -> None:
    claims = [claim_of(number) for number in range(90)]
    ledger.write([[ClaimMove(None, claim)] for claim in claims])
    cloud.state(PartialBatches).capacity = TokenBucket(rate=2, burst=1)
    began, view = cloud.clock.timestamp(), View()
    with calling_as("TargetsSyncFunction"), pytest.raises(TimeoutError, match=r"left \d+ items unread"):
        ledger.read(view, claims=[claim.key for claim in claims])
    assert cloud.clock.timestamp() - began < 10


def test_a_claim_that_another_invocation_has_written_is_a_conflict(ledger: ClaimLedger) -> None:
    claim = claim_of(1)
    written, _ = ledger.write([[ClaimMove(None, claim)]])
    [first] = written[0]
    assert isinstance(first, Claim)
    assert ledger.write([[ClaimMove(None, claim)]]) == ({}, [0])
    written, _ = ledger.write([[ClaimMove(first, replace(first, state=ClaimState.DRAINING))]])
    [second] = written[0]
    assert ledger.write([[ClaimMove(first, replace(first, state=ClaimState.TOMBSTONE))]]) == ({}, [0])
    assert stored(ledger, claims=[claim.key]).claims == {claim.key: second}
    assert (first.revision, second.revision) == (1, 2)


def test_a_claim_that_has_disappeared_is_a_conflict(ledger: ClaimLedger) -> None:
    claim = claim_of(1)
    assert ledger.write([[ClaimMove(replace(claim, revision=1), claim)]]) == ({}, [0])


def test_a_bundle_is_written_completely_or_not_at_all(ledger: ClaimLedger) -> None:
    taken, free = claim_of(1), claim_of(2)
    ledger.write([[ClaimMove(None, taken)]])
    assert ledger.write([bundle(3, [free, taken])]) == ({}, [0])
    assert stored(ledger, owners=[task_arn(3)], claims=[free.key]) == View()


def test_a_bundle_with_a_conflict_hinders_no_other(ledger: ClaimLedger) -> None:
    taken = claim_of(5)
    ledger.write([[ClaimMove(None, taken)]])
    groups = [bundle(100 + number, [claim_of(number)]) for number in range(10)]
    written, conflicts = ledger.write(groups)
    assert conflicts == [5]
    assert sorted(written) == [0, 1, 2, 3, 4, 6, 7, 8, 9]
    assert len(stored(ledger, owners=[task_arn(100 + number) for number in range(10)]).fences) == 9


def test_bundles_with_conflicts_cost_one_more_call(cloud: Cloud, ledger: ClaimLedger) -> None:
    taken = [claim_of(number) for number in (3, 7, 20)]
    ledger.write([[ClaimMove(None, claim)] for claim in taken])
    before = len(cloud.calls)
    written, conflicts = ledger.write([bundle(100 + number, [claim_of(number)]) for number in range(40)])
    assert (len(written), conflicts) == (37, [3, 7, 20])
    assert len(cloud.calls) - before == 2


def test_many_bundles_without_conflicts_are_few_calls(cloud: Cloud, ledger: ClaimLedger) -> None:
    before = len(cloud.calls)
    written, conflicts = ledger.write([bundle(number, [claim_of(number)]) for number in range(200)])
    assert (len(written), conflicts) == (200, [])
    assert len(cloud.calls) - before == 4


def test_a_bundle_that_is_larger_than_a_transaction_begins_with_its_fence(cloud: Cloud, ledger: ClaimLedger) -> None:
    claims = [claim_of(number) for number in range(250)]
    before = len(cloud.calls)
    written, conflicts = ledger.write([bundle(1, [claim_of(300)]), bundle(2, claims), bundle(3, [claim_of(301)])])
    assert conflicts == []
    assert [len(written[index]) for index in (0, 1, 2)] == [2, 251, 2]
    assert len(cloud.calls) - before == 5


def test_a_large_bundle_that_fails_in_the_middle_has_written_a_fence_with_all_its_claims(ledger: ClaimLedger) -> None:
    claims = [claim_of(number) for number in range(120)]
    ledger.write([[ClaimMove(None, claims[-1])]])
    assert ledger.write([bundle(1, claims)])[1] == [0]
    assert stored(ledger, owners=[task_arn(1)]).fences[task_arn(1)].claims == {claim.key for claim in claims}


def test_bundles_that_share_an_item_are_written_one_after_the_other(ledger: ClaimLedger) -> None:
    shared = claim_of(1)
    groups = [bundle(1, [shared]), bundle(2, [claim_of(2)]), bundle(3, [shared]), bundle(4, [claim_of(4)])]
    written, conflicts = ledger.write(groups)
    assert (sorted(written), conflicts) == ([0, 1, 3], [2])
    assert stored(ledger, owners=[task_arn(3)]).fences == {}


def test_a_lost_response_is_no_conflict(cloud: Cloud, ledger: ClaimLedger) -> None:
    cloud.faults.plan = FaultPlan(seed=3, lost_response=0.5)
    with calling_as("function"):
        outcomes = [ledger.write([bundle(number, [claim_of(number)])])[1] for number in range(20)]
    assert outcomes == [[]] * 20
    assert max(call.attempts for call in cloud.calls.of("function")) > 1


def test_other_errors_are_raised(cloud: Cloud, ledger: ClaimLedger) -> None:
    cloud.client("dynamodb").delete_table(TableName=TARGETS_TABLE)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        ledger.write([[ClaimMove(None, claim_of(1))]])


@pytest.mark.parametrize("state", list(ClaimState))
def test_only_tombstones_expire_and_later_than_stopped_tasks_in_ecs(
    cloud: Cloud, ledger: ClaimLedger, state: ClaimState
) -> None:
    claim = claim_of(1, state=state, changed_at=NOON)
    ledger.write([[ClaimMove(None, claim)]])
    saved = item(cloud, f"claim#{FRONT.arn}", f"{claim.key.ip}#{claim.key.port}")
    expected = {"N": str(int((NOON + TOMBSTONES_KEPT_FOR).timestamp()))} if state is ClaimState.TOMBSTONE else None
    assert saved.get("expires") == expected


def test_a_fence_expires_two_hours_after_its_owner_left_and_a_renewed_claim_never(
    cloud: Cloud, ledger: ClaimLedger
) -> None:
    alive = fence_of(1)
    [first] = ledger.write([[FenceMove(None, alive)]])[0][0]
    assert "expires" not in item(cloud, f"fence#{task_arn(1)}", "fence")
    assert isinstance(first, Fence)
    ledger.write([[FenceMove(first, replace(first, leaving=True, changed_at=NOON))]])
    assert item(cloud, f"fence#{task_arn(1)}", "fence")["expires"]["N"] == str(int(NOON.timestamp()) + 7200)
    tombstone = claim_of(2, state=ClaimState.TOMBSTONE)
    [over] = ledger.write([[ClaimMove(None, tombstone)]])[0][0]
    assert isinstance(over, Claim)
    ledger.write([[ClaimMove(over, replace(over, state=ClaimState.REGISTERING))]])
    assert "expires" not in item(cloud, f"claim#{FRONT.arn}", f"{over.key.ip}#{over.key.port}")


def test_an_item_of_a_newer_version_is_refused(cloud: Cloud, ledger: ClaimLedger) -> None:
    claim = claim_of(1)
    ledger.write([[ClaimMove(None, claim)]])
    newer = item(cloud, f"claim#{FRONT.arn}", f"{claim.key.ip}#{claim.key.port}") | {"schema": {"N": str(SCHEMA + 1)}}
    cloud.client("dynamodb").put_item(TableName=TARGETS_TABLE, Item=newer)
    with pytest.raises(NewerSchema):
        ledger.read(View(), claims=[claim.key])
    with pytest.raises(NewerSchema):
        ledger.claims_of(FRONT.arn)


CLAIMS = [claim_of(number) for number in range(6)]


@settings(max_examples=50)
@given(
    rounds=st.lists(
        st.lists(st.sets(st.sampled_from(range(6)), min_size=1, max_size=3), min_size=1, max_size=5), max_size=4
    ),
    stale=st.lists(st.booleans(), min_size=4, max_size=4),
)
def test_a_bundle_is_written_if_and_only_if_all_its_items_are_as_they_were_read(
    rounds: list[list[set[int]]], stale: list[bool]
) -> None:
    """Compared with a model: writers that read just now or earlier, and bundles that overlap."""
    with Cloud(seed=1) as cloud:
        create_targets_table(cloud.client("dynamodb"))
        ledger = ClaimLedger(cloud.client("dynamodb"), TARGETS_TABLE, Clock())
        model: dict[ClaimKey, Claim] = {}
        before: dict[ClaimKey, Claim] = {}
        for groups, is_stale in zip(rounds, stale, strict=False):
            knowledge = before if is_stale else dict(model)
            before = dict(model)
            writes = [
                [
                    ClaimMove(knowledge.get(CLAIMS[one].key), knowledge.get(CLAIMS[one].key, CLAIMS[one]))
                    for one in sorted(group)
                ]
                for group in groups
            ]
            written, conflicts = ledger.write(writes)
            expected = []
            for index, group in enumerate(writes):
                if all(model.get(move.after.key) == move.before for move in group):
                    for move in group:
                        model[move.after.key] = replace(move.after, revision=move.after.revision + 1)
                else:
                    expected.append(index)
            assert sorted(conflicts) == expected
            assert sorted(written) == [index for index in range(len(writes)) if index not in expected]
            assert {claim.key: claim for claim in ledger.claims_of(FRONT.arn)} == model
