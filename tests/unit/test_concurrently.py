"""Calls made several at a time: never more than allowed, in order, and none forgotten."""

from collections.abc import Iterator
from concurrent import futures
from concurrent.futures.thread import ThreadPoolExecutor
from contextvars import ContextVar
from threading import Barrier, Event, Lock, current_thread
from typing import Any

import pytest

from berthmaster.clients import Clients
from berthmaster.concurrently import NotBegun, Together, concurrently, results_of

LONG = 30.0
"""Seconds after which a test has failed."""
_caller: ContextVar[str] = ContextVar("caller", default="nobody")


@pytest.fixture(autouse=True)
def real_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(futures, "ThreadPoolExecutor", ThreadPoolExecutor)


class Busy:
    """Counts the calls that are made at the same time."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self._lock = Lock()

    def __enter__(self) -> None:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self.now -= 1


def test_as_many_calls_as_allowed_are_made_at_once_and_never_more() -> None:
    busy, meeting = Busy(), Barrier(3, timeout=LONG)

    def call(number: int) -> int:
        with busy:
            meeting.wait()
            return number * number

    assert results_of(concurrently(call, range(12), at_once=3)) == [number * number for number in range(12)]
    assert busy.most == 3


def test_outcomes_are_in_the_order_of_the_items_whichever_ends_first() -> None:
    second_has_ended = Event()

    def call(number: int) -> int:
        if number == 0:
            assert second_has_ended.wait(LONG)
        else:
            second_has_ended.set()
        return number

    assert [one.item for one in concurrently(call, range(2), at_once=2)] == [0, 1]


def test_the_first_items_are_worked_on_while_the_next_page_is_read() -> None:
    first_page_is_done, done = Event(), Busy()

    def pages() -> Iterator[int]:
        yield from (1, 2)
        assert first_page_is_done.wait(LONG)
        yield 3

    def call(number: int) -> int:
        with done:
            if number == 2:
                first_page_is_done.set()
        return number

    assert results_of(concurrently(call, pages(), at_once=2)) == [1, 2, 3]


def test_an_error_of_a_page_is_raised_when_what_was_begun_has_ended() -> None:
    done: list[int] = []

    def pages() -> Iterator[int]:
        yield from (1, 2)
        raise KeyError("page 2")

    with pytest.raises(KeyError, match="page 2"):
        concurrently(done.append, pages(), at_once=2)
    assert sorted(done) == [1, 2]


def test_what_is_not_begun_when_the_time_is_up_is_said_and_what_was_begun_ends() -> None:
    time_is_up = Event()

    def call(number: int) -> int:
        time_is_up.set()
        return number

    outcomes = concurrently(call, "abcd", at_once=2, may_begin=lambda: not time_is_up.is_set())
    assert [one.item for one in outcomes] == list("abcd")
    begun = [one for one in outcomes if one.error is None]
    assert 1 <= len(begun) <= 2
    assert all(one.result == one.item for one in begun)
    assert all(isinstance(one.error, NotBegun) for one in outcomes if one not in begun)
    with pytest.raises(NotBegun, match="no time left"):
        results_of(outcomes)


def test_an_error_loses_no_other_result() -> None:
    def call(number: int) -> float:
        return 6 / number

    outcomes = concurrently(call, [1, 0, 2], at_once=2)
    assert [one.value for one in outcomes] == [6.0, None, 3.0]
    assert isinstance(outcomes[1].error, ZeroDivisionError)
    with pytest.raises(ZeroDivisionError):
        results_of(outcomes)


def test_what_ends_the_process_is_not_kept_as_an_outcome() -> None:
    def call(_: int) -> None:
        raise SystemExit

    with pytest.raises(SystemExit):
        concurrently(call, range(3), at_once=2)


def test_threads_see_the_context_of_their_caller() -> None:
    _caller.set("Ann")
    assert results_of(concurrently(lambda _: _caller.get(), range(3), at_once=3)) == ["Ann"] * 3
    with Together(at_once=2) as calls:
        first, second = calls.begin(_caller.get), calls.begin(_caller.get, "nobody")
    assert (first.result(), second.result()) == ("Ann", "Ann")


@pytest.mark.parametrize("items", [[], [1]])
def test_one_item_takes_no_thread(items: list[int]) -> None:
    threads = results_of(concurrently(lambda _: current_thread(), items, at_once=4))
    assert threads == [current_thread()] * len(items)


def test_calls_of_different_kinds_are_made_together() -> None:
    meeting = Barrier(2, timeout=LONG)

    def fail(reason: str) -> None:
        meeting.wait()
        raise ValueError(reason)

    with Together(at_once=2) as calls:
        failed = calls.begin(fail, reason="no")
        met = calls.begin(meeting.wait)
    assert met.result() in {0, 1}
    with pytest.raises(ValueError, match="no"):
        failed.result()


def test_each_client_is_made_once_by_one_thread_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    making, meeting = Busy(), Barrier(4, timeout=LONG)
    made: list[str] = []

    class Session:
        def client(self, service: str, **_: Any) -> object:
            with making:
                made.append(service)
                return object()

    monkeypatch.setattr("boto3.session.Session", Session)
    clients = Clients()

    def use(name: str) -> object:
        meeting.wait()
        return getattr(clients, name)

    outcomes = results_of(concurrently(use, ["ec2", "ecs", "ec2", "ecs"], at_once=4))
    assert outcomes[0] is outcomes[2]
    assert sorted(made) == ["ec2", "ecs"]
    assert making.most == 1
