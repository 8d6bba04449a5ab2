"""Connections that Berthmaster's changes have denied, whatever flow logs say."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from simulator.workload.traffic.connections import Connection, Side
from simulator.workload.traffic.groups import Opening, Party, admits, matches
from tests.simulation.security_groups.changes.taken import Taken, TakenRules
from tests.simulation.security_groups.company import TCP, Company

REJECTED = "rejected by"


@dataclass(frozen=True)
class Denial:
    """A connection that a rule would have let pass, had it not been taken. side: of the interface that rejected it."""

    connection: Connection
    side: Side
    taken: Taken
    at: float
    is_known: bool
    """Whether its peer has an interface of the account, or had a conversation under the rule before."""

    @property
    def delivered_at(self) -> float:
        """When a file came that says so; inf as long as none did."""
        return min((one.delivered_at for one in self.side.packets if not one.is_accepted), default=inf)

    def __str__(self) -> str:
        one = self.connection
        ends = f"{one.source.address} → {one.destination.address}:{one.opening.port}"
        return f"{ends} at {self.at:.0f} needed {self.taken}"


@dataclass(frozen=True)
class Use:
    """A conversation that a rule let pass at one of its ends."""

    connection: Connection
    side: Side

    @property
    def delivered_at(self) -> float:
        """When a file came that tells of it; inf as long as none did."""
        return min((one.delivered_at for one in self.side.packets), default=inf)

    def __str__(self) -> str:
        one = self.connection
        return f"{one.source.address} → {one.destination.address}:{one.opening.port} at {one.opened:.0f}"


class Denials:
    """Watches what the company connects from now on."""

    def __init__(self, company: Company, taken: TakenRules) -> None:
        self.all: list[Denial] = []
        self._company = company
        self._taken = taken
        self._uses: dict[str, list[Use]] = {}
        connect = company.traffic.connect

        def seen(*args: Any, **kwargs: Any) -> Connection:
            connection = connect(*args, **kwargs)
            self._note(connection)
            return connection

        company.traffic.connect = seen  # type: ignore[method-assign]

    def broken_at(self, when: float) -> Iterator[Connection]:
        """The connections that were open and broke at a time, though both interfaces are there."""
        interfaces = self._company.cloud.interfaces
        for one in self._company.traffic.connections:
            if one.is_broken and one.ends == when and all(side.own.eni.id in interfaces for side in one.sides):
                yield one

    def uses(self, rule: str) -> Sequence[Use]:
        """The conversations that a rule has let pass."""
        return self._uses.get(rule, ())

    def allows_now(self, denial: Denial) -> bool:
        """Whether its interface would let it pass by now, though not by the rule that was taken."""
        side = denial.side
        rules = (
            rule
            for group in side.own.eni.group_set
            for rule in (group.ingress_rules if side.is_ingress else group.egress_rules)
        )
        return any(self._admits(one, denial.connection.opening, side.peer) for one in rules)

    def _note(self, connection: Connection) -> None:
        if connection.outcome.startswith(REJECTED):
            self._note_denial(connection, connection.sides[-1])
            return
        if connection.opening.protocol == TCP and not connection.is_conversation:
            return
        for side in connection.sides:
            for rule in side.admission.rules:
                self._uses.setdefault(rule, []).append(Use(connection, side))

    def _note_denial(self, connection: Connection, side: Side) -> None:
        if side.is_denied:
            return
        groups = {group.id for group in side.own.eni.group_set}
        for taken in self._taken.open:
            original = taken.original
            is_of_side = original.group in groups and original.is_egress is not side.is_ingress
            if is_of_side and self._admits(original.kept, connection.opening, side.peer):
                is_known = side.peer.eni is not None or any(
                    use.side.peer.address == side.peer.address for use in self.uses(original.id)
                )
                self.all.append(Denial(connection, side, taken, connection.opened, is_known))

    def _admits(self, rule: Any, opening: Opening, peer: Party) -> bool:
        return admits(rule, opening) and matches(self._company.cloud, rule, peer)
