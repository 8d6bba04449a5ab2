"""Removals, and what is left alone: an item each.

pk removal         sk <group>#<rule id>      open: something is left to be done, or to be published
pk ended removal   sk <group>#<rule id>
pk left alone      sk <group>#<content key>
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from berthmaster.items import Items
from berthmaster.network_codec import AnyNetwork
from berthmaster.security_groups.ledger.rule_codec import KeptPeer, KeptRule, kept_peer, kept_rule, peer_of
from berthmaster.security_groups.model.removals import Candidate, LeftAlone, Removal
from berthmaster.security_groups.model.rules import Rule
from berthmaster.security_groups.plan.terms import content_key

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from berthmaster.failures import Failures

OPEN, ENDED = "removal", "ended removal"
KEPT_FOR = timedelta(days=400)
"""After its last change: for so long a rule that was removed can be restored by a request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate(Candidate):
    """As JSON has it."""

    rule: KeptRule  # type: ignore[assignment]  # msgspec cannot distinguish peers
    earlier_peers: tuple[AnyNetwork, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept(Removal):
    """As JSON has it."""

    candidate: _Candidate
    inert: KeptPeer | None = None  # type: ignore[assignment]  # as above


class Removals:
    """The removals of a ledger table. Those that are open are read often, and are few."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._open = Items(dynamodb, table, OPEN, _Kept)
        self._ended = Items(dynamodb, table, ENDED, _Kept)

    def get(self, group: str, rule: str) -> Removal | None:
        """One removal, open or ended, read consistently; None if there is none."""
        key = f"{group}#{rule}"
        if found := self._open.get(key):
            return _removal(found, has_ended=False)
        # It may have ended, or have been opened again, between both reads.
        if found := self._ended.get(key):
            return _removal(found, has_ended=True)
        found = self._open.get(key)
        return _removal(found, has_ended=False) if found else None

    def open(self, failures: "Failures | None" = None) -> list[Removal]:
        """Those that are open; of items that cannot be read, see `Items.query`."""
        return [_removal(one, has_ended=False) for one in self._open.query(failures=failures)]

    def all(self, failures: "Failures | None" = None) -> list[Removal]:
        """Every removal of the time that they are kept for: many."""
        # In this order, or one that ends between both reads would be in neither.
        found = self.open(failures)
        return newest([*found, *(_removal(one, has_ended=True) for one in self._ended.query(failures=failures))])

    def of_group(self, group: str, failures: "Failures | None" = None) -> list[Removal]:
        """The open ones of one group."""
        found = self._open.query(prefix=f"{group}#", failures=failures)
        return [_removal(one, has_ended=False) for one in found]

    def all_of_group(self, group: str, failures: "Failures | None" = None) -> list[Removal]:
        """Those of one group, open or ended."""
        found = self.of_group(group, failures)
        ended = self._ended.query(prefix=f"{group}#", failures=failures)
        return newest([*found, *(_removal(one, has_ended=True) for one in ended)])

    def save(self, removal: Removal) -> Removal:
        """Write one; Conflict if another invocation has written it since it was read."""
        ends = not removal.state.is_open and not removal.unpublished
        place = self._ended if ends else self._open
        # What is open never expires: a rule in quarantine may wait for as long as the mode is observe.
        expires = removal.changed_at + KEPT_FOR if ends else None
        if removal.version and ends is not removal.has_ended:
            source = OPEN if ends else ENDED
            return _removal(place.take_over(_kept(removal), source, expires=expires), has_ended=ends)
        # One that was read and is not there any more has gone to the other partition meanwhile.
        saved = place.save(_kept(removal), expires=expires, must_exist=removal.version > 0)
        return _removal(saved, has_ended=ends)


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

    def leave(self, rule: Rule, why: str, *, since: datetime, until: datetime | None) -> None:
        """Leave alone what a rule allows; what is left alone for good stays so."""
        known = self.get(rule.group, content_key(rule))
        if known is None or known.until is not None:
            version = known.version if known else 0
            key = content_key(rule)
            self.save(LeftAlone(group=rule.group, key=key, why=why, since=since, until=until, version=version))

    def save(self, left: LeftAlone) -> LeftAlone:
        """Write one; Conflict if another invocation has written it since it was read."""
        return self._items.save(left, expires=left.until)


def newest(removals: Iterable[Removal]) -> list[Removal]:
    """Each once, as it was written last."""
    found: dict[str, Removal] = {}
    for one in removals:
        known = found.get(one.sort_key)
        if known is None or known.version <= one.version:
            found[one.sort_key] = one
    return list(found.values())


def _kept(removal: Removal) -> _Kept:
    candidate = _fields(removal.candidate) | {"rule": kept_rule(removal.rule)}
    inert = kept_peer(removal.inert) if removal.inert else None
    # Which partition it is in is not kept within.
    changed = {"candidate": _Candidate(**candidate), "inert": inert, "has_ended": False}
    return _Kept(**_fields(removal) | changed)


def _removal(kept: _Kept, *, has_ended: bool) -> Removal:
    candidate = _fields(kept.candidate) | {"rule": kept.candidate.rule.rule()}
    inert = peer_of(kept.inert) if kept.inert else None
    changed = {"candidate": Candidate(**candidate), "inert": inert, "has_ended": has_ended}
    return Removal(**_fields(kept) | changed)


def _fields(record: Any) -> dict[str, Any]:
    return {one.name: getattr(record, one.name) for one in fields(record)}
