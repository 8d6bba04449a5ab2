"""Connection tracking of an interface: what it remembers of a connection, and for how long.

Source: "Amazon EC2 security group connection tracking" of the EC2 User Guide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.aws.ec2.flow_logs.packets import TCP, UDP
from simulator.workload.traffic.groups import Opening, admits, allowing, is_anywhere, is_of_everything, rules_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.account import Account
    from simulator.workload.traffic.groups import Party

ALWAYS_TRACKED = {"network_load_balancer", "natGateway", "transit_gateway", "vpc_endpoint", "gateway_load_balancer"}
"""Types of interfaces whose connections are tracked whatever their rules are."""


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """Seconds after which an idle connection is forgotten; the defaults of instances before Nitro version 6."""

    tcp_established: float = 432_000.0
    udp_stream: float = 180.0
    other: float = 600.0

    def of(self, protocol: int, own: Mapping[str, int]) -> float:
        """That of a protocol; own: what the interface has instead."""
        if protocol == TCP:
            return own.get("TcpEstablishedTimeout", self.tcp_established)
        return own.get("UdpStreamTimeout", self.udp_stream) if protocol == UDP else self.other


@dataclass(frozen=True, kw_only=True)
class Admission:
    """What one interface has allowed.

    rules: those that allowed the opening. replies: those that carry the replies of an untracked connection; none if it
    is tracked.
    """

    rules: frozenset[str]
    replies: frozenset[str] = frozenset()

    @property
    def is_tracked(self) -> bool:
        """Whether replies pass because the connection is remembered."""
        return not self.replies


def admit(account: Account, own: Party, peer: Party, opening: Opening, *, is_ingress: bool) -> Admission:
    """Whether, and how, an interface allows a connection to be opened now; `is_ingress`: by the peer."""
    rules = allowing(account, own.eni, opening, peer, is_ingress=is_ingress)
    if not rules or opening.protocol not in (TCP, UDP) or own.eni.interface_type in ALWAYS_TRACKED:
        return Admission(rules=rules)
    openers = rules_of(own.eni, is_ingress=is_ingress)
    if not any(admits(one, opening) and is_anywhere(one, peer.address) for one in openers):
        return Admission(rules=rules)
    backwards = rules_of(own.eni, is_ingress=not is_ingress)
    replies = {one.id for one in backwards if is_of_everything(one, opening.protocol, peer.address)}
    return Admission(rules=rules, replies=frozenset(replies))


def lets_replies_pass(account: Account, own: Party, peer: Party, reply: Opening, *, is_ingress: bool) -> bool:
    """Whether rules alone allow the replies of an untracked connection; `is_ingress`: it was opened by the peer."""
    return bool(allowing(account, own.eni, reply, peer, is_ingress=not is_ingress))
