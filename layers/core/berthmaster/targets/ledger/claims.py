"""Claims, fences and address holders in the ledger's DynamoDB table.

    claim            pk claim#<destination>       sk <ip>#<port>
    fence            pk fence#<owner>             sk fence
    address holder   pk address#<subnet>#<ip>     sk address

Each item has a `revision`, and each write is conditional on the revision that was read. What belongs together is
written in one transaction, so a claim never exists without the fence of its owner.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import batched, islice
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from berthmaster import items
from berthmaster.clock import Clock
from berthmaster.concurrently import concurrently, results_of
from berthmaster.errors import code_of
from berthmaster.failures import Failures
from berthmaster.items import Unreadable
from berthmaster.targets.ledger import findings
from berthmaster.targets.model import (
    AddressHolder,
    AddressHolderMove,
    Claim,
    ClaimKey,
    ClaimState,
    DestinationStatus,
    Fence,
    FenceMove,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

DRAINS_KEPT_FOR = timedelta(days=14)
"""A drain that targets could not finish because it was paused or off is finished afterwards."""
TOMBSTONES_KEPT_FOR = timedelta(hours=2)
"""ECS shows a stopped task for an hour; for later events ECS is asked first."""
_KEYS_PER_READ = 100
_ACTIONS_PER_TRANSACTION = 100
_TRANSACTIONS_AT_ONCE = 4
_WAITS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Seconds before keys that DynamoDB left unprocessed are read again: AWS advises exponential backoff."""
_CONFLICTS = frozenset({"ConditionalCheckFailed", "TransactionConflict"})

type Item = Claim | Fence | AddressHolder
type Key = tuple[str, str]
type Asked = str | tuple[str, str] | ClaimKey
"""What an item is asked for by: an owner, a subnet and an address, or a target."""


@dataclass(frozen=True, slots=True)
class ClaimMove:
    """A new version of a claim."""

    before: Claim | None
    after: Claim


type Write = ClaimMove | FenceMove | AddressHolderMove


@dataclass(slots=True)
class View:
    """What was read of the ledger. damaged: items that cannot be read, and so are missing, by what they are about."""

    fences: dict[str, Fence] = field(default_factory=dict)
    address_holders: dict[tuple[str, str], AddressHolder] = field(default_factory=dict)
    claims: dict[ClaimKey, Claim] = field(default_factory=dict)
    statuses: dict[str, DestinationStatus] = field(default_factory=dict)
    damaged: dict[Asked, Unreadable] = field(default_factory=dict)


