"""No update of a ledger is lost: who writes an item has read it as it is, whatever is written at the same time."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from simulator.calls import OPERATOR, caller, calling_as, is_function
from simulator.cloud import Cloud
from tests.simulation.judging import Afterwards, Params, judge

VERSIONS = ("version", "revision")
"""The attributes that rise by one with each write."""


class LedgerInvariants:
    """Watches every write of a function to items that have a version; `broken` has a sentence for each lost update."""

    def __init__(self, cloud: Cloud) -> None:
        self.broken: list[str] = []
        self._cloud = cloud
        self._written: dict[tuple[str, str, str], Mapping[str, Any]] = {}
        judge(cloud, "dynamodb:PutItem", lambda params: self._put([params]))
        judge(
            cloud,
            "dynamodb:TransactWriteItems",
            lambda params: self._put([action["Put"] for action in params["TransactItems"] if "Put" in action]),
        )

    def _put(self, puts: list[Params]) -> Afterwards:
        def written() -> None:
            for put in puts:
                self._judge(put)

        return written

    def _judge(self, put: Params) -> None:
        item = put["Item"]
        key = (put["TableName"], item["pk"]["S"], item["sk"]["S"])
        before = self._written.get(key)
        if item == before or item != self._stored(put["TableName"], item):
            # A repeated request that DynamoDB has recognised changes nothing.
            return
        self._written[key] = item
        if not is_function() or before is None:
            return
        for name in _versions(item):
            if int(item[name]["N"]) not in (int(before[name]["N"]) + 1, 1):
                self.broken.append(
                    f"{caller()} wrote {key[1]} {key[2]} over a {name} that it had not read: {before[name]['N']} "
                    f"before, {item[name]['N']} after, at {self._cloud.clock.timestamp():.0f}: {_text(before)} became "
                    f"{_text(item)}"
                )

    def _stored(self, table: str, item: Mapping[str, Any]) -> Any:
        with calling_as(OPERATOR):
            key = {"pk": item["pk"], "sk": item["sk"]}
            return self._cloud.client("dynamodb").get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")


def _versions(item: Mapping[str, Any]) -> Iterator[str]:
    return (name for name in VERSIONS if name in item)


def _text(item: Mapping[str, Any]) -> str:
    body = item.get("body", {}).get("S", "")
    return json.dumps(json.loads(body))[:200] if body else "no body"
