"""A connection: who opened it, what became of it, which rules let it pass, and the packets that each interface sees."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.aws.ec2.flow_logs.packets import Packets
    from simulator.workload.traffic.groups import Opening, Party
    from simulator.workload.traffic.tracking import Admission


class Answer(StrEnum):
    """What listens at the destination does."""

    YES = "answers"
    REFUSES = "refuses"
    NONE = "does not answer"


class Outcome(StrEnum):
    """What became of an attempt to connect."""

    ANSWERED = "answered"
    REFUSED = "refused"
    UNANSWERED = "unanswered"
    REJECTED_AT_SOURCE = "rejected by the groups of the source"
    REJECTED_AT_DESTINATION = "rejected by the groups of the destination"


@dataclass(eq=False, kw_only=True)
class Side:
    """What the interface of one end has allowed, and sees.

    is_denied, denies_replies: its subnet's network ACL refuses what opens the connection, or what answers it.
    """

    own: Party
    peer: Party
    is_ingress: bool
    admission: Admission
    is_denied: bool = False
    denies_replies: bool = False
    packets: list[Packets] = field(default_factory=list)

    @property
    def delivered(self) -> int:
        """How many records of what it sees flow logs have delivered."""
        return sum(packets.delivered for packets in self.packets)


@dataclass(eq=False, kw_only=True)
class Connection:
    """A connection, or an attempt at one. opened, ends: seconds since the epoch; it may be broken before it ends."""

    source: Party
    destination: Party
    opening: Opening
    source_port: int
    opened: float
    ends: float
    every: float
    outcome: Outcome
    sides: list[Side] = field(default_factory=list)
    is_broken: bool = False

    @property
    def is_conversation(self) -> bool:
        """Whether it was opened and answered."""
        return self.outcome is Outcome.ANSWERED

    @property
    def rules(self) -> frozenset[str]:
        """The rules that let it be opened, or carry the replies of an untracked connection, at either end."""
        return frozenset().union(*(side.admission.rules | side.admission.replies for side in self.sides))

    @property
    def delivered(self) -> int:
        """How many records of it flow logs have delivered."""
        return sum(side.delivered for side in self.sides)

    def stop(self, at: float) -> None:
        """No more packets from a time on."""
        self.is_broken = True
        self.ends = min(self.ends, at)
        for side in self.sides:
            for packets in side.packets:
                packets.stop(at)
