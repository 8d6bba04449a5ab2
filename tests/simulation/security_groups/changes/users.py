"""Who needs a rule after all, and who knocks at it: somebody with an interface of the account, or a stranger."""

from dataclasses import dataclass
from functools import partial
from ipaddress import ip_network
from random import Random
from typing import Any

from simulator.workload.traffic.connections import Connection
from simulator.workload.traffic.groups import Party
from tests.simulation.security_groups.changes.estate import GUEST
from tests.simulation.security_groups.company import (
    ANY,
    ANYWHERE,
    HOUR,
    ICMP,
    INSIDE,
    SERVICES,
    Company,
    Wanted,
    an_interface,
)

TRIES = 12
BETWEEN_TRIES = 60.0, 420.0
LONG, EVERY = 2.5 * HOUR, 300.0
"""Of connections that tracking keeps open, packets come so often."""


@dataclass
class Users:
    """Uses rules, each in the way that it allows."""

    company: Company
    random: Random

    def come(self, wanted: Wanted, delay: float, *, tries: int = TRIES) -> None:
        """After some seconds, somebody with an interface needs what a rule allows, until it works or he gives up."""
        self.company.cloud.clock.after(delay, partial(self._try, wanted, self._peer(wanted), tries))

    def stay(self, wanted: Wanted, delay: float) -> None:
        """After some seconds, somebody opens a connection that stays."""
        self.company.cloud.clock.after(delay, partial(self._connect, wanted, self._peer(wanted), LONG))

    def knock(self, wanted: Wanted, delay: float) -> None:
        """After some seconds, a stranger tries whom the rule would let in."""
        self.company.cloud.clock.after(delay, lambda: self._connect(wanted, self._stranger(wanted), 1.0))

    def can_come(self, wanted: Wanted) -> bool:
        """Whether anybody of the account is meant by a rule."""
        return wanted.peer in self.company.groups or wanted.peer == INSIDE

    def can_knock(self, wanted: Wanted) -> bool:
        """Whether strangers are."""
        is_block = wanted.peer not in self.company.groups and wanted.peer not in self.company.lists
        return wanted.direction == "ingress" and is_block and ":" not in wanted.peer and wanted.peer != INSIDE

    def _try(self, wanted: Wanted, peer: Party | None, left: int) -> None:
        connection = self._connect(wanted, peer, self.random.uniform(1, 60))
        if connection is None or connection.is_conversation or not left:
            return
        self.company.cloud.clock.after(self.random.uniform(*BETWEEN_TRIES), partial(self._try, wanted, peer, left - 1))

    def _connect(self, wanted: Wanted, peer: Party | None, lasts: float) -> Connection | None:
        own = self._own(wanted.group)
        if own is None or peer is None:
            return None
        source, destination = (peer, own) if wanted.direction == "ingress" else (own, peer)
        protocol, port = (6, 4444) if wanted.protocol == ANY else (wanted.protocol, max(0, wanted.ports[0]))
        every = EVERY if lasts == LONG else 0.0
        return self.company.traffic.connect(
            source, destination, 0 if protocol == ICMP else port, protocol=protocol, lasts=lasts, every=every
        )

    def _own(self, group: str) -> Party | None:
        """An interface that carries a group."""
        company = self.company
        if group in SERVICES:
            task = company.one_of(group)
            return company.traffic.party(task) if task else None
        carriers = [eni for eni in company.cloud.interfaces.values() if company.groups[group] in _groups(eni)]
        return _party(self.random.choice(carriers)) if carriers else None

    def _peer(self, wanted: Wanted) -> Party | None:
        """An interface of the account that a rule means, with rules of its own that let everything out."""
        company = self.company
        if wanted.direction == "egress":
            return self._own(wanted.peer) if wanted.peer in company.groups else None
        groups = [company.groups[GUEST]]
        if wanted.peer in company.groups:
            groups.append(company.groups[wanted.peer])
        home = list(company.network.subnets)[3]
        return _party(company.cloud.interfaces[an_interface(company.cloud, home, *groups)])

    def _stranger(self, wanted: Wanted) -> Party:
        block = ip_network(wanted.peer if wanted.peer != ANYWHERE else "198.18.0.0/15")
        return Party(str(block[self.random.randrange(1, min(block.num_addresses - 1, 200))]))


def _groups(eni: Any) -> set[str]:
    return {group.id for group in eni.group_set}


def _party(eni: Any) -> Party:
    return Party(eni.private_ip_address, eni)
