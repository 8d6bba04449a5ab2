"""What Berthmaster costs a month in a large account, from counted calls and measured sizes at public prices."""

from __future__ import annotations

import io
import json
import os
from collections import Counter
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cache
from math import ceil
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from benchmarks import cpu as cpu_benchmark
from benchmarks import trail
from benchmarks.expansion import BURST, burst, in_time, repeat
from benchmarks.expansion import FUNCTION as EXPAND
from benchmarks.fleet import BUSY_VPCS, INTERFACES_PER_SUBNET, SUBNETS_PER_VPC, VPCS
from benchmarks.survey import FUNCTION as WATCH
from benchmarks.survey import PERIOD, size_of, survey
from benchmarks.trail import Trail, times
from berthmaster.capacity.ledger import history
from berthmaster.capacity.observe.cluster_memory import PARTITION
from berthmaster.capacity.observe.inventory_memory import KEY, SAVED_EVERY
from berthmaster.capacity.observe.service_rotation import CYCLES_PER_ROTATION
from berthmaster.capacity.plan.demand import assess
from berthmaster.capacity.report.metrics import publish_vpc
from berthmaster.capacity.settings import MetricDetail
from simulator.cloud import REGION
from simulator.demo.bill import HOURS_PER_MONTH, IDLE_POLLS_PER_HOUR, KMS_REQUESTS_PER_HOUR, PRICES, PRICES_OF
from simulator.stack.identities import Place
from simulator.stack.template import Template

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.survey import Item
    from berthmaster.capacity.model.vpc import VpcSnapshot
    from berthmaster.capacity.plan.demand import Assessment

    type Quantities = Counter[str]

AIM = 10
CYCLES = round(HOURS_PER_MONTH * 3600 / PERIOD.total_seconds())
STORAGE_PRICES = {
    "CloudWatch Logs GB kept, a month": 0.03,
    "DynamoDB GB kept, a month": 0.25,
    "DynamoDB GB in backups, a month": 0.20,
}
ALLOWANCES = {
    "Lambda GB-second, arm64": 400_000,
    "Lambda request": 1_000_000,
    "DynamoDB GB kept, a month": 25,
    "SQS request": 1_000_000,
    "SNS request": 1_000_000,
    "SNS e-mail": 1_000,
    "EventBridge Scheduler run": 14_000_000,
    "CloudWatch metric, a month": 10,
    "CloudWatch alarm, a month": 10,
    "CloudWatch dashboard, a month": 3,
    "CloudWatch Logs GB": 5,
    "KMS request": 20_000,
}
"""What every account has free each month, not only in its first year."""
IPAM_ADDRESS_HOUR = 0.00027
"""IPAM's advanced tier, for an active address."""
IPAM_ADDRESSES = 10_000

# Assumed; the rest is counted or measured.
STARTS = 365
"""New containers of capacity_watch a month, one in two hours; Lambda does not document how long one lives."""
START_CPU = 0.5
"""Seconds until the handler of a new container runs; the benchmark `imports` measures it."""
EXPANSIONS = BUSY_VPCS
RECORDS = 12 * EXPANSIONS
"""Expansions of a year, whose records every cycle reads."""
EVENTS = 1000
"""Of AWS, about shortages; nearly all concern a VPC that is being expanded."""
READS_PER_EVENT = 2
PLATFORM_LOG = 1000
"""Bytes that Lambda itself logs of an invocation."""
LOGS_KEPT = 3
"""Months; the template's default is 90 days."""
FULL_VCPU = 1769
"""Megabytes of memory at which Lambda gives one whole vCPU, and less in proportion (Lambda guide)."""


@dataclass(frozen=True)
class Line:
    """A quantity a month, and what one costs."""

    what: str
    quantity: float
    price: float

    @property
    def dollars(self) -> float:
        """At list prices."""
        return self.quantity * self.price

    @property
    def beyond_allowance(self) -> float:
        """In an account that uses its free allowance for nothing else."""
        return max(0, self.quantity - ALLOWANCES.get(self.what, 0)) * self.price


