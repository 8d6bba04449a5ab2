"""Observations as compressed JSON. Fields that a later version adds need defaults: objects are read for a year."""

import gzip
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from berthmaster.errors import BerthmasterError
from berthmaster.network_codec import AnyAddress, AnyNetwork, network_from
from berthmaster.security_groups.ledger.rule_codec import KeptRule
from berthmaster.security_groups.model.observations import Kind, Observation, Subject
from berthmaster.security_groups.model.rules import Group, PrefixList, Rule
from berthmaster.security_groups.model.topology import FlowLog, Interface, Vpc


class DamagedRecord(BerthmasterError):
    """An object of the topology cannot be read; names it."""


type Tags = tuple[tuple[str, str], ...]


class _Interface(Struct, frozen=True):
    id: str
    vpc: str
    subnet: str = ""
    owner: str = ""
    groups: tuple[str, ...] = ()
    addresses: tuple[AnyAddress, ...] = ()
    prefixes: tuple[AnyNetwork, ...] = ()
    kind: str = "interface"
    description: str = ""
    requester: str = ""
    instance: str = ""
    tags: Tags = ()


class _PrefixList(Struct, frozen=True):
    id: str
    name: str = ""
    version: int = 0
    entries: frozenset[AnyNetwork] = frozenset()


class _Vpc(Struct, frozen=True):
    id: str
    owner: str = ""
    cidrs: tuple[AnyNetwork, ...] = ()


class _Observation(Struct, frozen=True, omit_defaults=True):
    """An observation, with subjects by kind."""

    kind: Kind
    begun: float
    ended: float
    previous: str = ""
    interfaces: tuple[_Interface, ...] = ()
    rules: tuple[KeptRule, ...] = ()
    prefix_lists: tuple[_PrefixList, ...] = ()
    groups: tuple[Group, ...] = ()
    vpcs: tuple[_Vpc, ...] = ()
    flow_logs: tuple[FlowLog, ...] = ()
    gone: frozenset[str] = frozenset()
    whole: frozenset[str] = frozenset()


_PLACES: dict[type[Any], str] = {
    Interface: "interfaces",
    Rule: "rules",
    PrefixList: "prefix_lists",
    Group: "groups",
    Vpc: "vpcs",
    FlowLog: "flow_logs",
}
_OBJECTS = msgspec.json.Decoder(dict[str, tuple[_Observation, ...]], dec_hook=network_from)


def encoded(recorded: Mapping[str, Iterable[Observation]]) -> bytes:
    """Observations by what they are recorded as; "" for those of the object itself. Equal ones are equal bytes."""
    content = {name: [_wire(one) for one in found] for name, found in recorded.items()}
    body = msgspec.json.encode(content, enc_hook=str, order="deterministic")
    return gzip.compress(body, compresslevel=6, mtime=0)


def decoded(name: str, body: bytes) -> dict[str, tuple[Observation, ...]]:
    """What `encoded` was given; those of the object itself are recorded as `name`. Raises DamagedRecord."""
    try:
        content = _OBJECTS.decode(gzip.decompress(body))
        return {key or name: tuple(map(_observation, found)) for key, found in content.items()}
    except (OSError, EOFError, ValueError) as error:
        raise DamagedRecord(f"{name} cannot be read: {error}") from error


def _wire(one: Observation) -> dict[str, Any]:
    content: dict[str, Any] = {"kind": one.kind, "begun": one.begun, "ended": one.ended}
    for name in ("previous", "gone", "whole"):
        if value := getattr(one, name):
            content[name] = value
    for key in sorted(one.seen):
        content.setdefault(_PLACES[type(one.seen[key])], []).append(one.seen[key])
    return content


def _observation(one: _Observation) -> Observation:
    subjects: list[Subject] = [Interface(**_fields(item)) for item in one.interfaces]
    subjects += [item.rule() for item in one.rules]
    subjects += [PrefixList(**_fields(item)) for item in one.prefix_lists]
    subjects += [*one.groups, *(Vpc(**_fields(item)) for item in one.vpcs), *one.flow_logs]
    return Observation(
        kind=one.kind,
        begun=one.begun,
        ended=one.ended,
        previous=one.previous,
        seen={item.id: item for item in subjects},
        gone=one.gone,
        whole=one.whole,
    )


def _fields(item: Struct) -> dict[str, Any]:
    return msgspec.structs.asdict(item)
