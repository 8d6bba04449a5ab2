"""What a decision depends on is read consistently: DynamoDB shows older states to all other reads, for an hour here."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from berthmaster.capacity.ledger.history import History
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.items import Items
from berthmaster.lease import Leases
from berthmaster.modes import Mode
from berthmaster.switch import Switch, SwitchRequest
from berthmaster.targets.ledger.claims import ClaimLedger, ClaimMove, View
from berthmaster.targets.ledger.findings import DestinationStatuses
from berthmaster.targets.model import Claim, ClaimState, DestinationStatus
from simulator.aws.dynamodb.stale_reads import StaleReads
from simulator.calls import calling_as
from simulator.cloud import Cloud
from tests.support.capacity.builders import NOON, a_full_vpc, subnet_id
from tests.support.tables import TARGETS_TABLE, create_targets_table
from tests.support.targets.builders import a_claim, a_target_group, a_task

FRONT = a_target_group()
MINUTE = timedelta(minutes=1)


def a_status(room: int) -> DestinationStatus:
    return DestinationStatus(destination=FRONT.arn, shared=False, room=room, checked_at=NOON)


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud(seed=3) as cloud:
        create_targets_table(cloud.client("dynamodb"))
        cloud.clock.advance(3600)
        cloud.state(StaleReads).longest = 3600.0
        with calling_as("Function"):
            yield cloud


@pytest.fixture
def dynamodb(cloud: Cloud) -> Any:
    assert cloud
    return Clients().dynamodb


def test_a_pause_and_a_resume_hold_at_once(cloud: Cloud, dynamodb: Any) -> None:
    switch = Switch(dynamodb, Clock(), table=TARGETS_TABLE, automation="targets", mode=Mode.ENFORCE)
    switch.apply(SwitchRequest(pause=True, time=cloud.clock.now()))
    assert switch.reason()
    cloud.clock.advance(2)
    switch.apply(SwitchRequest(pause=False, time=cloud.clock.now()))
    assert switch.reason() == ""


def test_a_lease_is_seen_as_it_is(dynamodb: Any) -> None:
    leases = Leases(dynamodb, TARGETS_TABLE)
    leases.acquire("vpc-1", owner="first", now=NOON, deadline=NOON + MINUTE)
    seen = leases.look("vpc-1")
    assert seen is not None
    assert seen.is_in_progress(NOON)


def test_a_record_is_read_as_it_was_saved(dynamodb: Any) -> None:
    statuses: Items[DestinationStatus] = Items(dynamodb, TARGETS_TABLE, "status", DestinationStatus)
    saved = statuses.save(replace(statuses.save(a_status(room=1)), room=2))
    assert statuses.get(FRONT.arn) == saved
    assert statuses.query() == [saved]


def test_claims_and_statuses_are_read_as_they_were_written(dynamodb: Any) -> None:
    ledger = ClaimLedger(dynamodb, TARGETS_TABLE, Clock())
    claim = a_claim(a_task(1), FRONT, ClaimState.REGISTERED, revision=0)
    written, _ = ledger.write([[ClaimMove(None, claim)]])
    [first] = written[0]
    assert isinstance(first, Claim)
    written, _ = ledger.write([[ClaimMove(first, replace(first, state=ClaimState.DRAINING))]])
    statuses = DestinationStatuses(dynamodb, TARGETS_TABLE)
    statuses.save(None, a_status(room=3))
    view = View()
    ledger.read(view, claims=[claim.key], statuses=[FRONT.arn])
    assert [view.claims[claim.key]] == written[0] == ledger.claims_of(FRONT.arn)
    assert view.statuses == statuses.all()
    assert view.statuses[FRONT.arn].room == 3


def test_the_history_shows_what_another_container_has_recorded(dynamodb: Any) -> None:
    History(dynamodb, TARGETS_TABLE).record(NOON, [a_full_vpc()])
    assert History(dynamodb, TARGETS_TABLE).load(NOON).addresses([subnet_id(1)])
