"""What a backfill of very many objects costs besides Fargate: requests of S3, units of DynamoDB, and its time.

Counted while some thousand objects are listed twice and received once, of which the ledger knows none; nothing is
launched. Of what is counted for them, a million take as much more as there are more of them.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING
from unittest.mock import patch

from benchmarks import batch_usage
from benchmarks.batch_account import an_account
from benchmarks.batch_usage import observed
from berthmaster.batch.plan import backfills
from simulator.workload.scans import INCOMING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.stack.deployment import Deployment

CONTROL = "BatchControlFunction"
KEYS, MILLION = 5_000, 1_000_000
LIST, READ_UNIT, WRITE_UNIT = 5.0e-6, 0.125e-6, 0.625e-6
"""Dollars, in us-east-1."""
BUS = "berthmaster"


@dataclass(frozen=True)
class Report:
    """calls: of batch_control, by operation. seconds: until all are counted, and until all are received."""

    keys: int
    calls: Counter[str]
    read_units: int
    write_units: int
    seconds: tuple[float, float]

    @property
    def dollars(self) -> float:
        """For a million keys."""
        lists = self.calls["s3:ListObjectVersions"]
        spent = lists * LIST + self.read_units * READ_UNIT + self.write_units * WRITE_UNIT
        return spent * MILLION / self.keys


def report(keys: int = KEYS) -> Report:
    """Count and receive so many objects of the simulator."""
    with (
        patch.object(backfills, "MOST_BEHIND", 2 * keys),
        patch.object(batch_usage, "COUNTED", (CONTROL,)),
        an_account() as account,
        observed() as seen,
    ):
        scans, berthmaster = account.scans, account.berthmaster
        s3 = scans.cloud.client("s3")
        for number in range(keys):
            s3.put_object(Bucket=INCOMING, Key=f"old/{number:06}.tif", Body=b"scan")
        berthmaster.run(minutes=1)
        document = json.loads(scans.pipeline(1)) | {"paused": True}
        document["input"]["prefix"] = "old/"
        scans.cloud.client("ssm").put_parameter(
            Name="/berthmaster/batch/ocr", Type="String", Value=json.dumps(document), Overwrite=True
        )
        berthmaster.run(minutes=10)
        before, began = len(scans.cloud.calls), scans.cloud.clock.timestamp()
        seen.forget()
        _request(berthmaster, "Backfill Requested", pipeline="ocr")
        proposed = _wait_for(berthmaster, "Backfill Proposed")
        counted = scans.cloud.clock.timestamp() - began
        _request(berthmaster, "Proposal Approved", proposal=proposed["proposal"])
        while _received(berthmaster) < keys:
            berthmaster.run(minutes=0.05)
        received = scans.cloud.clock.timestamp() - began - counted
        calls = Counter(call.name for call in list(scans.cloud.calls)[before:] if call.caller == CONTROL)
        return Report(keys, calls, seen.read_units[CONTROL], seen.write_units[CONTROL], (counted, received))


def _request(berthmaster: Deployment, detail_type: str, **detail: str) -> None:
    event = {"source": "berthmaster.operator", "detail-type": detail_type, "detail": detail}
    berthmaster.put_event(event, bus=BUS)


def _wait_for(berthmaster: Deployment, detail_type: str) -> dict[str, str]:
    while True:
        for seen in berthmaster.bus_events:
            if seen.event["detail-type"] == detail_type:
                return dict(seen.event["detail"])
        berthmaster.run(minutes=0.05)


def _received(berthmaster: Deployment) -> int:
    table = str(berthmaster.template.identity("BatchTable").name)
    key = {"pk": {"S": "backfill"}, "sk": {"S": "ocr"}}
    item = berthmaster.cloud.client("dynamodb").get_item(TableName=table, Key=key)["Item"]
    found = json.loads(item["body"]["S"])
    return sum(found["counted"]["objects"].values()) if found["stage"] == "running" else 0


def printed(found: Report) -> Iterator[str]:
    """For people."""
    thousands = found.keys / 1000
    yield f"{found.keys:,} objects that the ledger does not know; calls of batch_control for a thousand of them:"
    for name, count in found.calls.most_common():
        yield f"  {name:<28}{count / thousands:8.2f}"
    queries = found.calls["dynamodb:Query"] + found.calls["dynamodb:GetItem"]
    units = found.read_units / thousands
    yield f"reads of the ledger for a thousand keys: {queries / thousands:.1f} calls, {units:.0f} units"
    yield f"writes for each key: {found.write_units / found.keys:.1f} units, of the item and its two index entries"
    yield f"counted in {found.seconds[0]:.0f} s, received in {found.seconds[1]:.0f} s (virtual time)"
    yield f"a million keys: ${found.dollars:.2f} (us-east-1), without Lambda"
