"""Changes that wait for a person's word: what the breaker held back, and every arrival in mode approve.

What is carried out of an approved change is what a fresh look still calls for, and nothing that was not approved.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec

from berthmaster.targets.model import Call, Move

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PARTITION = "change"
LIFETIME = timedelta(days=1)
"""Tasks come and go: an approval older than this speaks of other ones."""
KEPT = timedelta(days=90)
STEPS_PER_CHANGE = 400
"""An item of DynamoDB has room for 400 KB, an event for 256: what is more is asked about by itself."""
SHOWN = 20
"""Steps, or findings, that a message to people lists."""


class ChangeState(StrEnum):
    """Where a change stands."""

    REPORTED = "reported"
    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """One registration or deregistration, of one owner at one address."""

    call: Call
    ip: str
    port: int
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is to be done to one destination, and why somebody is asked. spent: steps that have been carried out."""

    id: str
    destination: str
    state: ChangeState
    steps: tuple[Step, ...]
    reason: str
    created_at: datetime
    by: str = ""
    spent: frozenset[Step] = frozenset()
    version: int = 0

    @property
    def fingerprint(self) -> str:
        """Of its steps."""
        return hashlib.sha256(msgspec.json.encode(sorted(self.steps))).hexdigest()[:12]

    @property
    def unspent(self) -> tuple[Step, ...]:
        """Its steps that have not been carried out."""
        return tuple(step for step in self.steps if step not in self.spent)

    def is_current(self, now: datetime) -> bool:
        """Whether it still counts."""
        return now - self.created_at < LIFETIME


def step_of(move: Move) -> Step:
    """What a move does to its destination."""
    assert move.call is not None  # noqa: S101 - only calls are asked about
    key = move.after.key
    owner = move.after.former if move.call is Call.DEREGISTER and move.after.former else move.after.owner
    return Step(move.call, key.ip, key.port, owner)


def new_id(destination_name: str, now: datetime) -> str:
    """An id that says for whom and when."""
    return f"{destination_name}.{_stamp(now)}"


def in_words(change: Change, destination_name: str, bus: str) -> str:
    """The message to people."""
    lines = [f"{destination_name} ({change.destination})", "", change.reason, ""]
    lines += [f"  {step.call} {step.ip}:{step.port} of {step.owner}" for step in change.steps[:SHOWN]]
    if len(change.steps) > SHOWN:
        lines.append(f"  and {len(change.steps) - SHOWN} more")
    if change.state is ChangeState.PROPOSED:
        detail = msgspec.json.encode(msgspec.json.encode({"change": change.id}).decode()).decode()
        lines += [
            "",
            "To let it happen, within a day:",
            "",
            (
                f'  aws events put-events --entries \'[{{"EventBusName":"{bus}","Source":"berthmaster.operator",'
                f'"DetailType":"Change Approved","Detail":{detail}}}]\''
            ),
            "",
            "Change Rejected keeps it from being proposed again for a day.",
        ]
    return "\n".join(lines)


class Changes:
    """The changes of one account and Region, in the ledger's table."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def current(self, now: datetime) -> dict[str, list[Change]]:
        """The changes of each destination that still count."""
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND sk > :since",
            ExpressionAttributeValues={":pk": {"S": PARTITION}, ":since": {"S": _stamp(now - LIFETIME)}},
            ConsistentRead=True,
        )
        found = [_decoded(item) for page in pages for item in page["Items"]]
        current: dict[str, list[Change]] = {}
        for change in found:
            if change.is_current(now):
                current.setdefault(change.destination, []).append(change)
        return current

    def decide(self, change_id: str, state: ChangeState, by: str) -> Change | None:
        """Write an operator's word down; None if the change is not known."""
        key: Any = {"pk": {"S": PARTITION}, "sk": {"S": _sort_key(change_id)}}
        answer = self._dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        if "Item" not in answer:
            return None
        change = _decoded(answer["Item"])
        if change.state is not ChangeState.PROPOSED:
            return change
        return self.save(replace(change, state=state, by=by))

    def save(self, change: Change) -> Change:
        """Write it if nobody else has since it was read; a conflict raises ConditionalCheckFailedException."""
        saved = replace(change, version=change.version + 1)
        self._dynamodb.put_item(
            TableName=self._table,
            Item={
                "pk": {"S": PARTITION},
                "sk": {"S": _sort_key(saved.id)},
                "version": {"N": str(saved.version)},
                "expires": {"N": str(int((saved.created_at + KEPT).timestamp()))},
                "body": {"S": msgspec.json.encode(saved).decode()},
            },
            ConditionExpression="attribute_not_exists(pk) OR version = :read",
            ExpressionAttributeValues={":read": {"N": str(change.version)}},
        )
        return saved


def allowed(known: Iterable[Change], moves: Iterable[Move]) -> list[Move]:
    """The moves that an operator has approved."""
    approved = {step for change in known if change.state is ChangeState.APPROVED for step in change.unspent}
    return [move for move in moves if step_of(move) in approved]


def spent(known: Iterable[Change], moves: Iterable[Move]) -> list[Change]:
    """The changes that allowed moves which were made, with these steps spent: an approval is good for once."""
    made = {step_of(move) for move in moves if move.call is not None}
    return [
        replace(change, spent=change.spent | (made & set(change.steps)))
        for change in known
        if change.state is ChangeState.APPROVED and made & set(change.unspent)
    ]


def unsaid(known: Iterable[Change], moves: Iterable[Move], state: ChangeState) -> tuple[Step, ...]:
    """The steps of moves that nobody was told of: in a report, or in a proposal, whatever became of that.

    As many as one change may have.
    """
    is_report = state is ChangeState.REPORTED
    said = {step for change in known if (change.state is ChangeState.REPORTED) == is_report for step in change.unspent}
    return tuple(sorted({step_of(move) for move in moves if move.call is not None} - said)[:STEPS_PER_CHANGE])


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y%m%dT%H%M%SZ}"


def _sort_key(change_id: str) -> str:
    """Time comes first: each pass reads the last day's, and months are kept."""
    name, _, stamp = change_id.rpartition(".")
    return f"{stamp}.{name}"


def _decoded(item: Mapping[str, Any]) -> Change:
    return msgspec.json.decode(item["body"]["S"], type=Change)
