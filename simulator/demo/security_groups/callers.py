"""Who calls whom in the shop, again and again until it is answered, and for how long nobody gets through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.demo.wording import HOUR, MINUTE
from simulator.workload.traffic.connections import Answer, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.cloud import Cloud
    from simulator.demo.security_groups.rules import ShopRule
    from simulator.workload.traffic.traffic import End, Traffic

PATIENCE = 12 * HOUR
AGAIN = 5 * MINUTE
REJECTED = (Outcome.REJECTED_AT_SOURCE, Outcome.REJECTED_AT_DESTINATION)


@dataclass
class Missed:
    """A rule that somebody needs and has not. until: when a connection passed, else the last attempt so far."""

    rule: ShopRule
    since: float
    until: float = 0.0
    denied: int = 0
    is_over: bool = False


class Callers:
    """Opens connections, and tries again when they are rejected. missed: all so far, oldest first."""

    def __init__(self, cloud: Cloud, traffic: Traffic) -> None:
        self._clock = cloud.clock
        self._traffic = traffic
        self.missed: list[Missed] = []
        self.on_missed: Callable[[Missed], None] = lambda _: None

    @property
    def denied(self) -> int:
        """Connections that were rejected."""
        return sum(missed.denied for missed in self.missed)

    def need(self, rule: ShopRule, source: Callable[[], End], destination: Callable[[], End]) -> None:
        """Open a connection for which a rule is needed, now or as soon as it is allowed."""
        self._attempt(rule, source, destination, None)

    def knock(self, source: str, destination: End, port: int) -> None:
        """Try a port, as scanners do, and go away."""
        self._traffic.connect(source, destination, port, answer=Answer.NONE)

    def _attempt(
        self, rule: ShopRule, source: Callable[[], End], destination: Callable[[], End], missed: Missed | None
    ) -> None:
        now = self._clock.timestamp()
        opened = self._traffic.connect(
            source(), destination(), rule.ports[0], protocol={"tcp": 6, "udp": 17}.get(rule.protocol, 6), lasts=20
        )
        if opened.outcome not in REJECTED:
            if missed:
                missed.until, missed.is_over = now, True
            return
        if missed is None:
            missed = Missed(rule, since=now)
            self.missed.append(missed)
            self.on_missed(missed)
        missed.denied += 1
        missed.until = now
        if now - missed.since < PATIENCE:
            self._clock.after(AGAIN, lambda: self._attempt(rule, source, destination, missed))
