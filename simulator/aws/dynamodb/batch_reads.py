"""BatchGetItem, which may leave keys unprocessed: items are too large, the table is throttled, or a read failed.

Source: DynamoDB API Reference, BatchGetItem. Parameters are as on the wire: binary values in base64.
"""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

from simulator.aws.dynamodb.places import place
from simulator.aws.dynamodb.transactions import projection
from simulator.calls import is_function
from simulator.errors import Throttled

if TYPE_CHECKING:
    from simulator.account import Account, Params
    from simulator.aws.dynamodb.places import Place
    from simulator.aws.throttling import TokenBucket

MOST_KEYS = 100
LARGEST_RESPONSE = 16_000_000
"""Of a hundred items of 300 KB, 52 are returned."""
LARGEST_PARTITION = 1024 * 1024
THROTTLED = "The level of configured provisioned throughput for the table was exceeded."


class PartialBatches:
    """Which keys of BatchGetItem by functions are left unprocessed, besides those of items that are too large.

    unprocessed: how probable that is for each key. capacity: holds a token for each key that can be read; None for a
    table that is not throttled.
    """

    def __init__(self, account: Account) -> None:
        self.unprocessed = 0.0
        self.capacity: TokenBucket | None = None
        self._random = Random(f"{account.seed}:partial batches")

    def leaves(self, now: float) -> bool:
        """Whether the next key is left unprocessed."""
        if not is_function():
            return False
        if self.unprocessed and self._random.random() < self.unprocessed:
            return True
        return self.capacity is not None and not self.capacity.take(now)


def batch_get(account: Account, params: Params) -> dict[str, Any] | None:
    """Read what can be processed; what is to be refused or asks for consumed capacity or AttributesToGet is moto's."""
    requested = params["RequestItems"]
    is_plain = set(params) == {"RequestItems"} and not any("AttributesToGet" in one for one in requested.values())
    if not is_plain or sum(len(request["Keys"]) for request in requested.values()) > MOST_KEYS:
        return None
    backend, now = account.backend("dynamodb"), account.clock.timestamp()
    batch = _Batch()
    for name, request in requested.items():
        table, wanted = backend.get_table(name), projection(request)
        places = [place(backend, name, key) for key in request["Keys"]]
        if len(set(places)) < len(places):
            return None
        found = batch.responses[name] = []
        for key, where in zip(request["Keys"], places, strict=True):
            item = table.get_item(*where)
            if account.state(PartialBatches).leaves(now) or not batch.has_room(name, where, item):
                batch.left.setdefault(name, {**request, "Keys": []})["Keys"].append(key)
            elif item is not None:
                found.append(dict((item.project(wanted) if wanted else item).attrs))
    if batch.left and not batch.processed:
        raise Throttled("ProvisionedThroughputExceededException", THROTTLED)
    return {"Responses": batch.responses, "UnprocessedKeys": batch.left}


class _Batch:
    """What one call returns so far. processed: how many keys were, with items or without."""

    def __init__(self) -> None:
        self.responses: dict[str, list[dict[str, Any]]] = {}
        self.left: dict[str, Any] = {}
        self.processed = 0
        self._size = 0
        self._partitions: Counter[tuple[str, Any]] = Counter()

    def has_room(self, table: str, where: Place, item: Any) -> bool:
        """Count an item (moto's; None for a key without) if it does not make the response too large."""
        size, partition = item.size() if item else 0, (table, where[0])
        if self._size + size > LARGEST_RESPONSE or self._partitions[partition] + size > LARGEST_PARTITION:
            return False
        self.processed += 1
        self._size += size
        self._partitions[partition] += size
        return True