class ClaimLedger:
    """The claims, fences and address holders of one account and Region."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str, clock: Clock) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._clock = clock

    def read(
        self,
        view: View,
        *,
        owners: Iterable[str] = (),
        address_holders: Iterable[tuple[str, str]] = (),
        claims: Iterable[ClaimKey] = (),
        statuses: Iterable[str] = (),
        allows_damaged: bool = False,
    ) -> None:
        """Add items to a view, read consistently, a hundred a call; what the view has already is not read again.

        owners: of fences. statuses: destinations, whose statuses are read with the claims since that saves a call.
        Raises Unreadable for an item that is damaged, unless that is allowed.
        """
        wanted: dict[Key, tuple[Asked, type[Item]]] = {}
        wanted |= {_fence_key(owner): (owner, Fence) for owner in owners if owner not in view.fences}
        wanted |= {
            _address_holder_key(*holder): (holder, AddressHolder)
            for holder in address_holders
            if holder not in view.address_holders
        }
        wanted |= {_claim_key(key): (key, Claim) for key in claims if key not in view.claims}
        unknown = {(findings.PARTITION, arn) for arn in statuses if arn not in view.statuses}
        for key, item in self._items(sorted(wanted.keys() | unknown)):
            if key in unknown:
                _add(view, findings.decoded(item))
                continue
            asked, kind = wanted[key]
            try:
                _add(view, items.decoded(item, kind))
            except Unreadable as error:
                if not allows_damaged:
                    raise
                view.damaged[asked] = error

    def claims_of(self, destination: str, failures: Failures | None = None) -> list[Claim]:
        """All claims in one destination.

        Raises Unreadable for one that is. With `failures` it is added to those, and the others are returned: whoever
        takes it for missing cannot write it.
        """
        damaged = Failures() if failures is None else failures
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": f"claim#{destination}"}},
            ConsistentRead=True,
        )
        found = []
        for item in (item for page in pages for item in page["Items"]):
            with damaged.collect("claim not read", destination=destination, key=item["sk"]["S"]):
                found.append(items.decoded(item, Claim))
        if failures is None:
            for error in damaged.errors:
                raise error
        return found

    def write(self, groups: Sequence[Sequence[Write]]) -> tuple[dict[int, list[Item]], list[int]]:
        """Write groups, each all or nothing, as many as fit into a transaction.

        Returns what was written by index of the group, and the indexes of the groups with conflicts: another invocation
        has written one of their items since it was read.
        """
        written: dict[int, list[Item]] = {}
        conflicts: list[int] = []
        # What is written twice is written in order.
        at_once = _TRANSACTIONS_AT_ONCE if _are_apart(groups) else 1
        pack = partial(self._write_pack, groups)
        for done, own in results_of(concurrently(pack, _packed(groups), at_once=at_once)):
            written |= done
            conflicts += own
        return written, conflicts

    def _write_pack(
        self, groups: Sequence[Sequence[Write]], pack: Sequence[int]
    ) -> tuple[dict[int, list[Item]], list[int]]:
        """Write groups together, without those with conflicts."""
        left = list(pack)
        conflicts: list[int] = []
        while left:
            items, refused = self._write_all([write for index in left for write in groups[index]])
            if not refused:
                rest = iter(items)
                return {index: list(islice(rest, len(groups[index]))) for index in left}, conflicts
            of = [index for index in left for _ in groups[index]]
            hindered = {of[number] for number in refused}
            conflicts += sorted(hindered)
            left = [index for index in left if index not in hindered]
        return {}, conflicts

    def _write_all(self, writes: Sequence[Write]) -> tuple[list[Item], list[int]]:
        """Write all; only a group by itself can be larger than a transaction, and its fence comes before its claims."""
        stored: list[Item] = []
        for part in batched(writes, _ACTIONS_PER_TRANSACTION, strict=False):
            items, refused = self._transact(part)
            if refused:
                return [], [len(stored) + number for number in refused]
            stored += items
        return stored, []

    def _transact(self, writes: Sequence[Write]) -> tuple[list[Item], list[int]]:
        """Write all, or nothing: then returns the numbers of those that another invocation has written."""
        after: list[Item] = [replace(write.after, revision=write.after.revision + 1) for write in writes]
        try:
            self._dynamodb.transact_write_items(
                TransactItems=[{"Put": self._put(write, item)} for write, item in zip(writes, after, strict=True)]
            )
        except ClientError as error:
            if code_of(error) == "TransactionCanceledException" and (refused := _refused(error)):
                return [], refused
            raise
        return after, []

    def _put(self, write: Write, item: Item) -> Any:
        before = write.before
        put: dict[str, Any] = {"TableName": self._table, "Item": _encoded(item)}
        if before is None:
            put["ConditionExpression"] = "attribute_not_exists(pk)"
        else:
            put["ConditionExpression"] = "revision = :read"
            put["ExpressionAttributeValues"] = {":read": {"N": str(before.revision)}}
        return put

    def _items(self, keys: Sequence[Key]) -> Iterator[tuple[Key, Mapping[str, Any]]]:
        for batch in batched(keys, _KEYS_PER_READ, strict=False):
            found, left = self._read([{"pk": {"S": pk}, "sk": {"S": sk}} for pk, sk in batch])
            yield from found
            for wait in _WAITS:
                if not left:
                    break
                self._clock.sleep(wait)
                found, left = self._read(left)
                yield from found
            if left:
                raise TimeoutError(f"DynamoDB left {len(left)} items unread")

    def _read(self, keys: Any) -> tuple[Sequence[tuple[Key, Mapping[str, Any]]], Any]:
        """The items of some keys, and the keys that DynamoDB left unprocessed."""
        answer = self._dynamodb.batch_get_item(RequestItems={self._table: {"Keys": keys, "ConsistentRead": True}})
        found = [((item["pk"]["S"], item["sk"]["S"]), item) for item in answer["Responses"].get(self._table, ())]
        left: Any = answer.get("UnprocessedKeys", {})
        return found, left.get(self._table, {}).get("Keys", [])


def _refused(error: ClientError) -> list[int]:
    """The numbers of the items with conflicts; botocore puts a reason for each item beside the error's code."""
    response: Any = error.response
    reasons = response.get("CancellationReasons", ())
    return [number for number, reason in enumerate(reasons) if reason.get("Code") in _CONFLICTS]


def _are_apart(groups: Iterable[Iterable[Write]]) -> bool:
    """Whether no item is written twice."""
    keys = [_key_of(write.after) for group in groups for write in group]
    return len(keys) == len(set(keys))


def _packed(groups: Sequence[Collection[Write]]) -> Iterator[list[int]]:
    """Indexes of groups that fit into one transaction and write no item twice."""
    pack: list[int] = []
    keys: set[Key] = set()
    for index, group in enumerate(groups):
        own = {_key_of(write.after) for write in group}
        if pack and (len(keys) + len(own) > _ACTIONS_PER_TRANSACTION or keys & own):
            yield pack
            pack, keys = [], set()
        pack.append(index)
        keys |= own
    if pack:
        yield pack


def _add(view: View, item: Item | DestinationStatus) -> None:
    match item:
        case Fence():
            view.fences[item.owner] = item
        case AddressHolder():
            view.address_holders[item.key] = item
        case Claim():
            view.claims[item.key] = item
        case DestinationStatus():
            view.statuses[item.destination] = item


def _key_of(item: Item) -> Key:
    match item:
        case Fence():
            return _fence_key(item.owner)
        case AddressHolder():
            return _address_holder_key(*item.key)
        case Claim():
            return _claim_key(item.key)


def _fence_key(owner: str) -> Key:
    return f"fence#{owner}", "fence"


def _address_holder_key(subnet_id: str, ip: str) -> Key:
    return f"address#{subnet_id}#{ip}", "address"


def _claim_key(key: ClaimKey) -> Key:
    return f"claim#{key.destination}", f"{key.ip}#{key.port}"


def _encoded(item: Item) -> dict[str, Any]:
    pk, sk = _key_of(item)
    encoded = {"pk": {"S": pk}, "sk": {"S": sk}, **items.encoded(item), "revision": {"N": str(item.revision)}}
    if expires := _expiry(item):
        encoded["expires"] = {"N": str(int(expires.timestamp()))}
    return encoded


def _expiry(item: Item) -> datetime | None:
    """When DynamoDB may delete the item; None if it stands for something that exists."""
    match item:
        case Claim(state=ClaimState.TOMBSTONE):
            return item.changed_at + TOMBSTONES_KEPT_FOR
        case Fence(leaving=True, stop=True):
            return item.changed_at + DRAINS_KEPT_FOR
        case Fence(leaving=True):
            return item.changed_at + TOMBSTONES_KEPT_FOR
    return None
