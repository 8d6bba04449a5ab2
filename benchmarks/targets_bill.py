"""What targets costs a month for 50 target groups, 1,000 tasks and 20,000 task events a day.

The key, the bus, the topic and the dashboard are part of the `bill` of capacity.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from benchmarks import trail
from benchmarks.bill import (
    LOGS_KEPT,
    PLATFORM_LOG,
    Bill,
    deployed,
    dollars,
    memory_of,
    metrics_in,
    seconds_of_cpu,
    units_read,
)
from benchmarks.cluster import RECONCILE, SYNC, busy_cluster
from benchmarks.many_groups import PERIOD
from benchmarks.reconciliation import recording, replayed
from benchmarks.survey import size_of
from benchmarks.trail import Trail, times
from benchmarks.usage import Meter
from berthmaster.targets.ledger.findings import REWRITTEN_AFTER
from simulator.demo.bill import HOURS_PER_MONTH, IDLE_POLLS_PER_HOUR, PRICES_OF

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from simulator.calls import Call

    type Quantities = Counter[str]

AIM = 25
GROUPS, TASKS_PER_GROUP = 50, 20
EVENTS_PER_DAY = 20_000
EVENTS = EVENTS_PER_DAY * HOURS_PER_MONTH / 24
RUNS = 60 * HOURS_PER_MONTH
TASKS_DEPLOYED = 4
"""A small deployment: its events are delivered nearly one by one, which costs most."""

SYNC_CPU = 0.05
"""Assumed seconds of an invocation; the rest is counted or measured."""


@dataclass(frozen=True)
class Report:
    """The whole bill, and what each function's own share of it is."""

    bill: Bill
    shares: Mapping[str, Bill]
    seconds: float
    """Of Lambda, for a run of targets_reconcile."""
    latency: str
    trail: Trail
    """Of both functions; the gate is called for a deployment only."""


@cache
def report(run_cpu: float | None = None) -> Report:
    """Price a month. The CPU seconds of a run are measured unless given."""
    recorded = recording(GROUPS, TASKS_PER_GROUP)
    cpu = replayed(recorded)["steady"] if run_cpu is None else run_cpu
    seconds = recorded.seconds + seconds_of_cpu(RECONCILE, cpu)
    syncing, calls = _syncing()
    shares = {"targets_sync": syncing, "targets_reconcile": _reconciling(seconds)}
    return Report(
        bill=Bill.of(sum(shares.values(), _standing())),
        shares={name: Bill.of(share) for name, share in shares.items()},
        seconds=seconds,
        latency=recorded.latency,
        trail=Trail.of(calls + times(_calls_of_a_run(), RUNS)),
    )


def _standing() -> Quantities:
    alarms = [one for one in deployed().resources("AWS::CloudWatch::Alarm") if one.logical_id.startswith("Targets")]
    return Counter({"CloudWatch alarm, a month": len(alarms), "SQS request": IDLE_POLLS_PER_HOUR * HOURS_PER_MONTH})


def _calls_of_a_run() -> Counter[str]:
    """Not every run writes all statuses; here, as many as on average."""
    statuses = {"dynamodb:PutItem": round(GROUPS * (PERIOD / REWRITTEN_AFTER))}
    return Counter({**recording(GROUPS, TASKS_PER_GROUP).runs["steady"].calls, **statuses})


def _reconciling(seconds: float) -> Quantities:
    """Everything is in place: what runs find to do costs little in comparison."""
    steady = recording(GROUPS, TASKS_PER_GROUP).runs["steady"]
    calls = _calls_of_a_run()
    queries = [answer.parsed for answer in steady.answers if answer.operation == "Query"]
    logged = (len(steady.log.encode()) + PLATFORM_LOG) / 1e9
    one = {
        "Lambda GB-second, arm64": seconds * memory_of(RECONCILE) / 1024,
        "Lambda request": 1,
        "EventBridge Scheduler run": 1,
        # The switch is read once a run, since nothing is written to AWS.
        "DynamoDB read unit": calls["dynamodb:GetItem"]
        + sum(max(1, units_read(sum(map(size_of, page["Items"])))) for page in queries),
        "DynamoDB write unit": calls["dynamodb:UpdateItem"] + calls["dynamodb:PutItem"],
        "CloudWatch Logs GB": logged,
        "CloudWatch Logs GB kept, a month": LOGS_KEPT * logged,
    }
    month = Counter({what: RUNS * quantity for what, quantity in one.items()})
    month["CloudWatch metric, a month"] = metrics_in(steady.log)
    return month


