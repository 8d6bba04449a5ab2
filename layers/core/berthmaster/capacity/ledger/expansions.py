"""The ledger of expansions: what was proposed, begun, done and undone, one DynamoDB item each."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any

import msgspec

from berthmaster.capacity.model import Plan
from berthmaster.network_codec import network_from

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PARTITION = "expansion"
PROPOSAL_LIFETIME = timedelta(days=7)
KEPT_WITHOUT_EFFECT = timedelta(days=90)
REFUSAL_LIFETIME = timedelta(days=7)
"""How long a block that AWS refused for an unknown reason is not tried again."""


class ExpansionState(StrEnum):
    """Where an expansion stands.

    reported | impossible                     (told to people; nothing will be done)
    proposed → running → done → retiring → retired
        │         └→ failed
        └→ rejected | expired | superseded
    """

    REPORTED = "reported"
    IMPOSSIBLE = "impossible"
    PROPOSED = "proposed"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    REJECTED = "rejected"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    RETIRING = "retiring"
    RETIRED = "retired"

    @property
    def is_unfinished(self) -> bool:
        """Whether it must be carried on."""
        return self in {ExpansionState.RUNNING, ExpansionState.RETIRING}

    @property
    def left_nothing(self) -> bool:
        """Whether there is nothing in AWS that the record must be kept for."""
        return self in {
            ExpansionState.REPORTED,
            ExpansionState.IMPOSSIBLE,
            ExpansionState.REJECTED,
            ExpansionState.EXPIRED,
            ExpansionState.SUPERSEDED,
            ExpansionState.RETIRED,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Expansion:
    """One plan and its fate.

    changed_at: when it last got ahead. subnet_ids: planned CIDR to the subnet made for it; proved: those
    subnets were wired and an interface fitted in each. wired: services that were given the subnets. left_out: what
    could not be wired. refused: blocks AWS would not associate.
    """

    id: str
    vpc_id: str
    state: ExpansionState
    plan: Plan
    created_at: datetime
    changed_at: datetime
    by: str = ""
    note: str = ""
    association_id: str = ""
    subnet_ids: Mapping[str, str] = field(default_factory=dict)
    proved: bool = False
    wired: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    refused: tuple[IPv4Network, ...] = ()
    version: int = 0

    @property
    def fingerprint(self) -> str:
        """What an approval binds."""
        return fingerprint(self.plan)

    def moved(self, state: ExpansionState, now: datetime, **changes: Any) -> "Expansion":
        """The same expansion in another state."""
        return replace(self, state=state, changed_at=now, **changes)


def fingerprint(plan: Plan) -> str:
    """A short hash of what a plan would change, or of what hinders it; reasons and figures may drift unseen."""
    hindered_by = [obstacle.candidate for obstacle in plan.obstacles]
    effect = (plan.vpc_id, plan.block, plan.subnets, plan.services, plan.callers, hindered_by)
    encoded = msgspec.json.encode(_without_reasons(msgspec.to_builtins(effect, enc_hook=str)), order="sorted")
    return hashlib.sha256(encoded).hexdigest()[:12]


def _without_reasons(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_reasons(inner) for key, inner in value.items() if key != "reason"}
    if isinstance(value, list | tuple):
        return [_without_reasons(inner) for inner in value]
    return value


def refused_of(expansions: Iterable[Expansion], now: datetime) -> list[IPv4Network]:
    """Blocks that AWS refused not long ago."""
    return [cidr for one in expansions if now - one.created_at < REFUSAL_LIFETIME for cidr in one.refused]


def new_id(vpc_id: str, now: datetime) -> str:
    """An id that sorts by VPC and time: `vpc-….20261122T113000Z`."""
    return f"{vpc_id}.{now:%Y%m%dT%H%M%SZ}"


class Expansions:
    """The expansions of one account and Region."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def of_vpc(self, vpc_id: str) -> list[Expansion]:
        """All expansions of one VPC, newest first."""
        return self._query("pk = :pk AND begins_with(sk, :vpc)", {":vpc": {"S": f"{vpc_id}."}})

    def unfinished(self) -> list[Expansion]:
        """Those of any VPC that somebody must carry on."""
        states = {f":{state}": {"S": state} for state in ExpansionState if state.is_unfinished}
        return self._query(
            "pk = :pk",
            states,
            FilterExpression=f"#state IN ({', '.join(states)})",
            ExpressionAttributeNames={"#state": "state"},
        )

    def get(self, expansion_id: str) -> Expansion | None:
        """One expansion, read consistently."""
        answer = self._dynamodb.get_item(
            TableName=self._table, Key={"pk": {"S": PARTITION}, "sk": {"S": expansion_id}}, ConsistentRead=True
        )
        return _decoded(answer["Item"]) if "Item" in answer else None

    def save(self, expansion: Expansion) -> Expansion:
        """Write it if nobody else has since it was read; a conflict raises ConditionalCheckFailedException."""
        saved = replace(expansion, version=expansion.version + 1)
        self._dynamodb.put_item(
            TableName=self._table,
            Item={
                "pk": {"S": PARTITION},
                "sk": {"S": saved.id},
                "version": {"N": str(saved.version)},
                "state": {"S": saved.state},
                **_expiry(saved),
                "body": {"S": msgspec.json.encode(saved, enc_hook=str).decode()},
            },
            ConditionExpression="attribute_not_exists(pk) OR version = :read",
            ExpressionAttributeValues={":read": {"N": str(expansion.version)}},
        )
        return saved

    def _query(self, condition: str, values: dict[str, Any], **more: Any) -> list[Expansion]:
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression=condition,
            ExpressionAttributeValues={":pk": {"S": PARTITION}, **values},
            ScanIndexForward=False,
            ConsistentRead=True,
            **more,
        )
        return [_decoded(item) for page in pages for item in page["Items"]]


def _expiry(expansion: Expansion) -> dict[str, Any]:
    if not expansion.state.left_nothing:
        return {}
    return {"expires": {"N": str(int((expansion.changed_at + KEPT_WITHOUT_EFFECT).timestamp()))}}


def _decoded(item: Mapping[str, Any]) -> Expansion:
    return msgspec.json.decode(item["body"]["S"], type=Expansion, dec_hook=network_from)
