"""A run of targets_reconcile over 200 target groups and 10,000 tasks, and how many destinations it scales to.

Calls and CPU are those of runs in which AWS answers at once, in one thread. How far a run gets, and how long it takes,
is measured by invocations at realistic latency, within the rate of reads that the template sets.
"""

from __future__ import annotations

import io
import json
import os
import time
from collections import Counter
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from math import ceil
from statistics import mean, median
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from benchmarks.cluster import RECONCILE
from benchmarks.many_groups import GROUPS_PER_CLUSTER, PERIOD, SEED, many_groups
from benchmarks.replay import played_back, recorded
from benchmarks.usage import Meter
from berthmaster import settings
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.invocation import Invocation
from berthmaster.targets.reconcile import Reconcile
from berthmaster.targets.settings import ReconcileSettings
from berthmaster.telemetry import logger
from simulator.calls import calling_as
from simulator.clock import Clock as VirtualClock
from simulator.latency import Realistic

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from benchmarks.many_groups import ManyGroups
    from benchmarks.replay import Answer
    from benchmarks.usage import Usage

AIM = 20.0
"""Seconds of CPU."""
GROUPS, TASKS_PER_GROUP = 200, 50
FEWER = 50
"""Target groups, for comparison."""
SOON = 30.0
"""Seconds from the start of a run, in a new container, until each of these groups was compared."""
MANY, TASKS_OF_MANY = 1_000, 2
"""Target groups that no run has time for, and the tasks of each."""
HEALED = 5
"""Minutes."""
MOST = 5_000
"""Destinations."""
FORGOTTEN = ("attributes", "status", "cursor")
"""Partitions of the ledger that only make a run faster."""
DRIFT = 100
"""One task in so many is replaced without an event."""
ROUNDS = 3
DEADLINE = timedelta(minutes=2)
"""Of a run in which AWS answers at once."""
DRAINED = timedelta(minutes=10)
LEAST_RUNS, MOST_RUNS = 5, 30
RUNS = {
    "new container": "the first run of a container, everything is in place",
    "steady": "everything is in place",
    "drift": f"1 in {DRIFT} tasks was replaced without an event",
    "drift, next run": "ECS is asked about missing tasks, and they are deregistered",
}


@dataclass(frozen=True)
class Run:
    """One run: when it began, the answers that it got, call by call, and what it printed."""

    at: datetime
    answers: Sequence[Answer]
    calls: Counter[str]
    log: str


@dataclass(frozen=True)
class Invoked:
    """An invocation at realistic latency, a minute after the one before: what it used, and the groups it reached.

    after: virtual seconds from its start until the last of them was read.
    """

    usage: Usage
    reached: frozenset[str]
    after: float

    @property
    def seconds(self) -> float:
        """Virtual."""
        return self.usage.total


@dataclass(frozen=True)
class Recording:
    """Runs by what there was to find, and the settings of the function.

    unknown, cold, warm: invocations at realistic latency with everything in place, until each group has been reached:
    from one in a new container while the ledger knows only the claims, then from one in a new container, and then with
    all known; of warm ones at least LEAST_RUNS.
    """

    settings: ReconcileSettings
    runs: Mapping[str, Run]
    latency: str
    unknown: Sequence[Invoked]
    cold: Sequence[Invoked]
    warm: Sequence[Invoked]

    @property
    def seconds(self) -> float:
        """Of a warm invocation, on average."""
        return mean(one.seconds for one in self.warm)


@dataclass(frozen=True)
class Cost:
    """Seconds of CPU; baseline: decoding the JSON of the same answers."""

    own: float
    baseline: float

    @property
    def ratio(self) -> float:
        """How many times the baseline."""
        return self.own / self.baseline


@dataclass(frozen=True)
class Report:
    """Calls and costs by run, the costs with fewer groups, and invocations at realistic latency; many: over MANY."""

    calls: Mapping[str, Counter[str]]
    costs: Mapping[str, Cost]
    fewer: Mapping[str, Cost]
    latency: str
    unknown: Sequence[Invoked]
    cold: Sequence[Invoked]
    warm: Sequence[Invoked]
    many: Sequence[Invoked]


@cache
def report() -> Report:
    """Measure both sizes."""
    whole, fewer = recording(GROUPS), recording(FEWER)
    return Report(
        calls={name: one.calls for name, one in whole.runs.items()},
        costs=_measured(whole),
        fewer=_measured(fewer),
        latency=whole.latency,
        unknown=whole.unknown,
        cold=whole.cold,
        warm=whole.warm,
        many=over_many(),
    )


