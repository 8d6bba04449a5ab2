"""Of a message and all its copies one is worked on at a time, and one waits."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.deferral import Deferrals, Turn
from berthmaster.invocation import Invocation
from berthmaster.lease import Leases
from berthmaster.own_queue import OwnQueue
from simulator.account import Account, Params
from simulator.cloud import Cloud
from simulator.errors import AwsError
from tests.support.tables import CAPACITY_TABLE, create_capacity_table

SENT_AT = datetime(2026, 3, 2, 5, tzinfo=UTC)
BODY = json.dumps({"source": "toy", "detail-type": "Toy", "time": SENT_AT.isoformat(), "detail": {}})
MINUTE = timedelta(minutes=1)


@dataclass
class Desk:
    """A queue, and invocations that receive from it."""

    cloud: Cloud
    url: str
    deferrals: Deferrals

    def begin(self, name: str, body: str = BODY) -> Turn | None:
        """An invocation of two minutes receives a message."""
        deadline = self.cloud.clock.now() + 2 * MINUTE
        return self.deferrals.begin(body, Invocation(id=name, deadline=deadline))

    def turn(self, name: str, body: str = BODY) -> Turn:
        turn = self.begin(name, body)
        assert turn
        return turn

    def waiting(self) -> list[Any]:
        return [message.body for message in self.cloud.backend("sqs").get_queue("own")._messages]


@pytest.fixture
def desk() -> Iterator[Desk]:
    with Cloud(seed=3) as cloud:
        create_capacity_table(cloud.client("dynamodb"))
        url = cloud.client("sqs").create_queue(QueueName="own")["QueueUrl"]
        clients, clock = Clients(), Clock()
        deferrals = Deferrals(Leases(clients.dynamodb, CAPACITY_TABLE), OwnQueue(clients, clock, url), clock)
        yield Desk(cloud, url, deferrals)


def test_a_deferred_message_is_sent_again_as_it_was(desk: Desk) -> None:
    turn = desk.turn("first")
    assert turn.since == SENT_AT
    turn.defer(MINUTE)
    assert desk.waiting() == [BODY]
    desk.cloud.clock.advance(60)
    assert desk.begin("second")


def test_a_copy_is_dropped_while_the_message_is_worked_on(desk: Desk) -> None:
    assert desk.begin("first")
    assert desk.begin("second") is None


def test_a_copy_in_the_same_batch_is_dropped(desk: Desk) -> None:
    assert desk.begin("first")
    assert desk.begin("first") is None


def test_a_copy_of_a_message_that_waits_is_dropped_and_changes_nothing(desk: Desk) -> None:
    desk.turn("first").defer(MINUTE)
    assert desk.begin("second") is None
    assert desk.begin("third") is None
    desk.cloud.clock.advance(60)
    assert desk.begin("fourth")
    assert len(desk.waiting()) == 1


def test_a_message_that_arrives_a_little_early_is_no_copy(desk: Desk) -> None:
    desk.turn("first").defer(MINUTE)
    desk.cloud.clock.advance(57)
    assert desk.begin("second")


def test_copies_of_an_answered_message_are_dropped_for_as_long_as_a_queue_keeps_one(desk: Desk) -> None:
    desk.turn("first").end()
    desk.cloud.clock.advance(13 * 86400)
    assert desk.begin("second") is None


def test_a_message_whose_invocation_died_is_worked_on_when_it_is_received_again(desk: Desk) -> None:
    assert desk.begin("first")
    desk.cloud.clock.advance(720)
    assert desk.begin("second")


def test_other_messages_are_no_copies(desk: Desk) -> None:
    assert desk.begin("first")
    assert desk.begin("second", BODY.replace("05:00:00", "05:00:01"))


@contextmanager
def taken_in_vain(cloud: Cloud) -> Iterator[None]:
    """DynamoDB takes a lease, and answers with an error each time that the SDK tries."""
    handler = cloud.handlers["dynamodb:UpdateItem"]

    def failing(account: Account, params: Params) -> Any:
        answer = handler(account, params)
        if ":now" in params["ExpressionAttributeValues"]:
            raise AwsError("InternalServerError", "The request could not be processed.")
        return answer

    cloud.handlers["dynamodb:UpdateItem"] = failing
    with pytest.raises(ClientError):
        yield
    cloud.handlers["dynamodb:UpdateItem"] = handler


def test_a_message_whose_turn_was_given_although_the_call_failed_is_no_copy(desk: Desk) -> None:
    with taken_in_vain(desk.cloud):
        desk.begin("first")
    assert desk.begin("second")


def test_what_a_failed_call_gives_back_is_still_answered(desk: Desk) -> None:
    desk.turn("first").end()
    with taken_in_vain(desk.cloud):
        desk.begin("second")
    assert desk.begin("third") is None
