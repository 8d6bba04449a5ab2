"""The SDK repeats a write whose response was lost: each conditional write recognises its own."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network

import pytest

from berthmaster.capacity.ledger.history import History
from berthmaster.capacity.model.vpc import Subnet, VpcSnapshot
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.lease import Leases
from berthmaster.modes import Mode
from berthmaster.switch import Switch, SwitchRequest
from berthmaster.targets.ledger.changes import Changes
from berthmaster.targets.ledger.claims import ClaimLedger, FenceMove, View
from berthmaster.targets.model import Call
from berthmaster.targets.plan.changes import Change, ChangeState, Step
from berthmaster.token_bucket import TokenBucket
from simulator.calls import Call as AwsCall
from simulator.calls import calling_as
from simulator.cloud import Cloud
from tests.support.tables import CAPACITY_TABLE, TARGETS_TABLE, create_capacity_table, create_targets_table
from tests.support.targets.builders import NOON, a_fence, a_task

MINUTE = timedelta(minutes=1)


class StoppedClock(Clock):
    """Always the same time, so that no tokens come back."""

    def now(self) -> datetime:
        return NOON


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """AWS does each write of a function at the first attempt, and its response is lost."""
    with Cloud(seed=3) as cloud:
        create_capacity_table(cloud.client("dynamodb"))
        create_targets_table(cloud.client("dynamodb"))
        begun: set[int] = set()

        def next_fault(call: AwsCall, _: float) -> str:
            if call.seq in begun or call.is_read or not call.is_by_function:
                return ""
            begun.add(call.seq)
            return "lost_response"

        monkeypatch.setattr(cloud.faults, "next_fault", next_fault)
        with calling_as("Fn"):
            yield cloud
        assert any(call.attempts == 2 for call in cloud.calls.of("Fn").writes())


def writes(cloud: Cloud) -> list[str]:
    return [call.operation for call in cloud.calls.of("Fn").writes()]


def test_a_lease_is_acquired_and_released(cloud: Cloud) -> None:
    leases, now = Leases(Clients().dynamodb, CAPACITY_TABLE), cloud.clock.now()
    lease = leases.acquire("vpc-1", owner="first", now=now, deadline=now + MINUTE)
    assert lease
    assert leases.acquire("vpc-1", owner="second", now=now, deadline=now + MINUTE) is None
    leases.release(lease, considered_at=None, resumes_at=None)
    assert leases.acquire("vpc-1", owner="second", now=now, deadline=now + MINUTE)


@pytest.mark.parametrize(("pause", "answer"), [(True, "Automation Paused"), (False, "Automation Resumed")])
def test_a_pause_or_a_resume_is_answered_as_usual(cloud: Cloud, answer: str, *, pause: bool) -> None:
    switch = Switch(Clients().dynamodb, Clock(), table=CAPACITY_TABLE, automation="capacity", mode=Mode.ENFORCE)
    notice = switch.apply(SwitchRequest(pause=pause, by="Ann", time=cloud.clock.now()))
    assert (notice.detail_type, "no effect" in notice.text) == (answer, False)


def test_a_change_is_saved_and_decided(cloud: Cloud) -> None:
    changes = Changes(Clients().dynamodb, TARGETS_TABLE)
    steps = tuple(Step(Call.DEREGISTER, f"10.0.0.{number}", 80, "owner") for number in range(3))
    change = Change(
        id="targets.shop.20260302T060000Z",
        destination="shop",
        state=ChangeState.PROPOSED,
        steps=steps,
        reason="three removals",
        created_at=cloud.clock.now(),
        spent=frozenset(steps),
    )
    assert changes.decide(changes.save(change), ChangeState.APPROVED, "Ann").version == 2


def test_claims_and_fences_are_written_without_a_conflict(cloud: Cloud) -> None:
    assert cloud
    ledger = ClaimLedger(Clients().dynamodb, TARGETS_TABLE, Clock())
    task = a_task(1)
    fence = a_fence(task, revision=0)
    _, conflicts = ledger.write([[FenceMove(None, fence)]])
    assert conflicts == []
    view = View()
    ledger.read(view, owners=[task.arn])
    assert view.fences[task.arn].revision == 1


def test_a_sample_is_recorded_by_one_write(cloud: Cloud) -> None:
    history = History(Clients().dynamodb, CAPACITY_TABLE)
    subnet = Subnet(id="subnet-1", vpc_id="vpc-a", zone="z", cidr=IPv4Network("10.0.0.0/24"), free=200)
    snapshot = VpcSnapshot(vpc_id="vpc-a", taken_at=NOON, associations=(), subnets=(subnet,), occupancy={})
    history.record(datetime(2026, 3, 2, 9, tzinfo=UTC), [snapshot])
    assert writes(cloud) == ["PutItem"]


def test_tokens_are_taken_once(cloud: Cloud) -> None:
    assert cloud
    dynamodb = Clients().dynamodb
    buckets = [TokenBucket(dynamodb, CAPACITY_TABLE, StoppedClock(), "calls", rate=4.0, burst=20.0) for _ in range(2)]
    taken = 0
    while buckets[taken % 2].take(by=NOON).granted:
        taken += 1
    assert taken == buckets[0].capacity
