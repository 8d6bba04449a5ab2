"""What really went through each rule, as the simulator knows it, whatever flow logs say."""

from collections import defaultdict
from dataclasses import dataclass, field

from simulator.workload.traffic.connections import Connection, Outcome, Side
from simulator.workload.traffic.groups import allowing
from tests.simulation.security_groups.company import TCP, Company

PASSED = (Outcome.ANSWERED, Outcome.REFUSED, Outcome.UNANSWERED)


@dataclass(frozen=True)
class Use:
    """A connection that a rule let through at one of its ends."""

    connection: Connection
    side: Side

    @property
    def is_visible(self) -> bool:
        """Whether flow logs have delivered a record of it."""
        return self.side.delivered > 0

    def __str__(self) -> str:
        one = self.connection
        return f"{one.source.address} → {one.destination.address}:{one.opening.port} at {one.opened:.0f}"


@dataclass
class Truth:
    """By rule: what went through it.

    carried: what was answered, or is no TCP. knocked: attempts that nobody answered. allowed: the rules that would have
    allowed a connection that was open when they came into force.
    """

    company: Company
    allowed: set[str] = field(default_factory=set)
    carried: defaultdict[str, list[Use]] = field(default_factory=lambda: defaultdict(list))
    knocked: defaultdict[str, list[Use]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        for operation in ("AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress", "ModifyManagedPrefixList"):
            self.company.cloud.add_patch(f"ec2:{operation}", lambda *_: self._rules_changed())
        self.company.cloud.add_patch("ec2:ModifyNetworkInterfaceAttribute", lambda *_: self._rules_changed())

    def settle(self) -> None:
        """Sum up, when all is over."""
        for connection in self.company.traffic.connections:
            if connection.outcome not in PASSED:
                continue
            is_use = connection.is_conversation or connection.opening.protocol != TCP
            for side in connection.sides:
                for rule in side.admission.rules | side.admission.replies:
                    (self.carried if is_use else self.knocked)[rule].append(Use(connection, side))

    def _rules_changed(self) -> None:
        for connection in self.company.traffic.live():
            for side in connection.sides:
                self.allowed |= allowing(
                    self.company.cloud, side.own.eni, connection.opening, side.peer, is_ingress=side.is_ingress
                )
