"""What follows from packets that a removed rule may have allowed.

A packet is judged as what it is: a rule would have allowed it if direction, protocol, port of the destination and peer
are the rule's. Answers in connections that are tracked no longer would have been rejected with the rule as well.

A rule is restored at once only for peers that are known. Anybody may send a packet: for all others people are asked.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from enum import Enum

from berthmaster.security_groups.model.rejections import Choice, Judged, Rejected, Scene, Suspect
from berthmaster.security_groups.model.rules import (
    TCP,
    UDP,
    Direction,
    GroupReference,
    PrefixListReference,
    Rule,
)
from berthmaster.security_groups.model.topology import Address, Interface
from berthmaster.security_groups.plan.network_acls import covers, refuses
from berthmaster.security_groups.plan.rule_text import PROTOCOLS
from berthmaster.security_groups.plan.suspects import is_about, is_foreign, is_in, may_be_elsewhere


class _Fit(Enum):
    """Whether a peer is one that a rule names."""

    YES = "yes"
    MAYBE = "maybe"
    NO = "no"


def judge(suspect: Suspect, scene: Scene) -> Judged:
    """What follows from some packets for the rule that may have allowed them."""
    rule, rejected = suspect.removal.rule, suspect.rejected
    interface = scene.interfaces.get(rejected.interface)
    if interface is None:
        return _of_unknown_interface(suspect, scene)
    if rule.group not in interface.groups:
        return _ignored(suspect, f"{interface.id} does not carry {rule.group}")
    if rejected.direction is None and suspect.direction not in directions(rejected, interface):
        return _ignored(suspect, f"they went the other way at {interface.id}")
    fit = _fit(rule, suspect.peers, interface, scene)
    if fit is _Fit.NO:
        is_open = isinstance(rule.peer, GroupReference) and not scene.is_recalled
        return _ignored(suspect, f"{_peers_text(suspect)} is none of its peers", is_open=is_open)
    if allowing := _allowing(suspect, interface, scene):
        return _ignored(suspect, f"{allowing.id} of {allowing.group} allows it now")
    if _is_refused(suspect, interface, scene):
        return _ignored(suspect, f"the network ACL of {interface.subnet} refuses it")
    return _restored_or_proposed(suspect, fit, interface, scene)


def decided(judged: Iterable[Judged]) -> dict[str, Judged]:
    """What follows for each removal, by its sort key: what most follows from any of the packets."""
    order = (Choice.RESTORE, Choice.PROPOSE, Choice.IGNORE)
    found: dict[str, Judged] = {}
    for one in judged:
        key = one.suspect.removal.sort_key
        if key not in found or order.index(one.choice) < order.index(found[key].choice):
            found[key] = one
    return found


def directions(rejected: Rejected, interface: Interface) -> frozenset[Direction]:
    """Which ways packets may have gone at an interface whose records do not say it: by whose addresses they name."""
    leaves = any(holds(interface, one) for one in rejected.sources)
    enters = any(holds(interface, one) for one in rejected.destinations)
    if leaves is enters:
        return frozenset(Direction)
    return frozenset({Direction.EGRESS if leaves else Direction.INGRESS})


def holds(interface: Interface, address: Address) -> bool:
    """Whether an address is an interface's, or in a prefix that is delegated to it."""
    return address in interface.addresses or is_in(address, interface.prefixes)


def asked_lists(suspects: Collection[Suspect], rules: Mapping[str, Collection[Rule]]) -> frozenset[str]:
    """The prefix lists whose entries decide: of the removed rules, and of those that may allow the packets now.

    rules: by group.
    """
    asked = {(one.direction, one.rejected.protocol, one.rejected.port) for one in suspects}
    named = [one.removal.rule.peer for one in suspects]
    named += [
        rule.peer
        for of_group in rules.values()
        for rule in of_group
        if any(rule.direction is direction and is_about(rule, *traffic) for direction, *traffic in asked)
    ]
    return frozenset(one.prefix_list for one in named if isinstance(one, PrefixListReference))


def _of_unknown_interface(suspect: Suspect, scene: Scene) -> Judged:
    rejected = suspect.rejected
    if rejected.vpc and suspect.removal.candidate.vpc not in ("", rejected.vpc):
        return _ignored(suspect, f"{rejected.interface} was in {rejected.vpc}")
    why = f"{_rejection(suspect)}; that interface is gone, and it is not known which groups it had"
    return Judged(suspect=suspect, choice=Choice.PROPOSE, why=why, is_open=not scene.is_recalled)


