"""Removals, and what is left alone: an item each.

pk removal      sk <group>#<rule id>
pk left alone   sk <group>#<content key>
"""

from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from berthmaster.items import Items
from berthmaster.network_codec import AnyNetwork
from berthmaster.security_groups.ledger.rule_codec import KeptPeer, KeptRule, kept_peer, kept_rule, peer_of
from berthmaster.security_groups.model.removals import (
    Candidate,
    Ground,
    LeftAlone,
    Origin,
    Removal,
    RemovalState,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from berthmaster.failures import Failures

KEPT_FOR = timedelta(days=400)
"""After its last change: for so long a rule that was removed can be restored by a request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    rule: KeptRule
    vpc: str
    ground: Ground
    why: str
    since: float
    until: float
    covered_by: tuple[str, ...] = ()
    earlier_peers: tuple[AnyNetwork, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """A removal as its item has it."""

    candidate: _Candidate
    origin: Origin
    state: RemovalState
    announced_at: datetime
    changed_at: datetime
    due_at: datetime
    owner: str = ""
    proposal: str = ""
    intended_at: datetime | None = None
    inert: KeptPeer | None = None
    is_direct: bool = False
    quarantined_at: datetime | None = None
    revoke_intended_at: datetime | None = None
    revoked_at: datetime | None = None
    rule_id: str = ""
    note: str = ""
    by: str = ""
    unpublished: bool = False
    version: int = 0

    @property
    def sort_key(self) -> str:
        return f"{self.candidate.rule.group}#{self.candidate.rule.id}"


class Removals:
    """The removals of a ledger table."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._items = Items(dynamodb, table, "removal", _Kept)

    def get(self, group: str, rule: str) -> Removal | None:
        """One removal, read consistently; None if there is none."""
        found = self._items.get(f"{group}#{rule}")
        return _removal(found) if found else None

    def all(self, failures: "Failures | None" = None) -> list[Removal]:
        """Every removal, open or not; of items that cannot be read, see `Items.query`."""
        return [_removal(one) for one in self._items.query(failures=failures)]

    def of_group(self, group: str) -> list[Removal]:
        """Those of one group."""
        return [_removal(one) for one in self._items.query(prefix=f"{group}#")]

    def save(self, removal: Removal) -> Removal:
        """Write one; Conflict if another invocation has written it since it was read."""
        kept = self._items.save(_kept(removal), expires=removal.changed_at + KEPT_FOR)
        return _removal(kept)


class LeftAlones:
    """What is left alone, in a ledger table."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._items = Items(dynamodb, table, "left alone", LeftAlone)

    def all(self) -> list[LeftAlone]:
        """All of them."""
        return self._items.query()

    def get(self, group: str, key: str) -> LeftAlone | None:
        """One, by the content key of a rule; None if there is none."""
        return self._items.get(f"{group}#{key}")

    def save(self, left: LeftAlone) -> LeftAlone:
        """Write one; Conflict if another invocation has written it since it was read."""
        return self._items.save(left, expires=left.until)


def _kept(removal: Removal) -> _Kept:
    candidate = _fields(removal.candidate) | {"rule": kept_rule(removal.rule)}
    inert = kept_peer(removal.inert) if removal.inert else None
    return _Kept(**_fields(removal) | {"candidate": _Candidate(**candidate), "inert": inert})


def _removal(kept: _Kept) -> Removal:
    candidate = _fields(kept.candidate) | {"rule": kept.candidate.rule.rule()}
    inert = peer_of(kept.inert) if kept.inert else None
    return Removal(**_fields(kept) | {"candidate": Candidate(**candidate), "inert": inert})


def _fields(record: Any) -> dict[str, Any]:
    return {one.name: getattr(record, one.name) for one in fields(record)}