@dataclass(frozen=True)
class Bill:
    """A month."""

    lines: tuple[Line, ...]

    @classmethod
    def of(cls, quantities: Quantities) -> Bill:
        """Price them."""
        prices = PRICES | STORAGE_PRICES
        return cls(tuple(Line(what, quantities[what], prices[what]) for what in prices if quantities[what]))

    @property
    def dollars(self) -> float:
        """At list prices."""
        return sum(line.dollars for line in self.lines)

    @property
    def beyond_allowances(self) -> float:
        """In an account that uses its free allowances for nothing else."""
        return sum(line.beyond_allowance for line in self.lines)


@dataclass(frozen=True)
class Report:
    """Bills by metric detail; ``short``: what a VPC adds that stays short in the mode `observe`."""

    bills: Mapping[MetricDetail, Bill]
    short: Bill
    cycle: float
    """Seconds of Lambda."""
    trail: Trail
    latency: str


@cache
def report(cycle_cpu: float | None = None, history_cpu: float | None = None) -> Report:
    """Price a month. The CPU seconds of a cycle and of reading two weeks of history are measured unless given."""
    if cycle_cpu is None or history_cpu is None:
        measured = cpu_benchmark.report()
        cycle_cpu, history_cpu = measured.every_cycle / 1000, sum(measured.cold.values()) / 1000
    month = _standing() + _watching(cycle_cpu, history_cpu) + _expanding(history_cpu) + _events()
    return Report(
        bills={detail: Bill.of(month + _reporting(detail)) for detail in MetricDetail},
        short=Bill.of(_staying_short()),
        cycle=survey().warm_seconds + seconds_of_cpu(WATCH, cycle_cpu),
        latency=survey().latency,
        trail=Trail.of(_calls()),
    )


def _calls() -> Counter[str]:
    """Of a month; what an event about a VPC that is being expanded calls is no management event."""
    seen = survey()
    return (
        times(seen.warm, CYCLES - STARTS)
        + times(seen.cold, STARTS)
        + times(in_time().calls, EXPANSIONS)
        + times(burst().calls, EVENTS / BURST)
    )


def _standing() -> Quantities:
    """Resources and polling, which cost the same whether anything happens or not."""
    kept = (sum(map(size_of, survey().items)) + _size_of_records()) / 1e9
    return Counter(
        {
            "CloudWatch alarm, a month": _number_of("AWS::CloudWatch::Alarm"),
            "CloudWatch dashboard, a month": _number_of("AWS::CloudWatch::Dashboard"),
            "KMS key, a month": _number_of("AWS::KMS::Key"),
            "KMS request": KMS_REQUESTS_PER_HOUR * HOURS_PER_MONTH,
            "SQS request": IDLE_POLLS_PER_HOUR * HOURS_PER_MONTH,
            "DynamoDB GB kept, a month": kept,
            "DynamoDB GB in backups, a month": kept,
        }
    )


def _watching(cycle_cpu: float, history_cpu: float) -> Quantities:
    seen = survey()
    hours = _items(history.PARTITION)
    known = _items(PARTITION)
    clusters = [item for item in known if item["sk"] != KEY["sk"]]
    (rest,) = (item for item in known if item["sk"] == KEY["sk"])
    # A warm cycle reads the newest hour, the one before it, and the records of expansions.
    read = units_read(sum(map(size_of, hours[-2:]))) + units_read(_size_of_records())
    read_at_start = units_read(sum(map(size_of, hours))) + units_read(sum(map(size_of, known)))
    start = seen.cold_seconds - seen.warm_seconds + seconds_of_cpu(WATCH, START_CPU + history_cpu)
    cycle = seen.warm_seconds + seconds_of_cpu(WATCH, cycle_cpu)
    saves = HOURS_PER_MONTH * 3600 / SAVED_EVERY.total_seconds()
    # Each is written when it has changed: at most as often as it is read.
    written = sum(units_written(size_of(item)) for item in clusters) / CYCLES_PER_ROTATION
    return Counter(
        {
            "Lambda GB-second, arm64": (CYCLES * cycle + STARTS * start) * memory_of(WATCH) / 1024,
            "Lambda request": CYCLES,
            "EventBridge Scheduler run": CYCLES,
            "DynamoDB read unit": CYCLES * read + STARTS * read_at_start,
            "DynamoDB write unit": CYCLES * (units_written(size_of(hours[-1])) + written)
            + saves * units_written(size_of(rest)),
        }
    )


