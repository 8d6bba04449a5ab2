"""The ledger of targets: claims, fences, address_holders and notes in one DynamoDB table.

    claim   pk claim#<destination>       sk <ip>#<port>
    fence   pk fence#<owner>             sk fence
    holder   pk "address#<subnet>#<ip>       sk holder
    note    pk note                      sk <destination>

Each item has a `revision`, and each write is conditional on the one that was read. What belongs together is written in
one transaction, so a claim never stands without its owner's fence.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import batched
from typing import TYPE_CHECKING, Any

import msgspec
from botocore.exceptions import ClientError

from berthmaster.errors import code_of
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

TOMBSTONES_KEPT = timedelta(hours=2)
"""ECS shows a stopped task for an hour; a later event is only believed after asking."""
_KEYS_PER_READ = 100
_ACTIONS_PER_TRANSACTION = 100
_UNREAD_TRIES = 5
FASTER = frozenset({"ConditionalCheckFailed", "TransactionConflict"})

type Item = Claim | Fence | AddressHolder | DestinationStatus
type Key = tuple[str, str]


class Conflict(Exception):
    """Somebody else has written one of the items since it was read; nothing was written."""


@dataclass(frozen=True, slots=True)
class ClaimMove:
    """A new version of a claim."""

    before: Claim | None
    after: Claim


type Write = ClaimMove | FenceMove | AddressHolderMove


@dataclass(slots=True)
class View:
    """What was read of the ledger."""

    fences: dict[str, Fence] = field(default_factory=dict)
    address_holders: dict[tuple[str, str], AddressHolder] = field(default_factory=dict)
    claims: dict[ClaimKey, Claim] = field(default_factory=dict)
    notes: dict[str, DestinationStatus] = field(default_factory=dict)


class Ledger:
    """The ledger of one account and Region."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def read(
        self,
        view: View,
        *,
        owners: Iterable[str] = (),
        address_holders: Iterable[tuple[str, str]] = (),
        claims: Iterable[ClaimKey] = (),
        notes: Iterable[str] = (),
    ) -> None:
        """Add items to a view, consistently read, a hundred a call; what is in it already is not read again."""
        wanted: dict[Key, type[Item]] = {}
        wanted |= {_fence_key(owner): Fence for owner in owners if owner not in view.fences}
        wanted |= {
            _address_holder_key(*holder): AddressHolder
            for holder in address_holders
            if holder not in view.address_holders
        }
        wanted |= {_claim_key(key): Claim for key in claims if key not in view.claims}
        wanted |= {_status_key(arn): DestinationStatus for arn in notes if arn not in view.notes}
        for key, item in self._items(list(wanted)):
            _add(view, _decoded(item, wanted[key]))

    def claims_of(self, destination: str) -> list[Claim]:
        """Every claim in one destination."""
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": f"claim#{destination}"}},
            ConsistentRead=True,
        )
        return [_decoded(item, Claim) for page in pages for item in page["Items"]]

    def notes(self) -> dict[str, DestinationStatus]:
        """The notes on all destinations."""
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": "note"}},
        )
        found = [_decoded(item, DestinationStatus) for page in pages for item in page["Items"]]
        return {note.destination: note for note in found}

    def write(self, groups: Sequence[Sequence[Write]]) -> tuple[dict[int, list[Item]], list[int]]:
        """Write groups, each all or nothing, as many as fit in a transaction.

        Returns what was written by index of the group, and the indexes of the groups that somebody else was faster
        with.
        """
        written: dict[int, list[Item]] = {}
        conflicts: list[int] = []
        for pack in _packed(groups):
            self._write_pack(groups, pack, written, conflicts)
        return written, conflicts

    def note(self, note: DestinationStatus) -> None:
        """Write a note; the last one counts."""
        self._dynamodb.put_item(TableName=self._table, Item=_encoded(note, _status_key(note.destination)))

    def _write_pack(
        self, groups: Sequence[Sequence[Write]], pack: list[int], written: dict[int, list[Item]], conflicts: list[int]
    ) -> None:
        writes = [write for index in pack for write in groups[index]]
        try:
            # Only a group of one's own can be larger than a transaction. A fence comes before its claims.
            items = [
                item
                for part in batched(writes, _ACTIONS_PER_TRANSACTION, strict=False)
                for item in self._transact(part)
            ]
        except Conflict:
            if len(pack) == 1:
                conflicts.append(pack[0])
                return
            for index in pack:
                self._write_pack(groups, [index], written, conflicts)
            return
        for index in pack:
            count = len(groups[index])
            written[index], items = items[:count], items[count:]

    def _transact(self, writes: Sequence[Write]) -> list[Item]:
        after: list[Item] = [replace(write.after, revision=write.after.revision + 1) for write in writes]
        try:
            self._dynamodb.transact_write_items(
                TransactItems=[{"Put": self._put(write, item)} for write, item in zip(writes, after, strict=True)]
            )
        except ClientError as error:
            if code_of(error) == "TransactionCanceledException" and _reasons(error) & FASTER:
                raise Conflict from error
            raise
        return after

    def _put(self, write: Write, item: Item) -> Any:
        before = write.before
        put: dict[str, Any] = {"TableName": self._table, "Item": _encoded(item, _key_of(item))}
        if before is None:
            put["ConditionExpression"] = "attribute_not_exists(pk)"
        else:
            put["ConditionExpression"] = "revision = :read"
            put["ExpressionAttributeValues"] = {":read": {"N": str(before.revision)}}
        return put

    def _items(self, keys: Sequence[Key]) -> Iterator[tuple[Key, Mapping[str, Any]]]:
        for batch in batched(keys, _KEYS_PER_READ, strict=False):
            asked: Any = [{"pk": {"S": pk}, "sk": {"S": sk}} for pk, sk in batch]
            for _ in range(_UNREAD_TRIES):
                answer = self._dynamodb.batch_get_item(
                    RequestItems={self._table: {"Keys": asked, "ConsistentRead": True}}
                )
                for item in answer["Responses"].get(self._table, ()):
                    yield (item["pk"]["S"], item["sk"]["S"]), item
                unread: Any = answer.get("UnprocessedKeys", {})
                asked = unread.get(self._table, {}).get("Keys", [])
                if not asked:
                    break
            else:
                raise TimeoutError(f"DynamoDB left {len(asked)} items unread")