def _restored_or_proposed(suspect: Suspect, fit: _Fit, interface: Interface, scene: Scene) -> Judged:
    earlier = suspect.removal.candidate.earlier_peers
    for peer in suspect.peers:
        if not _holders(peer, interface, scene) and not is_in(peer, earlier):
            why = (
                f"{_rejection(suspect)}; no other rule allows it, and {peer} neither is an interface of this account "
                "nor had a conversation under this rule before"
            )
            is_open = not scene.is_recalled and any(is_in(peer, vpc.cidrs) for vpc in scene.vpcs.values())
            return Judged(suspect=suspect, choice=Choice.PROPOSE, why=why, is_open=is_open)
    has_talked = all(is_in(peer, earlier) for peer in suspect.peers)
    if fit is _Fit.MAYBE and not has_talked:
        why = f"{_rejection(suspect)}; no other rule allows it, and it is not known whether this rule named that peer"
        return Judged(suspect=suspect, choice=Choice.PROPOSE, why=why)
    peer = suspect.peers[-1]
    holders = _holders(peer, interface, scene)
    known = f"is {holders[0].id} of this account" if holders else "had a conversation under this rule before"
    why = f"{_rejection(suspect)}; no other rule allows it, and {peer} {known}"
    return Judged(suspect=suspect, choice=Choice.RESTORE, why=why)


def _fit(rule: Rule, peers: Collection[Address], interface: Interface, scene: Scene) -> _Fit:
    """Whether any address of a peer is one that a rule names, or named."""
    found = [_fit_of(rule, peer, interface, scene) for peer in peers]
    return next((fit for fit in (_Fit.YES, _Fit.MAYBE) if fit in found), _Fit.NO)


def _fit_of(rule: Rule, peer: Address, interface: Interface, scene: Scene) -> _Fit:
    """MAYBE: if entries or members are not known, or one of those that have had the address is a member."""
    named = rule.peer
    if isinstance(named, PrefixListReference):
        entries = scene.lists.get(named.prefix_list)
        if entries is None:
            return _Fit.MAYBE
        return _Fit.YES if is_in(peer, entries) else _Fit.NO
    if isinstance(named, GroupReference):
        holders = _holders(peer, interface, scene)
        if any(named.group in one.groups for one in holders):
            return _Fit.YES
        is_elsewhere = not holders and is_foreign(named, scene.account) and may_be_elsewhere(peer)
        return _Fit.MAYBE if is_elsewhere else _Fit.NO
    return _Fit.YES if peer in named else _Fit.NO


def _allowing(suspect: Suspect, interface: Interface, scene: Scene) -> Rule | None:
    """A rule that certainly allows the packets now, whichever of its addresses the peer has used."""
    rejected = suspect.rejected
    for rule in (rule for group in interface.groups for rule in scene.rules.get(group, ())):
        if rule.direction is not suspect.direction or not is_about(rule, rejected.protocol, rejected.port):
            continue
        if not covers(rule.icmp, suspect.removal.rule.icmp):
            continue
        if all(_surely_names(rule, peer, interface, scene) for peer in suspect.peers):
            return rule
    return None


def _surely_names(rule: Rule, peer: Address, interface: Interface, scene: Scene) -> bool:
    if isinstance(rule.peer, GroupReference):
        holders = _holders(peer, interface, scene)
        return bool(holders) and all(rule.peer.group in one.groups for one in holders)
    return _fit_of(rule, peer, interface, scene) is _Fit.YES


def _is_refused(suspect: Suspect, interface: Interface, scene: Scene) -> bool:
    """Whether the subnet's network ACL certainly refuses the packets, unless they come from the subnet itself."""
    acl = scene.acls.get(interface.subnet)
    if acl is None:
        return False
    rejected = suspect.rejected
    return all(
        refuses(acl, suspect.direction, rejected.protocol, rejected.port, peer, icmp=suspect.removal.rule.icmp)
        and not any(one.subnet == interface.subnet for one in _holders(peer, interface, scene))
        for peer in suspect.peers
    )


def _holders(peer: Address, interface: Interface, scene: Scene) -> list[Interface]:
    """Who has an address, as seen from an interface: of its own VPC if the address is one of that, else of another."""
    vpc = scene.vpcs.get(interface.vpc)
    is_inside = vpc is not None and is_in(peer, vpc.cidrs)
    return [one for one in scene.holders.get(peer, ()) if (one.vpc == interface.vpc) is is_inside]


def _ignored(suspect: Suspect, why: str, *, is_open: bool = False) -> Judged:
    return Judged(suspect=suspect, choice=Choice.IGNORE, why=why, is_open=is_open)


def _rejection(suspect: Suspect) -> str:
    rejected = suspect.rejected
    protocol = PROTOCOLS.get(rejected.protocol, f"protocol {rejected.protocol}")
    traffic = f"{protocol} {rejected.port}" if rejected.protocol in (TCP, UDP) else protocol
    way = "from" if suspect.direction is Direction.INGRESS else "to"
    time = datetime.fromtimestamp(rejected.last, UTC)
    return f"{traffic} {way} {_peers_text(suspect)} was rejected at {rejected.interface}, {time:%Y-%m-%d %H:%M:%S} UTC"


def _peers_text(suspect: Suspect) -> str:
    return " alias ".join(map(str, suspect.peers))