def _expanding(history_cpu: float) -> Quantities:
    """Every expansion begins with a cold start."""
    one = in_time()
    seconds = sum(one.seconds) + seconds_of_cpu(EXPAND, START_CPU + history_cpu)
    logged = (one.log_bytes + len(one.seconds) * PLATFORM_LOG) / 1e9
    read = units_read(sum(map(size_of, _items(history.PARTITION)))) + one.calls["dynamodb:Query"]
    written = one.calls["dynamodb:PutItem"] * units_written(one.record_bytes) + one.calls["dynamodb:UpdateItem"]
    quantities = {
        "Lambda GB-second, arm64": seconds * memory_of(EXPAND) / 1024,
        "Lambda request": len(one.seconds),
        "DynamoDB read unit": read + one.calls["dynamodb:GetItem"],
        "DynamoDB write unit": written,
        "EventBridge custom event": 1 + one.calls["events:PutEvents"],
        "SQS request": 3 * len(one.seconds),
        "SNS request": one.calls["sns:Publish"],
        "SNS e-mail": one.calls["sns:Publish"],
        "CloudWatch Logs GB": logged,
        "CloudWatch Logs GB kept, a month": LOGS_KEPT * logged,
    }
    return Counter({what: EXPANSIONS * quantity for what, quantity in quantities.items()})


def _events() -> Quantities:
    """An event about a VPC that is being expanded costs two reads: of the switch and of the lease."""
    seconds = EVENTS * burst().total / BURST
    return Counter(
        {
            "Lambda GB-second, arm64": seconds * memory_of(EXPAND) / 1024,
            "Lambda request": EVENTS,
            "DynamoDB read unit": READS_PER_EVENT * EVENTS,
            "SQS request": 3 * EVENTS,
        }
    )


def _reporting(detail: MetricDetail) -> Quantities:
    """Logs and metrics of the watch; a metric is a log line."""
    of_the_fleet = [line for line in survey().log.splitlines(keepends=True) if "VpcId" not in json.loads(line)]
    text = "".join(of_the_fleet) + _published(detail)
    logged = CYCLES * (len(text.encode()) + PLATFORM_LOG) / 1e9
    return Counter(
        {
            "CloudWatch metric, a month": metrics_in(text),
            "CloudWatch Logs GB": logged,
            "CloudWatch Logs GB kept, a month": LOGS_KEPT * logged,
        }
    )


def _staying_short() -> Quantities:
    """Every cycle reports it; capacity_expand reads the VPC, and has notified people before. Its CPU is left out."""
    again = repeat()
    calls, seconds = again.calls, again.total
    hours = _items(history.PARTITION)
    quantities = {
        "Lambda GB-second, arm64": seconds * memory_of(EXPAND) / 1024,
        "Lambda request": 1,
        "DynamoDB read unit": units_read(sum(map(size_of, hours[-2:]))) + calls["dynamodb:GetItem"] + 1,
        "DynamoDB write unit": calls["dynamodb:UpdateItem"],
        "EventBridge custom event": 1,
        "SQS request": 3,
        "CloudWatch Logs GB": PLATFORM_LOG / 1e9,
    }
    return Counter({what: CYCLES * quantity for what, quantity in quantities.items()})


# How the quantities are calculated


def seconds_of_cpu(function: str, cpu: float) -> float:
    """How long a function takes for so many seconds of a whole vCPU; invocations in the simulator leave that out."""
    return cpu / min(1.0, memory_of(function) / FULL_VCPU)


def _items(partition: str) -> list[Item]:
    """Items of the table, oldest first. It was read at half past: then the item of the hour has its average size."""
    return sorted((one for one in survey().items if one["pk"]["S"] == partition), key=lambda one: str(one["sk"]["S"]))


