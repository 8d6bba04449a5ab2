"""Threads of simulated processes take turns in virtual time."""

import time
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager, nullcontext
from random import Random

import pytest

from simulator.clock import Clock
from simulator.errors import Crashed, FunctionDied, TimedOut
from simulator.processes import Process, running_thread

type Record = list[tuple[float, str]]


@pytest.fixture
def clock() -> Iterator[Clock]:
    with Clock() as clock:
        yield clock


@pytest.fixture
def record() -> Record:
    return []


def process(target: Callable[[], None], ended: Callable[[], None] = lambda: None) -> Process:
    return Process(target, installed=nullcontext, ended=ended)


def sleeper(clock: Clock, record: Record, name: str, *naps: float) -> Process:
    """A process that sleeps several times, and records when it wakes up."""
    start = clock.timestamp()

    def live() -> None:
        for nap in naps:
            time.sleep(nap)
            record.append((round(clock.timestamp() - start, 6), name))

    return process(live)


def test_whoever_sleeps_lets_others_run(clock: Clock, record: Record) -> None:
    clock.after(0, sleeper(clock, record, "a", 1, 3).start)
    clock.after(0, sleeper(clock, record, "b", 2, 3).start)
    clock.run_until(clock.timestamp() + 10)
    assert record == [(1, "a"), (2, "b"), (4, "a"), (5, "b")]


def test_everything_happens_in_the_order_of_time(clock: Clock, record: Record) -> None:
    random = Random(1)  # noqa: S311 - reproducible on purpose
    for name in "abcdefgh":
        naps = [random.uniform(0, 3) for _ in range(20)]
        clock.after(random.uniform(0, 5), sleeper(clock, record, name, *naps).start)
    clock.run_until(clock.timestamp() + 100)
    assert len(record) == 160
    assert record == sorted(record, key=lambda one: one[0])


def test_time_stands_where_it_was_to_stop_although_a_thread_sleeps_on(clock: Clock, record: Record) -> None:
    start = clock.timestamp()
    clock.after(0, sleeper(clock, record, "a", 30).start)
    clock.run_until(start + 10)
    assert clock.timestamp() == start + 10
    assert record == []
    clock.run_until(start + 30)
    assert record == [(30, "a")]


def test_a_process_that_is_killed_runs_its_finally_blocks_and_waits_no_more(clock: Clock, record: Record) -> None:
    deaths: list[FunctionDied] = []

    def live() -> None:
        try:
            time.sleep(60)
        except FunctionDied as death:
            deaths.append(death)
            raise
        finally:
            time.sleep(5)
            record.append((0, "slept although dead"))

    one = process(live, lambda: record.append((0, "ended")))
    clock.after(0, one.start)
    clock.after(10, lambda: one.kill(TimedOut("too long")))
    clock.run_until(clock.timestamp() + 100)
    assert [str(death) for death in deaths] == ["too long"]
    assert record == [(0, "ended")]


def test_a_process_ends_once(record: Record) -> None:
    one = process(lambda: None, lambda: record.append((0, "ended")))
    one.start()
    one.kill(TimedOut("too late"))
    assert record == [(0, "ended")]


def test_what_belongs_to_a_process_is_installed_only_while_it_runs(clock: Clock) -> None:
    installed: list[str] = []

    @contextmanager
    def of(name: str) -> Iterator[None]:
        installed.append(name)
        yield
        installed.remove(name)

    def live(name: str) -> None:
        for _ in range(5):
            assert installed == [name]
            time.sleep(1)

    ended: list[str] = []
    for name in "ab":
        one = Process(
            lambda name=name: live(name),  # type: ignore[misc]
            installed=lambda name=name: of(name),  # type: ignore[misc]
            ended=lambda name=name: ended.append(name),  # type: ignore[misc]
        )
        clock.after(0.5, one.start)
    clock.every(0.1, lambda: ended.append("seen") if installed else None)
    clock.run_until(clock.timestamp() + 10)
    assert ended == ["a", "b"]


def test_a_pool_works_at_the_same_time_with_as_many_threads_as_it_may(clock: Clock) -> None:
    results: list[list[int]] = []
    start = clock.timestamp()

    def work(number: int) -> int:
        time.sleep(10)
        return number

    def live() -> None:
        with futures.ThreadPoolExecutor(max_workers=3) as pool:
            waiting = [pool.submit(work, number) for number in range(7)]
            results.append([one.result() for one in waiting])

    clock.after(0, process(live).start)
    clock.run_until(start + 29)
    assert results == []
    clock.run_until(start + 30)
    assert results == [list(range(7))]


def test_a_pool_is_left_when_all_its_work_is_done(clock: Clock, record: Record) -> None:
    start = clock.timestamp()

    def live() -> None:
        with futures.ThreadPoolExecutor(max_workers=2) as pool:
            for _ in range(4):
                pool.submit(time.sleep, 10)
        record.append((clock.timestamp() - start, "left"))

    clock.after(0, process(live).start)
    clock.run_until(start + 100)
    assert record == [(20, "left")]


def test_what_work_raises_is_raised_where_its_result_is_asked_for(clock: Clock, record: Record) -> None:
    def fail() -> None:
        time.sleep(1)
        raise KeyError("work")

    def live() -> None:
        with futures.ThreadPoolExecutor(max_workers=2) as pool:
            failing, working = pool.submit(fail), pool.submit(time.sleep, 2)
            with pytest.raises(KeyError):
                failing.result()
            working.result()
            record.append((0, "both"))

    clock.after(0, process(live).start)
    clock.run_until(clock.timestamp() + 10)
    assert record == [(0, "both")]


def test_a_thread_that_dies_takes_its_process_with_it(clock: Clock, record: Record) -> None:
    def crash() -> None:
        time.sleep(1)
        raise Crashed("in a thread")

    def live() -> None:
        with futures.ThreadPoolExecutor(max_workers=2) as pool:
            waiting = [pool.submit(crash), pool.submit(time.sleep, 50)]
            for one in waiting:
                one.result()
        record.append((0, "survived"))

    one = process(live, lambda: record.append((clock.timestamp() - start, "ended")))
    start = clock.timestamp()
    clock.after(0, one.start)
    clock.run_until(start + 100)
    assert record == [(1, "ended")]
    assert isinstance(one.death, Crashed)


def test_outside_a_process_a_pool_works_at_once(clock: Clock) -> None:
    start = clock.timestamp()
    with futures.ThreadPoolExecutor(max_workers=2) as pool:
        assert [pool.submit(pow, 2, number).result() for number in range(3)] == [1, 2, 4]
    assert running_thread() is None
    assert clock.timestamp() == start


def test_real_pools_are_back_when_the_clock_has_stopped() -> None:
    with Clock():
        pass
    with futures.ThreadPoolExecutor(max_workers=1) as pool:
        assert pool.submit(pow, 2, 3).result() == 8
    assert type(pool).__name__ == "ThreadPoolExecutor"
