"""What the functions of batch used for some files: calls, units of DynamoDB, requests of S3, messages, CPU.

The CPU is that of the functions' own code, measured while the simulator runs them (what the simulator itself takes is
left out), plus for each call what botocore takes to sign, send and parse it, without TLS.
"""

from __future__ import annotations

import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from math import ceil
from statistics import median
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import greenlet
from botocore.client import BaseClient

from benchmarks.bill import LOGS_KEPT, PLATFORM_LOG, Bill, memory_of, seconds_of_cpu, units_read, units_written
from benchmarks.replay import Answer, played_back
from benchmarks.survey import size_of
from benchmarks.trail import times
from simulator.calls import WORKLOAD, caller, caller_in
from simulator.processes import Thread
from simulator.stack import runtime

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from simulator.stack.deployment import Deployment

    type Quantities = Counter[str]

INTAKE, DISPATCH, FOLLOW = "BatchIntakeFunction", "BatchDispatchFunction", "BatchFollowFunction"
FUNCTIONS = (INTAKE, DISPATCH, FOLLOW)
"""They work for each file; batch_control and batch_reconcile run whether files come or not."""
WORKERS = "workers"
"""What tasks that take many files do in the ledger and with the queue of results is counted as theirs."""
COUNTED = (*FUNCTIONS, WORKERS)
INDEX_KEYS = ("place", "received", "sweep")
"""Sort keys of the local secondary indexes: each index holds keys only."""
INDEX_ENTRY = 250
"""Bytes, at most."""
S3_WRITES = ("PutObject", "CopyObject", "ListObjectsV2", "DeleteObjects")
S3_PRICES = {"S3 PUT, COPY or LIST": 5.0e-6, "S3 GET": 0.4e-6}
MESSAGES_A_REQUEST = 10
CALLS_MEASURED = 300


