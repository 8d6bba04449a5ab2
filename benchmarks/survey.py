"""What several benchmarks use: a large account with two weeks of history, and two cycles of the watch over it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Self

from benchmarks.fleet import past, settle
from benchmarks.usage import Meter
from berthmaster.capacity.ledger.history import PARTITION, History
from berthmaster.capacity.observe.inventory import Inventory
from berthmaster.capacity.observe.snapshot import read_fleet
from berthmaster.clients import Clients
from berthmaster.failures import Failures
from simulator.cloud import Cloud
from simulator.stack.deployment import Deployment

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping, Sequence

    from benchmarks.usage import Usage
    from berthmaster.capacity.model.vpc import VpcSnapshot

FUNCTION = "CapacityWatchFunction"
HALF_PAST = datetime(2026, 3, 2, 12, 30, tzinfo=UTC)
"""An hour's item grows with each sample: half past, it has its average size."""
PERIOD = timedelta(minutes=5)

type Item = Mapping[str, Any]


@dataclass(frozen=True)
class Survey:
    """Calls of the first cycle of a container (cold) and of the next one (warm), and the account that they read.

    ``cold_seconds`` and ``warm_seconds`` are virtual, at ``latency``. ``log`` is what the warm cycle printed; ``items``
    is the table afterwards.
    """

    cold: Counter[str]
    warm: Counter[str]
    latency: str
    cold_seconds: float
    warm_seconds: float
    log: str
    items: Sequence[Item]
    snapshots: Sequence[VpcSnapshot]
    interfaces: Sequence[Mapping[str, Any]]
    at: datetime

    def history(self) -> History:
        """The history of a new container, which has read nothing yet."""
        table: Any = _Table(self.items)
        return History(table, "")


class _Table:
    """DynamoDB as far as History uses it, without the cost of a client."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._items = sorted((one for one in items if one["pk"]["S"] == PARTITION), key=lambda one: str(one["sk"]["S"]))

    def get_paginator(self, _: str) -> Self:
        return self

    def paginate(self, **query: Any) -> list[Mapping[str, Any]]:
        since = query["ExpressionAttributeValues"][":since"]["S"]
        return [{"Items": [one for one in self._items if one["sk"]["S"] >= since]}]

    def put_item(self, **_: Any) -> None:
        return


@cache
def survey() -> Survey:
    """Deploy the template into the account and run the watch twice."""
    with Cloud(seed=5, start=HALF_PAST, subnet_delay=0) as cloud:
        berthmaster = Deployment(cloud)
        berthmaster.schedules_enabled = False
        fleet = settle(cloud)
        table = str(berthmaster.template.identity("CapacityTable").name)
        dynamodb = cloud.client("dynamodb")
        for item in past(fleet, HALF_PAST):
            dynamodb.put_item(TableName=table, Item=item)
        cold = _cycle(berthmaster)
        said = len(berthmaster.logs.text(FUNCTION))
        # A cycle is due at a round time, however long the one before took.
        cloud.clock.run_until(HALF_PAST + PERIOD)
        warm = _cycle(berthmaster)
        now, failures = cloud.clock.now(), Failures()
        snapshots = read_fleet(Clients(), now, Inventory(Clients(), table), failures)
        failures.raise_all("the account was not read completely")
        return Survey(
            cold=cold.calls,
            warm=warm.calls,
            latency=str(cloud.latency),
            cold_seconds=cold.longest,
            warm_seconds=warm.longest,
            log=berthmaster.logs.text(FUNCTION)[said:],
            items=[item for page in dynamodb.get_paginator("scan").paginate(TableName=table) for item in page["Items"]],
            snapshots=snapshots,
            interfaces=fleet.interfaces,
            at=now,
        )


def _cycle(berthmaster: Deployment) -> Usage:
    meter = Meter(berthmaster, FUNCTION)
    if error := berthmaster.invoke(FUNCTION, {}).error:
        raise error
    return meter.read()


def size_of(item: Item) -> int:
    """Bytes of a DynamoDB item as AWS counts them, the names of its attributes too."""
    return sum(len(name) + _size_of_value(kind, value) for name, typed in item.items() for kind, value in typed.items())


def _size_of_value(kind: str, value: Any) -> int:
    if kind == "N":
        return len(value) // 2 + 2
    if kind == "BOOL":
        return 1
    if kind == "M":
        return 3 + size_of(value) + len(value)
    return len(value if kind == "B" else value.encode())
