"""What a run of Berthmaster would have cost: measured usage, times public prices."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from berthmaster.envelope import SOURCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.calls import Call
    from simulator.stack.deployment import Deployment

REGION = "us-east-1"
"""The region whose prices these are."""
PRICES_OF = f"{REGION}, on demand, without free tiers; the services' public price pages, early 2026"
PRICES = {
    "Lambda GB-second, arm64": 0.0000133334,
    "Lambda request": 0.20e-6,
    "DynamoDB read unit": 0.125e-6,
    "DynamoDB write unit": 0.625e-6,
    "SQS request": 0.40e-6,
    "EventBridge custom event": 1.00e-6,
    "EventBridge Scheduler run": 1.00e-6,
    "SNS request": 0.50e-6,
    "SNS e-mail": 20.0e-6,
    "CloudWatch metric, a month": 0.30,
    "CloudWatch alarm, a month": 0.10,
    "CloudWatch dashboard, a month": 3.00,
    "CloudWatch Logs GB": 0.50,
    "KMS key, a month": 1.00,
    "KMS request": 3.0e-6,
}
HOURS_PER_MONTH = 730

CPU_SECONDS = 0.5
"""Assumed for each run of a function, besides the time its AWS calls and its waits take in the simulation."""
IDLE_POLLS_PER_HOUR = 5 * 180
"""Lambda keeps five long polls of 20 seconds open on a queue that feeds a function."""
KMS_REQUESTS_PER_HOUR = 24
"""Assumed: a data key lives five minutes in DynamoDB and an hour in SQS, at either end of a queue."""
WRITE_UNIT = 1024


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the bill: `quantity` times the price of one."""

    service: str
    what: str
    quantity: float
    price: float

    @property
    def dollars(self) -> float:
        """The sum."""
        return self.quantity * self.price


@dataclass(frozen=True, slots=True)
class Bill:
    """All lines."""

    lines: tuple[Line, ...]

    @property
    def dollars(self) -> float:
        """The sum."""
        return sum(line.dollars for line in self.lines)

    def by_service(self) -> dict[str, float]:
        """Sums by service, in the order of the lines."""
        sums: dict[str, float] = {}
        for line in self.lines:
            sums[line.service] = sums.get(line.service, 0.0) + line.dollars
        return sums


def bill_of(berthmaster: Deployment, *, hours: float) -> Bill:
    """Price what a deployment has used in so many virtual hours."""
    lines = []
    for what, quantity in _used(berthmaster, hours):
        service = what.replace(" Scheduler", "").replace(" Logs", "").split()[0]
        lines.append(Line(service, what, quantity, PRICES[what]))
    return Bill(tuple(lines))


def _used(berthmaster: Deployment, hours: float) -> Iterator[tuple[str, float]]:
    months = hours / HOURS_PER_MONTH
    calls = [call for call in berthmaster.cloud.calls if call.is_by_function]
    operations = Counter(call.name for call in calls)
    invocations = berthmaster.invocations
    functions = berthmaster.runtime.functions
    yield (
        "Lambda GB-second, arm64",
        sum((one.ended - one.started + CPU_SECONDS) * functions[one.function].memory / 1024 for one in invocations),
    )
    yield "Lambda request", len(invocations)
    kept = [call for call in calls if call.service == "dynamodb"]
    # A read of this VPC's few items stays below the 4 KB of one unit.
    yield "DynamoDB read unit", sum(call.is_read for call in kept)
    yield "DynamoDB write unit", sum(_write_units(call) for call in kept if not call.is_read)
    yield "SQS request", _queue_requests(berthmaster, operations) + IDLE_POLLS_PER_HOUR * hours
    yield "EventBridge custom event", sum(seen.event["source"] == SOURCE for seen in berthmaster.bus_events)
    yield "EventBridge Scheduler run", _scheduled(berthmaster)
    yield "SNS request", operations["sns:Publish"]
    yield "SNS e-mail", len(berthmaster.published)
    yield "CloudWatch metric, a month", _metric_hours(berthmaster) / HOURS_PER_MONTH
    yield "CloudWatch alarm, a month", _number(berthmaster, "AWS::CloudWatch::Alarm") * months
    yield "CloudWatch dashboard, a month", _number(berthmaster, "AWS::CloudWatch::Dashboard") * months
    yield "CloudWatch Logs GB", sum(len(line.text.encode()) for line in berthmaster.logs.lines) / 1e9
    yield "KMS key, a month", _number(berthmaster, "AWS::KMS::Key") * months
    yield "KMS request", KMS_REQUESTS_PER_HOUR * hours


def _write_units(call: Call) -> int:
    """Write units of one request; the request's own text is a little longer than the item it writes."""
    return math.ceil(len(json.dumps(call.params, default=_text)) / WRITE_UNIT)


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _queue_requests(berthmaster: Deployment, operations: Counter[str]) -> int:
    """Messages sent by functions and by rules; each received and deleted once."""
    by_functions = operations["sqs:SendMessage"]
    by_rules = sum(len(seen.rules) for seen in berthmaster.bus_events)
    return 3 * (by_functions + by_rules)


def _scheduled(berthmaster: Deployment) -> int:
    targets = {
        schedule.properties["Target"]["Arn"] for schedule in berthmaster.template.resources("AWS::Scheduler::Schedule")
    }
    functions = berthmaster.runtime.functions
    return sum(functions[one.function].arn in targets for one in berthmaster.invocations)


def _metric_hours(berthmaster: Deployment) -> int:
    """CloudWatch bills a metric for each hour in which it got a value."""
    hours: set[tuple[str, tuple[tuple[str, str], ...], int]] = set()
    for record in berthmaster.logs.metrics():
        hour = int(record["_aws"]["Timestamp"]) // 3_600_000
        for directive in record["_aws"]["CloudWatchMetrics"]:
            dimensions = tuple((name, record[name]) for names in directive["Dimensions"] for name in names)
            hours.update((metric["Name"], dimensions, hour) for metric in directive["Metrics"])
    return len(hours)


def _number(berthmaster: Deployment, resource_type: str) -> int:
    return sum(1 for _ in berthmaster.template.resources(resource_type))
