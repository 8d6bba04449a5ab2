"""Rules as areas of traffic, for `cover`."""

from collections.abc import Collection, Hashable, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from berthmaster.security_groups.model.rules import ANY, ICMP, ICMPV6, TCP, UDP, Network, Rule
from berthmaster.security_groups.plan.cover import Area, Spans

PROTOCOL_NUMBERS = 256
_CODES = 256
"""ICMP types and codes are numbers of a byte each."""
_ALL: Spans = ((0, _CODES * _CODES - 1),)


def spans_of(rule: Rule) -> Spans:
    """Ports; of ICMP, type and code as one number; everything for other protocols."""
    if rule.protocol in {TCP, UDP}:
        return (rule.ports,)
    if rule.protocol not in {ICMP, ICMPV6}:
        return _ALL
    icmp_type, code = rule.icmp
    if icmp_type == ANY:
        return _ALL if code == ANY else tuple((one * _CODES + code, one * _CODES + code) for one in range(_CODES))
    first = icmp_type * _CODES
    return ((first, first + _CODES - 1),) if code == ANY else ((first + code, first + code),)


def extent(rule: Rule) -> int:
    """How much traffic a rule allows, to compare it with others: protocols, times ports, times addresses.

    0 of rules whose peers are groups and prefix lists, which change.
    """
    addresses = rule.peer.num_addresses if isinstance(rule.peer, IPv4Network | IPv6Network) else 0
    protocols = PROTOCOL_NUMBERS if rule.protocol == ANY else 1
    return protocols * addresses * sum(last - first + 1 for first, last in spans_of(rule))


def in_order_of_removal(rules: Iterable[Rule]) -> list[Rule]:
    """The rule that allows least comes first; of equals, the one without tags, without a description, of higher id."""
    last_id_first = sorted(rules, key=lambda rule: rule.id, reverse=True)
    return sorted(last_id_first, key=lambda rule: (extent(rule), bool(rule.tags), bool(rule.description)))


@dataclass(frozen=True)
class Protocols:
    """The protocols that rules name; those that none of them names are alike, and only a rule for ANY allows them."""

    named: tuple[int, ...]

    @classmethod
    def of(cls, rules: Iterable[Rule]) -> "Protocols":
        """Collect the protocols of rules that are compared with each other."""
        named = sorted({rule.protocol for rule in rules} - {ANY})
        return cls((*((ANY,) if len(named) < PROTOCOL_NUMBERS else ()), *named))

    def areas(self, rule: Rule, where: Hashable, blocks: Collection[Network | None]) -> Iterator[Area]:
        """The areas of a rule with these blocks of addresses; None stands for peers that cannot be divided.

        where: rules of different places have nothing in common.
        """
        spans = spans_of(rule)
        for protocol in self.named if rule.protocol == ANY else (rule.protocol,):
            for block in blocks:
                if block is None:
                    yield Area((where, protocol), 0, 0, spans)
                else:
                    first, last = int(block.network_address), int(block.broadcast_address)
                    yield Area((where, block.version, protocol), first, last, spans)


def same_traffic(one: Rule, other: Rule) -> bool:
    """Whether two rules are for the same protocol and ports."""
    return (one.protocol, spans_of(one)) == (other.protocol, spans_of(other))
