"""Tags that look as if they were meant for capacity and that it does not understand.

A VPC with a mistyped tag is not managed, and nothing else would say so.
"""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches

from berthmaster.capacity.model.findings import Finding
from berthmaster.capacity.model.tags import (
    BLOCK_TAG,
    CIDR_TAG,
    EXPANSION_TAG,
    IGNORED,
    MANAGED,
    MANAGED_TAG,
    SIBLING_TAG,
)
from berthmaster.capacity.model.vpc import VpcSnapshot

CODE = "tags"
_PREFIX = "berthmaster"
_VALUES = (MANAGED, IGNORED)
_OWN = (BLOCK_TAG, CIDR_TAG, EXPANSION_TAG, SIBLING_TAG)
"""Berthmaster's own tags of what it has added."""
LONGEST_QUOTE = 64


def misread_tags(vpcs: Mapping[str, Mapping[str, str]], snapshots: Iterable[VpcSnapshot]) -> list[Finding]:
    """The tags of all VPCs (by id), and of the subnets and services of managed ones, that make no sense."""
    found = [one for vpc_id, tags in sorted(vpcs.items()) for one in _misread(vpc_id, tags)]
    for snapshot in snapshots:
        found += [one for subnet in snapshot.subnets for one in _misread(subnet.id, subnet.tags)]
        for service in snapshot.services:
            if service.tag is not None:
                found += _misread(f"service {service.cluster}/{service.name}", {MANAGED_TAG: service.tag})
    return list(dict.fromkeys(found))


def _misread(resource: str, tags: Mapping[str, str]) -> Iterator[Finding]:
    for key, value in sorted(tags.items()):
        if problem := _problem(key, value):
            yield Finding(resource, tags.get("Name", ""), CODE, problem)


def _problem(key: str, value: str) -> str:
    """What is wrong with a tag; "" if nothing is, or if it is not about Berthmaster."""
    if not key.casefold().startswith(_PREFIX) or key in _OWN:
        return ""
    shown = f"{key[:LONGEST_QUOTE]}={value[:LONGEST_QUOTE]}"
    if key != MANAGED_TAG:
        return f"capacity knows no tag {shown}: the only one that it reads is {MANAGED_TAG}"
    if value in _VALUES:
        return ""
    meant = get_close_matches(value.strip().casefold(), _VALUES, n=1)
    hint = f"; {meant[0]} may be meant" if meant else ""
    return f"{shown} is neither {MANAGED} nor {IGNORED}, so it has no effect{hint}"