@cache
def over_many() -> Sequence[Invoked]:
    """Invoke the function every minute until it has reached each of MANY groups, from a new container on."""
    with many_groups(MANY, TASKS_OF_MANY) as scene:
        _forget(scene)
        scene.cloud.latency = Realistic(SEED)
        return _invoked(scene, MANY, at_least=1)


@cache
def recording(groups: int, each: int = TASKS_PER_GROUP) -> Recording:
    """Let all tasks be registered, record runs to which AWS answers at once, and then invoke the function."""
    with many_groups(groups, each) as scene:
        configured = settings.read(scene.berthmaster.runtime.functions[RECONCILE].environment, ReconcileSettings)
        runs = _recorded(scene, configured)
        scene.cloud.clock.advance(DRAINED.total_seconds())
        scene.reconcile()
        scene.cloud.latency = Realistic(SEED)
        _forget(scene)
        unknown = _invoked(scene, groups, at_least=1)
        scene.berthmaster.runtime.kill_containers()
        return Recording(
            settings=configured,
            runs=runs,
            latency=str(scene.cloud.latency),
            unknown=unknown,
            cold=_invoked(scene, groups, at_least=1),
            warm=_invoked(scene, groups, at_least=LEAST_RUNS),
        )


def _forget(scene: ManyGroups) -> None:
    """Let a new container begin, and leave it only the claims of the ledger."""
    scene.berthmaster.runtime.kill_containers()
    dynamodb = scene.cloud.client("dynamodb")
    table = str(scene.berthmaster.template.identity("TargetsTable").name)
    items = [item for page in dynamodb.get_paginator("scan").paginate(TableName=table) for item in page["Items"]]
    for item in items:
        if item["pk"]["S"] in FORGOTTEN:
            dynamodb.delete_item(TableName=table, Key={name: item[name] for name in ("pk", "sk")})


def _recorded(scene: ManyGroups, configured: ReconcileSettings) -> dict[str, Run]:
    clock = scene.cloud.clock
    reconcile = Reconcile(configured, Clients(), Clock())
    found = {}
    for name in RUNS:
        if name == "drift":
            scene.replace(DRIFT)
        before = len(scene.cloud.calls)
        at = clock.now()
        with calling_as(RECONCILE), recorded() as answers, _captured() as printed:
            reconcile.run(Invocation(id=name, deadline=at + DEADLINE))
        found[name] = Run(at, answers, scene.cloud.calls.since(before).counts(), printed.getvalue())
        clock.advance(PERIOD.total_seconds())
    return found


def _invoked(scene: ManyGroups, groups: int, *, at_least: int) -> list[Invoked]:
    """Invoke the function every minute until it has reached each group; TimeoutError if it does not."""
    found: list[Invoked] = []
    left = groups
    while left or len(found) < at_least:
        if len(found) == MOST_RUNS:
            raise TimeoutError(f"{left} of {groups} groups have not been reached by {MOST_RUNS} runs")
        began, before = scene.cloud.clock.now(), len(scene.cloud.calls)
        meter = Meter(scene.berthmaster, RECONCILE)
        scene.berthmaster.invoke(RECONCILE, {})
        read = [
            call for call in scene.cloud.calls.since(before).named("elbv2:DescribeTargetHealth") if call.outcome == "ok"
        ]
        reached = frozenset(call.params["TargetGroupArn"] for call in read)
        found.append(Invoked(meter.read(), reached, max(call.at for call in read) - began.timestamp()))
        left = groups - len(frozenset().union(*(one.reached for one in found)))
        scene.cloud.clock.run_until(began + PERIOD)
    return found


@contextmanager
def _captured() -> Iterator[io.StringIO]:
    """Capture what the function prints: log lines and metrics."""
    printed = io.StringIO()
    handler: logging.StreamHandler[Any] = logger.registered_handler  # type: ignore[assignment]
    with patch.dict(os.environ, {"POWERTOOLS_METRICS_NAMESPACE": "Berthmaster"}), redirect_stdout(printed):
        before = handler.setStream(printed)
        try:
            yield printed
        finally:
            handler.setStream(before)


