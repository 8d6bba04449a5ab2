"""No update of a ledger is lost: who writes an item has read it as it is, whatever is written at the same time."""

import json
from collections.abc import Mapping
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
        judge(cloud, "dynamodb:PutItem", lambda params: self._put([params]))
        judge(
            cloud,
            "dynamodb:TransactWriteItems",
            lambda params: self._put([action["Put"] for action in params["TransactItems"] if "Put" in action]),
        )

    def _put(self, puts: list[Params]) -> Afterwards:
        before = [self._stored(put) for put in puts]

        def written() -> None:
            for put, item in zip(puts, before, strict=True):
                # A repeated request that DynamoDB has recognised changes nothing.
                if is_function() and item and self._stored(put) != item:
                    self._judge(item, put["Item"])

        return written

    def _judge(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        for name in VERSIONS:
            if name in after and int(after[name]["N"]) != int(before[name]["N"]) + 1:
                self.broken.append(
                    f"{caller()} wrote {after['pk']['S']} {after['sk']['S']} over a {name} that it had not read: "
                    f"{before[name]['N']} before, {after[name]['N']} after, at {self._cloud.clock.timestamp():.0f}: "
                    f"{_text(before)} became {_text(after)}"
                )

    def _stored(self, put: Params) -> Any:
        key = {name: put["Item"][name] for name in ("pk", "sk")}
        with calling_as(OPERATOR):
            answer = self._cloud.client("dynamodb").get_item(TableName=put["TableName"], Key=key, ConsistentRead=True)
        return answer.get("Item")


def _text(item: Mapping[str, Any]) -> str:
    body = item.get("body", {}).get("S", "")
    return json.dumps(json.loads(body))[:200] if body else "no body"