def _reasons(error: ClientError) -> set[str]:
    """Why a transaction was cancelled; botocore puts this beside the error's code."""
    given: Any = error.response
    return {reason.get("Code", "") for reason in given.get("CancellationReasons", ())}


def _packed(groups: Sequence[Collection[Write]]) -> Iterator[list[int]]:
    """Indexes of groups that fit into one transaction and touch no item twice."""
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


def _add(view: View, item: Item) -> None:
    match item:
        case Fence():
            view.fences[item.owner] = item
        case AddressHolder():
            view.address_holders[item.key] = item
        case Claim():
            view.claims[item.key] = item
        case DestinationStatus():
            view.notes[item.destination] = item


def _key_of(item: Item) -> Key:
    match item:
        case Fence():
            return _fence_key(item.owner)
        case AddressHolder():
            return _address_holder_key(*item.key)
        case Claim():
            return _claim_key(item.key)
        case DestinationStatus():
            return _status_key(item.destination)


def _fence_key(owner: str) -> Key:
    return f"fence#{owner}", "fence"


def _address_holder_key(subnet_id: str, ip: str) -> Key:
    return f"address#{subnet_id}#{ip}", "address"


def _claim_key(key: ClaimKey) -> Key:
    return f"claim#{key.destination}", f"{key.ip}#{key.port}"


def _status_key(destination: str) -> Key:
    return "note", destination


def _encoded(item: Item, key: Key) -> dict[str, Any]:
    encoded: dict[str, Any] = {
        "pk": {"S": key[0]},
        "sk": {"S": key[1]},
        "body": {"S": msgspec.json.encode(item).decode()},
    }
    if not isinstance(item, DestinationStatus):
        encoded["revision"] = {"N": str(item.revision)}
    if expires := _expiry(item):
        encoded["expires"] = {"N": str(int(expires.timestamp()))}
    return encoded


def _expiry(item: Item) -> datetime | None:
    """When the item is no longer needed; None for what stands for something that exists."""
    match item:
        case Claim(state=ClaimState.TOMBSTONE):
            return item.changed_at + TOMBSTONES_KEPT
        case Fence(leaving=True):
            return item.changed_at + TOMBSTONES_KEPT
    return None


def _decoded[Kind: Item](item: Mapping[str, Any], kind: type[Kind]) -> Kind:
    return msgspec.json.decode(item["body"]["S"], type=kind)
