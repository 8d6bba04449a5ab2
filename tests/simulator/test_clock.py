"""Virtual time moves only when somebody waits."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from simulator.clock import MONDAY, Clock


def test_the_whole_process_sees_virtual_time() -> None:
    with Clock() as clock:
        time.sleep(90)
        assert datetime.now(UTC) == MONDAY + timedelta(seconds=90) == clock.now()
        assert time.time() == clock.timestamp()
    assert abs(datetime.now(UTC) - MONDAY) > timedelta(days=1) or datetime.now(UTC) != MONDAY


def test_callbacks_run_in_order_of_time_and_then_of_registration() -> None:
    ran: list[tuple[str, float]] = []
    with Clock() as clock:
        start = clock.timestamp()
        for name, delay in (("late", 20.0), ("early", 10.0), ("also early", 10.0)):
            clock.after(delay, lambda name=name: ran.append((name, clock.timestamp() - start)))  # type: ignore[misc]
        clock.run_until(start + 15)
        assert ran == [("early", 10.0), ("also early", 10.0)]
        clock.run_until(start + 60)
        assert ran[-1] == ("late", 20.0)
        assert clock.timestamp() == start + 60


def test_outside_a_thread_what_falls_due_during_a_sleep_runs_after_it() -> None:
    ran: list[float] = []
    with Clock() as clock:
        start = clock.timestamp()
        clock.after(1, lambda: clock.advance(30))
        clock.after(5, lambda: ran.append(clock.timestamp() - start))
        clock.run_until(start + 10)
        assert ran == [31.0]


def test_a_periodic_callback_keeps_its_grid() -> None:
    ran: list[float] = []
    with Clock() as clock:
        start = clock.timestamp()

        def slow() -> None:
            ran.append(clock.timestamp() - start)
            clock.advance(3)

        clock.every(10, slow)
        clock.run_until(start + 35)
    assert ran == [10.0, 20.0, 30.0]


def test_a_cancelled_callback_does_not_run() -> None:
    with Clock() as clock:
        clock.after(1, pytest.fail).cancel()
        clock.run_until(clock.timestamp() + 2)
        assert clock.next_due() is None
