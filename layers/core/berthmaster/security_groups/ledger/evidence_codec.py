"""Evidence as compressed JSON: the same evidence gives the same bytes."""

import gzip
import zlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from ipaddress import ip_network
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from berthmaster.items import NewerSchema, Unreadable
from berthmaster.security_groups.model.documentation import Party, PartyKind, Talk
from berthmaster.security_groups.model.evidence import Credits, Seen
from berthmaster.security_groups.model.flows import Coverage
from berthmaster.security_groups.model.sources import AllowedBy, Evidence
from berthmaster.security_groups.plan.allowed_by import needing_any

if TYPE_CHECKING:
    from berthmaster.security_groups.model.rules import Network

SCHEMA = 1
"""Of what this version writes, and the newest that it reads."""


class _Seen(Struct, array_like=True):
    records: int
    first: float
    last: float
    peers: list[str]
    ports: list[tuple[int, int]]


class _Credits(Struct, omit_defaults=True):
    conversations: _Seen | None = None
    possible: _Seen | None = None
    knocks: _Seen | None = None
    exclusive: int = 0


class _Coverage(Struct):
    first: float
    last: float
    longest: float
    slots: list[tuple[int, int]]
    interfaces: dict[str, tuple[float, float]]
    vpcs: list[str]
    skipped: dict[str, list[tuple[int, int]]]
    actions: list[str]
    fields: list[str]


class _Talk(Struct, array_like=True):
    source: tuple[PartyKind, list[str]]
    target: tuple[PartyKind, list[str]]
    protocol: int
    ports: tuple[int, int]
    is_certain: bool
    logged_at_source: int
    logged_at_target: int
    first: float
    last: float


class _AllowedBy(Struct, array_like=True):
    certain: list[str]
    possible: list[str]
    records: int
    last: float


class _Schema(Struct):
    schema: int


class _Evidence(_Schema):
    sources: list[str]
    credits: dict[str, _Credits]
    coverage: dict[str, _Coverage]
    talks: list[_Talk] = []
    allowed_by: list[_AllowedBy] | None = None
    """None: written by a version that did not record it."""


def encoded(evidence: Evidence) -> bytes:
    """What is stored."""
    found = _Evidence(
        schema=SCHEMA,
        sources=sorted(evidence.sources),
        credits={rule: _written(one) for rule, one in sorted(evidence.credits.items())},
        coverage={
            log: _Coverage(
                first=one.first,
                last=one.last,
                longest=one.longest,
                slots=_ranges(one.slots),
                interfaces=dict(sorted(one.interfaces.items())),
                vpcs=sorted(one.vpcs),
                skipped={interface: _ranges(minutes) for interface, minutes in sorted(one.skipped.items())},
                actions=sorted(one.actions),
                fields=list(one.fields),
            )
            for log, one in sorted(evidence.coverage.items())
        },
        talks=[
            _Talk(
                source=(one.source.kind, list(one.source.ids)),
                target=(one.target.kind, list(one.target.ids)),
                protocol=one.protocol,
                ports=one.ports,
                is_certain=one.is_certain,
                logged_at_source=one.logged_at_source,
                logged_at_target=one.logged_at_target,
                first=one.first,
                last=one.last,
            )
            for one in evidence.talks
        ],
        allowed_by=[
            _AllowedBy(certain=sorted(one.certain), possible=sorted(one.possible), records=one.records, last=one.last)
            for one in evidence.allowed_by
        ],
    )
    return gzip.compress(msgspec.json.encode(found), mtime=0)


def decoded(body: bytes, where: str) -> Evidence:
    """What was stored at `where`; Unreadable if it is damaged, NewerSchema if only a newer version can read it."""
    try:
        text = gzip.decompress(body)
        if (schema := msgspec.json.decode(text, type=_Schema).schema) > SCHEMA:
            raise NewerSchema(f"{where} has schema {schema}, and this version knows {SCHEMA}")
        found = msgspec.json.decode(text, type=_Evidence)
        return Evidence(
            sources=frozenset(found.sources),
            credits={rule: _read(one) for rule, one in found.credits.items()},
            coverage={
                log: Coverage(
                    log=log,
                    first=one.first,
                    last=one.last,
                    longest=one.longest,
                    slots=frozenset(_numbers(one.slots)),
                    interfaces=one.interfaces,
                    vpcs=frozenset(one.vpcs),
                    skipped={interface: frozenset(_numbers(ranges)) for interface, ranges in one.skipped.items()},
                    actions=frozenset(one.actions),
                    fields=tuple(one.fields),
                )
                for log, one in found.coverage.items()
            },
            talks=tuple(map(_talk, found.talks)),
            allowed_by=tuple(_allowed_by(found)),
        )
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise Unreadable(f"{where} cannot be read: {error!r}") from error


def _written(one: Credits) -> _Credits:
    return _Credits(
        conversations=_seen(one.conversations),
        possible=_seen(one.possible),
        knocks=_seen(one.knocks),
        exclusive=one.exclusive,
    )


def _seen(one: Seen | None) -> _Seen | None:
    if one is None:
        return None
    peers = [str(peer) for peer in sorted(one.peers, key=lambda peer: (peer.version, peer))]
    return _Seen(one.records, one.first, one.last, peers, sorted(one.ports))


def _read(one: _Credits) -> Credits:
    return Credits(
        conversations=_found(one.conversations),
        possible=_found(one.possible),
        knocks=_found(one.knocks),
        exclusive=one.exclusive,
    )


def _found(one: _Seen | None) -> Seen | None:
    if one is None:
        return None
    return Seen(
        records=one.records,
        first=one.first,
        last=one.last,
        peers=frozenset(map(_network, one.peers)),
        ports=frozenset(one.ports),
    )


def _talk(one: _Talk) -> Talk:
    (source, source_ids), (target, target_ids) = one.source, one.target
    return Talk(
        source=Party(source, tuple(source_ids)),
        target=Party(target, tuple(target_ids)),
        protocol=one.protocol,
        ports=one.ports,
        is_certain=one.is_certain,
        logged_at_source=one.logged_at_source,
        logged_at_target=one.logged_at_target,
        first=one.first,
        last=one.last,
    )


def _allowed_by(found: _Evidence) -> Iterator[AllowedBy]:
    if found.allowed_by is not None:
        for one in found.allowed_by:
            yield AllowedBy(
                certain=frozenset(one.certain), possible=frozenset(one.possible), records=one.records, last=one.last
            )
        return
    uses = {rule: seen for rule, one in found.credits.items() for seen in (one.conversations, one.possible) if seen}
    if uses:
        yield needing_any(uses, sum(seen.records for seen in uses.values()), max(seen.last for seen in uses.values()))


@lru_cache(maxsize=100_000)
def _network(text: str) -> "Network":
    return ip_network(text)


def _ranges(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """First and last of each run of numbers."""
    found: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def _numbers(ranges: Iterable[tuple[int, int]]) -> Iterator[int]:
    for first, last in ranges:
        yield from range(first, last + 1)
