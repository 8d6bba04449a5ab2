"""How many workers are launched for what waits: properties of single decisions, and of all of them together."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import floor

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from benchmarks.packing_queue import SIZE, Arrival, Outcome, Queue, World, arrivals
from berthmaster.batch.model.files import Provider
from berthmaster.batch.model.measures import FileMeasured, Measures, TaskMeasured
from berthmaster.batch.model.packing import ActiveWorker, Plan, Workload
from berthmaster.batch.model.pipelines import Contract, Limits, Packing, Pipeline
from berthmaster.batch.model.prices import Resources
from berthmaster.batch.model.sizes import Size
from berthmaster.batch.plan.expectations import HOPELESS, LEAST_FILES
from berthmaster.batch.plan.measures import measured, weighted
from berthmaster.batch.plan.packing import LEARNERS, packing
from berthmaster.batch.plan.prices import prices_of
from tests.support.batch.pipelines import a_pipeline

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
PRICES = prices_of("us-east-1")
DEFINITION = Resources(cpu=512, memory=1024)
SMALL, HALF, LARGE = Size(256, 512), Size(512, 1024), Size(1024, 2048)
LATENCY, PULL, EXIT = 36.0, 30.0, 9.0

seconds_of_files = st.floats(0.05, 1500)


def a_worker_pipeline(
    *, goal: int = 0, tasks: int = 500, spot: int = 0, sizes: tuple[Size, ...] = (), how: Packing = Packing.AUTO
) -> Pipeline:
    pipeline = a_pipeline(limits=Limits(tasks=tasks), goal_minutes=goal, spot_tries=spot, packing=how)
    return replace(pipeline, run=replace(pipeline.run, contract=Contract.WORKER, sizes=sizes))


def measures(seconds: float, *, size: Size = HALF, count: int = 20, file_bytes: int = SIZE) -> Measures:
    """Files that took so long, and tasks that start as in the queue."""
    task = TaskMeasured(
        pipeline="ocr",
        size=size,
        requested_at=NOW,
        pull_started_at=NOW + timedelta(seconds=LATENCY - PULL),
        started_at=NOW + timedelta(seconds=LATENCY),
        ended_at=NOW + timedelta(seconds=200),
        stopped_at=NOW + timedelta(seconds=200 + EXIT),
    )
    file = FileMeasured(pipeline="ocr", size=size, bytes=file_bytes, seconds=seconds)
    return measured([task, *[file] * count])


def workers(count: int, *, size: Size = HALF, running_for: float | None = 100.0) -> tuple[ActiveWorker, ...]:
    """running_for: seconds; None for those that were requested just now."""
    one = ActiveWorker(
        size=size,
        provider=Provider.FARGATE,
        requested_at=NOW - timedelta(seconds=LATENCY + running_for) if running_for is not None else NOW,
        started_at=NOW - timedelta(seconds=running_for) if running_for is not None else None,
    )
    return (one,) * count


def decided(
    pipeline: Pipeline,
    known: Measures,
    *,
    waiting: int,
    age: float = 0.0,
    last: Plan | None = None,
    room: int = 500,
    **more: object,
) -> Plan:
    more.setdefault("received", (NOW - timedelta(seconds=age),))
    workload = Workload(
        waiting=waiting,
        bytes=(SIZE,) * min(waiting, 100),
        room=room,
        **more,  # type: ignore[arg-type]
    )
    return packing(pipeline, workload, known, PRICES, DEFINITION, last=last, now=NOW)


# One decision


@given(
    goal=st.sampled_from([0, 5, 30, 600]),
    seconds=seconds_of_files,
    waiting=st.integers(0, 100_000),
    behind=st.integers(0, 1000),
    age=st.floats(0, 5000),
    room=st.integers(0, 500),
    running=st.integers(0, 50),
    pending=st.integers(0, 50),
    spot=st.integers(0, 1),
)
def test_never_more_than_the_limits_and_the_files_allow(
    *,
    goal: int,
    seconds: float,
    waiting: int,
    behind: int,
    age: float,
    room: int,
    running: int,
    pending: int,
    spot: int,
) -> None:
    there = workers(running) + workers(pending, running_for=None)
    plan = decided(
        a_worker_pipeline(goal=goal, spot=spot),
        measures(seconds),
        waiting=waiting,
        behind=behind,
        age=age,
        room=room,
        workers=there,
        in_flight=running,
    )
    assert 0 <= plan.workers <= min(room, max(0, waiting + behind - pending))
    assert plan.wanted == running + pending + plan.workers
    if not there and waiting and room and plan.ends_at and not plan.is_single:
        assert plan.dollars is not None
        assert plan.dollars > 0


@given(
    goal=st.sampled_from([0, 5, 30, 600]),
    seconds=seconds_of_files,
    few=st.integers(0, 5000),
    more=st.integers(0, 5000),
    age=st.floats(0, 2000),
    running=st.integers(0, 50),
)
def test_more_files_are_worth_no_fewer_workers(
    *, goal: int, seconds: float, few: int, more: int, age: float, running: int
) -> None:
    pipeline, known = a_worker_pipeline(goal=goal), measures(seconds)
    there = workers(running)
    less = decided(pipeline, known, waiting=few, age=age, workers=there, in_flight=running, room=10**6)
    plan = decided(pipeline, known, waiting=few + more, age=age, workers=there, in_flight=running, room=10**6)
    assert plan.is_single == less.is_single
    assert plan.workers >= less.workers


@given(
    goal=st.sampled_from([0, 5, 30]), seconds=seconds_of_files, waiting=st.integers(1, 20_000), age=st.floats(0, 1500)
)
def test_what_was_launched_is_enough_while_nothing_changes(goal: int, seconds: float, waiting: int, age: float) -> None:
    """A second reading, in which those of the first are on their way, launches hardly any: pending workers count."""
    pipeline, known = a_worker_pipeline(goal=goal), measures(seconds)
    first = decided(pipeline, known, waiting=waiting, age=age, room=10**6)
    assume(first.workers)
    pending = workers(first.workers, running_for=None)
    second = decided(pipeline, known, waiting=waiting, age=age, workers=pending, room=10**6)
    assert second.workers <= max(1, 0.1 * first.workers)


@given(seconds=st.floats(0.05, 15), running=st.integers(10, 50), goal=st.sampled_from([0, 30]))
def test_no_worker_starts_that_would_arrive_when_the_work_is_over(seconds: float, running: int, goal: int) -> None:
    waiting = floor(0.9 * LATENCY * running / seconds) - running
    there = workers(running)
    plan = decided(a_worker_pipeline(goal=goal), measures(seconds), waiting=waiting, workers=there, in_flight=running)
    assert plan.workers == 0


def test_the_last_files_do_not_wait_for_workers_with_long_ones_while_the_goal_is_at_risk() -> None:
    mixed = weighted([measures(2.0, count=90), measures(600.0, count=10)], older=1.0)
    pipeline = a_worker_pipeline(goal=30)
    for age, wanted in ((60.0, 0), (1800.0 - 900, 3)):
        plan = decided(pipeline, mixed, waiting=3, age=age, workers=workers(5), in_flight=5)
        assert plan.workers == wanted


def test_a_file_that_is_late_makes_no_others_urgent() -> None:
    pipeline, known = a_worker_pipeline(goal=30, spot=1), measures(10.0)
    young = [NOW - timedelta(seconds=60 + number) for number in range(99)]
    for oldest in (1700, 1760, 2000):
        received = (NOW - timedelta(seconds=oldest), *young)
        plan = decided(pipeline, known, waiting=100, received=received, workers=workers(1), in_flight=1)
        assert plan.workers <= 1, oldest
    assert plan.provider is Provider.FARGATE_SPOT
    all_late = decided(pipeline, known, waiting=100, age=1760.0, workers=workers(1), in_flight=1)
    assert (all_late.workers > 20, all_late.provider) == (True, Provider.FARGATE)


def test_few_files_wait_for_more_as_long_as_the_goal_allows_that() -> None:
    pipeline, known = a_worker_pipeline(goal=30), measures(10.0)
    patient = decided(pipeline, known, waiting=3, age=60.0)
    assert (patient.workers, "which the goal allows" in patient.reason) == (0, True)
    assert decided(pipeline, known, waiting=3, age=901.0).workers == 1
    assert decided(pipeline, known, waiting=60, age=60.0).workers == 1
    assert decided(a_worker_pipeline(), known, waiting=3, age=60.0).workers == 1
    assert decided(pipeline, measures(10.0, count=LEAST_FILES - 1), waiting=3, age=60.0).workers == 1


@given(age=st.floats(0, 3000), seconds=st.floats(1, 300), waiting=st.integers(1, 500))
def test_near_the_deadline_spot_is_skipped(age: float, seconds: float, waiting: int) -> None:
    plan = decided(a_worker_pipeline(goal=30, spot=1), measures(seconds), waiting=waiting, age=age)
    assert plan.ends_at
    left = 1800 - age - (plan.ends_at - NOW).total_seconds()
    # An interruption costs the notice, a start, and the file once more.
    assert abs(left - 120 - LATENCY - seconds) < 0.2 * seconds or (
        (plan.provider is Provider.FARGATE_SPOT) == (left > 120 + LATENCY + seconds)
    )
    assert decided(a_worker_pipeline(goal=30), measures(seconds), waiting=waiting).provider is Provider.FARGATE
    unhurried = decided(a_worker_pipeline(spot=1), measures(seconds), waiting=waiting, age=age)
    assert unhurried.provider is Provider.FARGATE_SPOT


def test_little_is_launched_until_it_is_known_how_long_a_file_takes() -> None:
    pipeline = a_worker_pipeline()
    assert decided(pipeline, Measures(), waiting=10_000).workers == LEARNERS
    young, old = workers(LEARNERS, running_for=20.0), workers(LEARNERS, running_for=70.0)
    assert decided(pipeline, Measures(), waiting=10_000, workers=young, in_flight=LEARNERS).workers == 0
    # No file was done in a minute: each is worth a task, however long it takes.
    assert decided(pipeline, Measures(), waiting=10_000, workers=old, in_flight=LEARNERS, room=400).workers == 400


@pytest.mark.parametrize(("seconds", "is_single"), [(1.0, False), (60.0, False), (600.0, False), (1200.0, True)])
def test_files_have_tasks_of_their_own_if_that_costs_hardly_more(seconds: float, *, is_single: bool) -> None:
    pipeline, known = a_worker_pipeline(), measures(seconds)
    plan = decided(pipeline, known, waiting=100)
    assert plan.is_single == is_single
    if is_single:
        assert plan.workers == 0
        assert decided(pipeline, measures(500.0), waiting=100, last=plan).is_single
    assert decided(replace(pipeline, packing=Packing.SINGLE), known, waiting=100).is_single


def test_the_cheapest_size_that_keeps_the_goal_is_chosen() -> None:
    sizes = (SMALL, HALF, LARGE)
    # Half as fast at half the price but for a little; twice as fast at twice the price, and a little more.
    known = weighted([measures(190.0, size=SMALL), measures(100.0), measures(54.0, size=LARGE)], older=1.0)
    assert decided(a_worker_pipeline(sizes=sizes), known, waiting=100).size == SMALL
    assert decided(a_worker_pipeline(sizes=sizes, goal=10), known, waiting=100, age=400.0).size == HALF
    assert decided(a_worker_pipeline(sizes=sizes, goal=10), known, waiting=100, age=500.0).size == LARGE
    close = weighted([measures(196.0, size=SMALL), measures(100.0)], older=1.0)
    used = decided(a_worker_pipeline(sizes=(HALF,)), close, waiting=100)
    assert decided(a_worker_pipeline(sizes=(SMALL, HALF)), close, waiting=100).size == SMALL
    assert decided(a_worker_pipeline(sizes=(SMALL, HALF)), close, waiting=100, last=used).size == HALF


def test_a_size_is_tried_by_one_worker_when_it_may_pay_and_never_again_if_nothing_comes_of_it() -> None:
    pipeline, known = a_worker_pipeline(sizes=(HALF, SMALL)), measures(10.0)
    plan = decided(pipeline, known, waiting=1000)
    assert plan.size == HALF, "the others need not wait"
    assert decided(pipeline, known, waiting=1000, room=10).workers == 9, "and leave room"
    trial = decided(pipeline, known, waiting=1000, workers=workers(plan.workers, running_for=None))
    assert (trial.workers, trial.size) == (1, SMALL)
    assert decided(pipeline, known, waiting=50, workers=workers(2)).size == HALF
    assert decided(pipeline, known, waiting=1000, workers=workers(1, size=SMALL)).size == HALF
    small = [
        TaskMeasured(
            pipeline="ocr",
            size=SMALL,
            requested_at=NOW,
            pull_started_at=NOW,
            started_at=NOW,
            ended_at=NOW,
            stopped_at=NOW,
        )
    ]
    died = weighted([known, measured(small * HOPELESS)], older=1.0)
    assert decided(pipeline, died, waiting=1000, workers=workers(plan.workers, running_for=None)).size == HALF


# All decisions of a run


def run(
    pipeline: Pipeline, files: list[Arrival], *, known: Queue | None = None, seed: int = 1, fixed: int = 0
) -> tuple[Outcome, Queue]:
    queue = Queue(pipeline, files, World(pull=PULL, exit=EXIT), DEFINITION, seed=seed, known=known, fixed=fixed)
    return queue.run(), queue


@settings(max_examples=12, derandomize=True)
@given(
    goal=st.sampled_from([15, 30, 60]),
    seconds=st.floats(0.5, 120),
    spread=st.floats(0, 1.5),
    count=st.integers(1, 1500),
    over=st.sampled_from([0.0, 600.0, 3600.0]),
    seed=st.integers(0, 100),
)
def test_the_goal_is_kept_where_it_can_be(
    *, goal: int, seconds: float, spread: float, count: int, over: float, seed: int
) -> None:
    """Also the first time, when nothing is known of the files: those that come at once, and over a while."""
    files = arrivals(seconds, spread, count, over=over, seed=seed)
    assume(max(one.seconds for one in files) < 0.4 * 60 * goal)
    outcome, queue = run(a_worker_pipeline(goal=goal), files, seed=seed)
    assert len(outcome.waits) == count
    assert max(outcome.waits) <= 60 * goal
    again, _ = run(a_worker_pipeline(goal=goal), files, known=queue, seed=seed)
    assert max(again.waits) <= 60 * goal


@settings(max_examples=12, derandomize=True)
@given(
    seconds=st.floats(0.5, 900),
    spread=st.floats(0, 1.5),
    count=st.integers(1, 1500),
    seed=st.integers(0, 100),
)
def test_a_run_costs_little_more_than_the_least_that_is_possible(
    seconds: float, spread: float, count: int, seed: int
) -> None:
    """The least: one task that does everything, which may take days."""
    files = arrivals(seconds, spread, count, seed=seed)
    _, queue = run(a_worker_pipeline(), files, seed=seed)
    for goal in (0, 60):
        outcome, _ = run(a_worker_pipeline(goal=goal), files, known=queue, seed=seed)
        work = sum(one.seconds + 0.2 for one in files)
        least = max(60.0, work + 0.8 * PULL + 0.8 * EXIT)
        # A tenth for starts; and some workers have nothing to do any more in the minute they are paid for.
        assert outcome.billed <= 1.15 * least + 60 + 5 * outcome.starts


def test_a_prediction_comes_true() -> None:
    for seconds, goal in ((10.0, 0), (10.0, 30), (1.0, 30), (300.0, 0)):
        files = arrivals(seconds, 0.5, 1000)
        _, queue = run(a_worker_pipeline(goal=goal), files)
        outcome, _ = run(a_worker_pipeline(goal=goal), files, known=queue)
        assert outcome.first
        assert outcome.first.dollars == pytest.approx(outcome.dollars, rel=0.05)
        assert outcome.first_files == len(files)