def _measured(recorded_: Recording) -> Mapping[str, Cost]:
    runs = [replayed(recorded_) for _ in range(ROUNDS)]
    return {
        name: Cost(median(run[name] for run in runs), median(_decoded(one) for _ in range(ROUNDS)))
        for name, one in recorded_.runs.items()
    }


def replayed(recorded_: Recording) -> Mapping[str, float]:
    """Repeat the runs with the same answers; returns seconds of CPU."""
    taken = {}
    begun_at = next(iter(recorded_.runs.values())).at
    # Under the simulator's clock calls are made one after the other, as they were when they were recorded.
    with VirtualClock(begun_at) as clock, played_back() as (clients, tape), _captured():
        reconcile = Reconcile(recorded_.settings, clients, Clock())
        for name, one in recorded_.runs.items():
            tape.put(one.answers)
            clock.run_until(one.at)
            began = time.process_time()
            reconcile.run(Invocation(id=name, deadline=one.at + DEADLINE))
            taken[name] = time.process_time() - began
    return taken


def _decoded(one: Run) -> float:
    texts = [json.dumps(answer.parsed, default=str) for answer in one.answers]
    began = time.process_time()
    for text in texts:
        json.loads(text)
    return time.process_time() - began


def printed(found: Report) -> Iterator[str]:
    """Calls by operation, and CPU."""
    yield f"{GROUPS} target groups, {GROUPS * TASKS_PER_GROUP:,} tasks, {GROUPS // GROUPS_PER_CLUSTER} clusters"
    yield from (f"  {name}: {what}" for name, what in RUNS.items())
    yield f"{'':42s}" + "".join(f"{name:>18s}" for name in found.calls)
    every = sum(found.calls.values(), Counter())
    for operation, _ in every.most_common():
        yield f"  {operation:40s}" + "".join(f"{calls[operation] or '-':>18}" for calls in found.calls.values())
    yield f"{'all':42s}" + "".join(f"{calls.total():18d}" for calls in found.calls.values())
    rows: tuple[tuple[str, Callable[[str], float]], ...] = (
        (f"CPU, seconds (aim: less than {AIM:g})", lambda name: found.costs[name].own),
        ("baseline: decoding the answers' JSON", lambda name: found.costs[name].baseline),
        ("ratio", lambda name: found.costs[name].ratio),
        (f"CPU, {FEWER} groups and as many tasks each", lambda name: found.fewer[name].own),
        (
            f"ratio to that ({GROUPS // FEWER} times as much)",
            lambda name: found.costs[name].own / found.fewer[name].own,
        ),
    )
    for what, value in rows:
        yield f"{what:42s}" + "".join(f"{value(name):18.2f}" for name in found.calls)
    yield f"invocations, a minute apart ({found.latency}; without CPU):"
    after = f"after (aim: {SOON:g} s)"
    yield f"  {'':44s}{'groups reached':>14s}{after:>20s}{'virtual seconds':>18s}{'runs for all':>14s}"
    for name, runs in (
        ("a new container, the ledger has claims only", found.unknown),
        ("a new container", found.cold),
        ("then", found.warm),
        (f"{MANY:,} groups of {TASKS_OF_MANY} tasks, a new container", found.many),
    ):
        reached, after = _range([len(one.reached) for one in runs]), _range([one.after for one in runs], ".1f")
        seconds = _range([one.seconds for one in runs], ".1f")
        yield f"  {name:44s}{reached:>14s}{after:>20s}{seconds:>18s}{runs_until_all_are_reached(runs):14d}"
    yield scale(found.many)


def scale(runs: Sequence[Invoked]) -> str:
    """How many destinations are compared how soon, if each run gets as far as these, one a minute."""
    full = runs[: max(1, len(runs) - 1)]
    in_a_run = min(len(one.reached) for one in full)
    return (
        f"healed within {HEALED} minutes up to {HEALED * in_a_run:,} destinations, "
        f"within {ceil(MOST / in_a_run)} minutes at {MOST:,}; what only a second run may remove takes twice as long"
    )


def _range(values: Sequence[float], digits: str = "d") -> str:
    low, high = format(min(values), digits), format(max(values), digits)
    return low if low == high else f"{low} to {high}"


def runs_until_all_are_reached(runs: Sequence[Invoked]) -> int:
    """How many invocations it takes."""
    everything = frozenset().union(*(one.reached for one in runs))
    return next(
        count
        for count in range(1, len(runs) + 1)
        if frozenset().union(*(one.reached for one in runs[:count])) == everything
    )