def _size_of_records() -> int:
    return RECORDS * in_time().record_bytes


def units_read(size: int) -> int:
    """Of 4 KB, read consistently."""
    return ceil(size / 4096)


def units_written(size: int) -> int:
    """Of 1 KB."""
    return ceil(size / 1024)


@cache
def _published(detail: MetricDetail) -> str:
    """What a cycle prints about VPCs and subnets."""
    output = io.StringIO()
    names = {"POWERTOOLS_METRICS_NAMESPACE": "Berthmaster", "POWERTOOLS_SERVICE_NAME": "capacity_watch"}
    with patch.dict(os.environ, names), redirect_stdout(output):
        for snapshot, assessments in _assessed():
            publish_vpc(snapshot, assessments, detail)
    return output.getvalue()


@cache
def _assessed() -> Sequence[tuple[VpcSnapshot, tuple[Assessment, ...]]]:
    seen = survey()
    usage = seen.history().load(seen.at)
    return [(snapshot, assess(snapshot, usage)) for snapshot in seen.snapshots]


def metrics_in(text: str) -> int:
    """How many metrics there are: names with different dimensions."""
    found = set()
    for line in text.splitlines():
        record: dict[str, Any] = json.loads(line)
        for directive in record.get("_aws", {}).get("CloudWatchMetrics", ()):
            where = tuple(record[name] for names in directive["Dimensions"] for name in names)
            found |= {(metric["Name"], where) for metric in directive["Metrics"]}
    return len(found)


@cache
def deployed() -> Template:
    """The template with its defaults."""
    return Template(place=Place("berthmaster", REGION, "123456789012"))


def _number_of(resource_type: str) -> int:
    return sum(1 for _ in deployed().resources(resource_type))


def memory_of(function: str) -> int:
    """Megabytes."""
    (memory,) = (
        int(one.properties["MemorySize"])
        for one in deployed().resources("AWS::Lambda::Function")
        if one.logical_id == function
    )
    return memory


def dollars(amount: float) -> str:
    """An amount as it is printed in a column of 14 characters."""
    return f"{f'${amount:,.2f}':>14s}"


def printed(found: Report) -> Iterator[str]:
    """The lines at the default detail, then the totals of the others."""
    default, *others = MetricDetail
    bill = found.bills[default]
    yield f"{VPCS} VPCs, {VPCS * SUBNETS_PER_VPC} subnets, {VPCS * SUBNETS_PER_VPC * INTERFACES_PER_SUBNET} addresses"
    yield f"assumed: {BUSY_VPCS} VPCs fill up and are expanded once a month, {EVENTS} events, {STARTS} new containers;"
    yield f"a cycle takes {found.cycle:.1f} s of Lambda, where {found.latency}"
    yield f"prices: {PRICES_OF}"
    yield f"  {'a month':36s}{'quantity':>14s}{'list price':>14s}{'beyond free':>14s}"
    for line in sorted(bill.lines, key=lambda line: -line.dollars):
        quantity = f"{line.quantity:,.3f}" if line.quantity < 1 else f"{line.quantity:,.0f}"
        yield f"  {line.what:36s}{quantity:>14s}{dollars(line.dollars)}{dollars(line.beyond_allowance)}"
    yield f"  {f'all (aim: less than ${AIM})':50s}{dollars(bill.dollars)}{dollars(bill.beyond_allowances)}"
    for detail in others:
        bill = found.bills[detail]
        yield f"  {f'all, metrics of every {detail}':50s}{dollars(bill.dollars)}{dollars(bill.beyond_allowances)}"
    yield f"  {'each VPC that stays short, mode observe: more than':50s}{dollars(found.short.dollars)}"
    ipam = IPAM_ADDRESSES * IPAM_ADDRESS_HOUR * HOURS_PER_MONTH
    yield f"  {f'IPAM, advanced tier, {IPAM_ADDRESSES:,} active addresses':50s}{dollars(ipam)}"
    yield from trail.printed(found.trail)
    yield "beyond free: in an account that uses AWS's permanent monthly allowances for nothing else"