@dataclass
class Observed:
    """What was counted while `observed` was open, by function; cpu: seconds of the functions' own code.

    writes: without the beats, which workers write every 20 seconds, however many files they have taken.
    """

    cpu: float = 0.0
    read_units: Counter[str] = field(default_factory=Counter)
    write_units: Counter[str] = field(default_factory=Counter)
    writes: Counter[str] = field(default_factory=Counter)
    beats: int = 0
    _items: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)

    def forget(self) -> None:
        """Count anew; what is in the table stays known."""
        self.cpu, self.beats = 0.0, 0
        for kept in (self.read_units, self.write_units, self.writes):
            kept.clear()

    def count(self, function: str, operation: str, params: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        """Count a call on the table."""
        if operation == "Query":
            count, items = answer["Count"], answer.get("Items", [])
            if "IndexName" in params:
                # DynamoDB reads the entries of the index, and then each item, for itself.
                entries = max(1, units_read(count * INDEX_ENTRY))
                whole = [item for item in items if "body" in item]
                self.read_units[function] += entries + sum(units_read(size_of(item)) for item in whole)
            else:
                self.read_units[function] += max(1, units_read(sum(map(size_of, items))))
        elif operation == "GetItem":
            self.read_units[function] += max(1, units_read(size_of(answer.get("Item", {}))))
        elif operation == "PutItem":
            self.write(function, params["Item"])
        elif operation == "UpdateItem" and "place" in params["UpdateExpression"]:
            self.claim(function, params)
        elif operation == "UpdateItem" and params["Key"]["pk"]["S"].startswith("worker "):
            self.beats += 1
            self.write_units[function] += 1
        elif operation in ("UpdateItem", "DeleteItem"):
            self.writes[function] += 1
            self.write_units[function] += 1
        elif operation == "TransactWriteItems":
            self.writes[function] += 1
            self.write_units[function] += 2 * len(params["TransactItems"])

    def claim(self, function: str, params: Mapping[str, Any]) -> None:
        """Count a claim: of the item with what is added, and of the entry of its place, which moves."""
        key, values = (params["Key"]["pk"]["S"], params["Key"]["sk"]["S"]), params["ExpressionAttributeValues"]
        item = {**self._items.get(key, {}), "place": values[":in_flight"]}
        self._items[key] = item
        self.writes[function] += 1
        added = size_of(values[":claim"]["M"])
        self.write_units[function] += units_written(size_of(item) + added) + 2

    def write(self, function: str, item: Mapping[str, Any]) -> None:
        """Count a PutItem: of the item, and of the entry of each index that it changes."""
        key = item["pk"]["S"], item["sk"]["S"]
        before = self._items.get(key, {})
        changed = [name for name in INDEX_KEYS if before.get(name) != item.get(name)]
        entries = sum((name in before) + (name in item) for name in changed)
        self._items[key] = item
        self.writes[function] += 1
        self.write_units[function] += units_written(size_of(item)) + entries


@contextmanager
def observed() -> Iterator[Observed]:
    """Count what functions do in this block; open a cloud before."""
    found = Observed()
    outside: set[int] = set()
    """Threads that are in the simulator, not in the function's own code."""
    last = [time.process_time()]
    call, load = BaseClient._make_api_call, runtime._import  # type: ignore[attr-defined]  # noqa: SLF001 - every call and every cold start pass here

    def charge(thread: object) -> None:
        now = time.process_time()
        context = thread.gr_context if isinstance(thread, Thread) and id(thread) not in outside else None
        if context is not None and caller_in(context) in FUNCTIONS:
            found.cpu += now - last[0]
        last[0] = now

    @contextmanager
    def left_out() -> Iterator[None]:
        thread = greenlet.getcurrent()
        charge(thread)
        outside.add(id(thread))
        try:
            yield
        finally:
            charge(thread)
            outside.discard(id(thread))

    def make_api_call(client: Any, operation: str, params: Any) -> Any:
        with left_out():
            answer = call(client, operation, params)
        by = WORKERS if caller() == WORKLOAD else caller()
        if by in COUNTED and client.meta.service_model.service_name == "dynamodb":
            with left_out():
                found.count(by, operation, params, answer)
        return answer

    def import_(function: Any) -> Any:
        with left_out():
            return load(function)

    def run(event: str, threads: tuple[object, object]) -> None:
        del event
        charge(threads[0])

    before = greenlet.settrace(run)
    try:
        with patch.object(BaseClient, "_make_api_call", make_api_call), patch.object(runtime, "_import", import_):
            yield found
    finally:
        greenlet.settrace(before)


@cache
def cpu_of_a_call() -> float:
    """Seconds that botocore takes for a call: to sign, to serialize, to parse the answer; call it without a cloud."""
    item = {"pk": {"S": "file 0"}, "sk": {"S": "0" * 30}, **{f"attribute{n}": {"S": "x" * 30} for n in range(20)}}
    with played_back() as (clients, tape):
        tape.put([Answer("PutItem", {}, b"{}", HTTPStatus.OK)] * CALLS_MEASURED)
        taken = []
        for _ in range(CALLS_MEASURED):
            began = time.process_time()
            clients.dynamodb.put_item(TableName="batch", Item=item)
            taken.append(time.process_time() - began)
    return median(taken)


class Meter:
    """Measures the functions of batch from the moment at which it is made."""

    def __init__(self, berthmaster: Deployment) -> None:
        self._berthmaster = berthmaster
        self._calls = len(berthmaster.cloud.calls)
        self._invocations = len(berthmaster.invocations)
        self._events = len(berthmaster.bus_events)
        self._logged = self._log_bytes()

    def read(self, seen: Observed, files: int) -> Usage:
        """What was used since then for so many files."""
        berthmaster = self._berthmaster
        ended = [one for one in berthmaster.invocations[self._invocations :] if one.function in FUNCTIONS]
        calls = [call for call in berthmaster.cloud.calls.since(self._calls) if call.caller in FUNCTIONS]
        counts = Counter(call.name for call in calls)
        results = self._results()
        seen_events = berthmaster.bus_events[self._events :]
        sent = counts["sqs:SendMessage"] + sum("Batch" in rule for one in seen_events for rule in one.rules)
        waited = sum((one.ended - one.started) * memory_of(one.function) / 1024 for one in ended)
        logged = (self._log_bytes() - self._logged + len(ended) * PLATFORM_LOG) / 1e9
        received = max(len(ended), ceil(sent / MESSAGES_A_REQUEST) + ceil(sum(results) / MESSAGES_A_REQUEST))
        quantities = {
            "Lambda GB-second, arm64": waited,
            "Lambda request": len(ended),
            "DynamoDB read unit": seen.read_units.total(),
            "DynamoDB write unit": seen.write_units.total(),
            "SQS request": sent + len(results) + 2 * received,
            "EventBridge custom event": sum(
                len(call.params["Entries"]) for call in calls if call.name == "events:PutEvents"
            ),
            "CloudWatch Logs GB": logged,
            "CloudWatch Logs GB kept, a month": LOGS_KEPT * logged,
        }
        s3 = Counter(
            "S3 PUT, COPY or LIST" if call.operation in S3_WRITES else "S3 GET"
            for call in calls
            if call.service == "s3"
        )
        return Usage(files, Counter(quantities), s3, seen.cpu, counts, seen.writes.total(), seen.write_units.total())

    def _results(self) -> list[int]:
        """How many results each request of a worker has sent."""
        calls = self._berthmaster.cloud.calls.since(self._calls)
        return [
            len(call.params["Entries"]) for call in calls if call.is_by_program and call.operation == "SendMessageBatch"
        ]

    def _log_bytes(self) -> int:
        return sum(len(self._berthmaster.logs.text(one).encode()) for one in FUNCTIONS)


@dataclass(frozen=True)
class Usage:
    """Of so many files.

    quantities: without CPU. own_cpu: seconds of the functions' own code. calls: by operation. writes: requests to the
    ledger; write_units: what they are billed as.
    """

    files: int
    quantities: Quantities
    s3: Quantities
    own_cpu: float
    calls: Counter[str]
    writes: int
    write_units: int

    @property
    def cpu(self) -> float:
        """Seconds, with botocore's."""
        return self.own_cpu + self.calls.total() * cpu_of_a_call()

    @property
    def bill(self) -> Bill:
        """Of a million files, without S3's requests."""
        share = 1e6 / self.files
        working = seconds_of_cpu(DISPATCH, self.cpu) * memory_of(DISPATCH) / 1024
        million = times(self.quantities, share)
        return Bill.of(million + times(Counter({"Lambda GB-second, arm64": 1}), share * working))

    @property
    def s3_dollars(self) -> float:
        """S3's requests for a million files."""
        return sum(1e6 / self.files * quantity * S3_PRICES[what] for what, quantity in self.s3.items())
