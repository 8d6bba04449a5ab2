"""Groups that no interface carries, and that nothing names which could need them."""

from collections.abc import Mapping
from dataclasses import dataclass

from berthmaster.security_groups.model.evidence import LatentGroup, UnusedGroup
from berthmaster.security_groups.model.references import References
from berthmaster.security_groups.model.rules import Group, GroupReference
from berthmaster.security_groups.model.topology import Topology
from berthmaster.security_groups.plan.present import present
from berthmaster.security_groups.plan.rule_text import listed

DEFAULT = "default"
"""A VPC's own group, which cannot be deleted."""
_MOST_NAMED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupsWithoutInterface:
    """Those that nothing seems to need, and those that something names."""

    unused: tuple[UnusedGroup, ...] = ()
    latent: tuple[LatentGroup, ...] = ()


def without_interface(topology: Topology, since: float, until: float) -> tuple[str, ...]:
    """The groups that no interface had in a window, by id; seconds since the epoch.

    Tasks and jobs come and go, and their groups stay without an interface in between.
    """
    carried = {
        group
        for spans in topology.interfaces.values()
        for span in spans
        if span.overlaps(since, until)
        for group in span.value.groups
    }
    there = topology.groups.keys() - topology.deleted_groups - carried
    return tuple(sorted(id_ for id_ in there if topology.groups[id_].name != DEFAULT))


def groups_without_interface(
    topology: Topology, since: float, until: float, references: References, *, not_looked_at: str
) -> GroupsWithoutInterface:
    """What to say of them. not_looked_at: what may name groups, and is never read; in words."""
    named_by_rules = _named_by_rules(topology, until)
    unused, latent = [], []
    for id_ in without_interface(topology, since, until):
        names = _names(topology.groups[id_], references)
        if names:
            latent.append(LatentGroup(group=id_, named_by=names))
            continue
        why = _why(references, not_looked_at)
        if others := named_by_rules.get(id_):
            why += f"; rules of {listed(others, _MOST_NAMED)} name it, and must go before it can be deleted"
        unused.append(UnusedGroup(group=id_, why=why, is_certain=bool(references.looked_at) and not references.unread))
    return GroupsWithoutInterface(unused=tuple(unused), latent=tuple(latent))


def _names(group: Group, references: References) -> tuple[str, ...]:
    """What names a group, by its id or, in a launch template, by its name."""
    found = {*references.by_group.get(group.id, ()), *references.by_group.get(group.name, ())}
    return tuple(sorted(found))


def _why(references: References, not_looked_at: str) -> str:
    said = ["no interface carried it"]
    if references.looked_at:
        said.append(f"none of these names it: {', '.join(references.looked_at)}")
    said += [f"{kind} could not be read ({reason})" for kind, reason in references.unread]
    return "; ".join([*said, f"not looked at: {not_looked_at}"])


def _named_by_rules(topology: Topology, at: float) -> Mapping[str, list[str]]:
    """The other groups whose rules name a group."""
    found: dict[str, set[str]] = {}
    for rule in present(topology, at).rules:
        if isinstance(rule.peer, GroupReference) and rule.peer.group != rule.group:
            found.setdefault(rule.peer.group, set()).add(rule.group)
    return {group: sorted(others) for group, others in found.items()}
