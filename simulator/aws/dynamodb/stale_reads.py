"""Eventually consistent reads: without ConsistentRead, a read may show a table as it was a moment ago.

Source: "DynamoDB read consistency" of the DynamoDB Developer Guide. How long ago is not documented.
"""

from __future__ import annotations

import copy
from contextlib import contextmanager
from random import Random
from typing import TYPE_CHECKING, Any

from simulator.aws.dynamodb.places import place, put_back, written
from simulator.calls import is_function

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.account import Account, Params
    from simulator.aws.dynamodb.places import Place

WRITES = frozenset({"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"})
READS = frozenset({"GetItem", "Query", "Scan", "BatchGetItem"})


class StaleReads:
    """What items were before they were written.

    longest: by how many seconds at most a read by a function is behind, drawn for each; 0 for not at all. Writes are
    remembered while it is more.
    """

    def __init__(self, account: Account) -> None:
        self.longest = 0.0
        self._account = account
        self._random = Random(f"{account.seed}:stale reads")
        self._past: dict[tuple[str, Place], list[tuple[float, Any]]] = {}

    @contextmanager
    def during(self, operation: str, params: Params) -> Iterator[None]:
        """Remember what an operation will overwrite, or let it read what was there."""
        if self.longest and operation in WRITES:
            self._remember(operation, params)
        if self.longest and operation in READS and is_function():
            moment = self._account.clock.timestamp() - self._random.uniform(0, self.longest)
            with self._as_of(moment, _inconsistent(operation, params)):
                yield
        else:
            yield

    def _remember(self, operation: str, params: Params) -> None:
        backend, now = self._account.backend("dynamodb"), self._account.clock.timestamp()
        for table, key in written(operation, params):
            where = place(backend, table, key)
            past = self._past.setdefault((table, where), [])
            past[:] = [one for one in past if one[0] > now - self.longest]
            past.append((now, copy.deepcopy(backend.get_table(table).get_item(*where))))

    @contextmanager
    def _as_of(self, moment: float, tables: frozenset[str]) -> Iterator[None]:
        backend = self._account.backend("dynamodb")
        newest = []
        for (name, where), past in self._past.items():
            if name not in tables:
                continue
            earlier = next((one for one in past if one[0] > moment), None)
            if earlier is not None:
                table = backend.get_table(name)
                newest.append((table, where, table.get_item(*where)))
                put_back(table, where, earlier[1])
        try:
            yield
        finally:
            for table, where, item in newest:
                put_back(table, where, item)


def _inconsistent(operation: str, params: Params) -> frozenset[str]:
    """The tables that an operation reads with eventual consistency."""
    requests = params["RequestItems"] if operation == "BatchGetItem" else {params["TableName"]: params}
    return frozenset(table for table, request in requests.items() if not request.get("ConsistentRead"))