def _syncing() -> tuple[Quantities, Counter[str]]:
    """A small deployment, event by event; and the calls of a month."""
    with busy_cluster({"web": 1}, tasks=TASKS_DEPLOYED, cloud_map=False) as scene:
        berthmaster = scene.berthmaster
        meter, calls_before = Meter(berthmaster, SYNC), len(scene.cloud.calls)
        seen_before, logged_before = len(berthmaster.bus_events), len(berthmaster.logs.text(SYNC))
        scene.fleet.deploy("web")
        berthmaster.run(minutes=5)
        berthmaster.drain()
        calls = scene.cloud.calls.of(SYNC).since(calls_before)
        used = meter.read()
        invocations = len(used.seconds)
        events = sum(bool(one.rules) for one in berthmaster.bus_events[seen_before:])
        logged = (len(berthmaster.logs.text(SYNC)[logged_before:].encode()) + invocations * PLATFORM_LOG) / 1e9
    counts = used.calls
    seconds = used.total + seconds_of_cpu(SYNC, invocations * SYNC_CPU)
    deployment = {
        "Lambda GB-second, arm64": seconds * memory_of(SYNC) / 1024,
        "Lambda request": invocations,
        "DynamoDB read unit": counts["dynamodb:GetItem"] + _items_read(calls),
        # A transaction writes everything twice; each item is smaller than a unit.
        "DynamoDB write unit": counts["dynamodb:UpdateItem"]
        + 2 * sum(len(call.params["TransactItems"]) for call in calls.named("dynamodb:TransactWriteItems")),
        "EventBridge custom event": sum(len(call.params["Entries"]) for call in calls.named("events:PutEvents")),
        "SQS request": 3 * (events + counts["sqs:SendMessage"]),
        "CloudWatch Logs GB": logged,
        "CloudWatch Logs GB kept, a month": LOGS_KEPT * logged,
    }
    share = EVENTS / events
    return Counter({what: share * quantity for what, quantity in deployment.items()}), times(counts, share)


def _items_read(calls: Iterable[Call]) -> int:
    asked: list[Mapping[str, Any]] = [
        table
        for call in calls
        if call.name == "dynamodb:BatchGetItem"
        for table in call.params["RequestItems"].values()
    ]
    return sum(len(table["Keys"]) for table in asked)


def printed(found: Report) -> Iterator[str]:
    """The lines, the shares of both functions, and the assumptions."""
    yield f"{GROUPS} target groups, {GROUPS * TASKS_PER_GROUP:,} tasks, {EVENTS_PER_DAY:,} task events a day"
    yield f"a run of targets_reconcile, one a minute, takes {found.seconds:.1f} s of Lambda,"
    yield f"where {found.latency}"
    yield f"prices: {PRICES_OF}"
    yield f"  {'a month':36s}{'quantity':>14s}{'list price':>14s}{'beyond free':>14s}"
    for line in sorted(found.bill.lines, key=lambda line: -line.dollars):
        quantity = f"{line.quantity:,.3f}" if line.quantity < 1 else f"{line.quantity:,.0f}"
        yield f"  {line.what:36s}{quantity:>14s}{dollars(line.dollars)}{dollars(line.beyond_allowance)}"
    total = f"all (aim: less than ${AIM})"
    yield f"  {total:50s}{dollars(found.bill.dollars)}{dollars(found.bill.beyond_allowances)}"
    for name, share in found.shares.items():
        yield f"  {f'of which {name}':50s}{dollars(share.dollars)}"
    yield from trail.printed(found.trail)
    yield "beyond free: in an account that spends AWS's standing monthly allowances on nothing else"
