"""Cloud Map operations are asked about several at a time, and only while there is time."""

from concurrent import futures
from concurrent.futures.thread import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Barrier
from typing import Any

import pytest

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.invocation import Invocation
from berthmaster.targets.observe.registered import OPERATIONS_AT_ONCE, TIME_FOR_CALLS, Registered
from tests.support.targets.builders import NOON, a_claim, a_cloud_map_service, a_task, seconds
from tests.support.targets.reads import Unpaced


class NoonClock(Clock):
    def now(self) -> datetime:
        return NOON


class Discovery:
    """Answers when as many calls are made at once as allowed."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._meeting = Barrier(OPERATIONS_AT_ONCE, timeout=30)

    def get_operation(self, **params: Any) -> Any:
        self._meeting.wait()
        self.asked.append(params["OperationId"])
        return {"Operation": {"Status": "SUCCESS"}}


@pytest.fixture
def discovery(monkeypatch: pytest.MonkeyPatch) -> Discovery:
    monkeypatch.setattr(futures, "ThreadPoolExecutor", ThreadPoolExecutor)
    return Discovery()


def ended(discovery: Discovery, count: int, time_left: timedelta) -> dict[str, bool]:
    clients: Any = Clients()
    reads: Any = Unpaced()
    clients.discovery = discovery
    service = a_cloud_map_service()
    claims = [
        replace(a_claim(a_task(number), service), operation=f"operation-{number}", changed_at=NOON + seconds(number))
        for number in range(count)
    ]
    invocation = Invocation(id="first", deadline=NOON + time_left)
    found, failed = Registered(clients, NoonClock(), reads).operations(claims, invocation)
    assert failed == []
    return found


def test_operations_are_asked_about_at_the_same_time(discovery: Discovery) -> None:
    count = 2 * OPERATIONS_AT_ONCE
    assert ended(discovery, count, timedelta(minutes=1)) == {f"operation-{number}": True for number in range(count)}


def test_without_time_for_what_follows_no_operation_is_asked_about(discovery: Discovery) -> None:
    assert ended(discovery, 20, TIME_FOR_CALLS) == {}
    assert discovery.asked == []
