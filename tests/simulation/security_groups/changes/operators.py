"""Operators: they decide what is proposed, ask for what interests them, and expect an answer within a minute."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from math import inf
from random import Random
from typing import Any

from simulator.aws.events.bus import complete
from simulator.stack.deployment import Deployment
from tests.simulation.security_groups.changes.taken import TakenRules
from tests.simulation.security_groups.company import HOUR, Company

BUS, OPERATOR, OURS = "berthmaster", "berthmaster.operator", "berthmaster"
DECIDES = 5.0, 900.0
"""Seconds after which somebody decides about a proposal."""
APPROVES_RESTORES = 0.5
ASKS_FOR_ALL = 0.25
PAUSED = 1000.0, 2400.0


@dataclass
class Request:
    """at, answered_at: seconds since the epoch; the latter is inf as long as there is no answer."""

    detail_type: str
    subject: str
    at: float
    answered_at: float = inf

    def __str__(self) -> str:
        return f"{self.detail_type} {self.subject} at {self.at:.0f}"


class Operators:
    """requests: by id. restores: when rules were asked back, by id, group or, as the empty string, all of them.

    refused: ids of rules that are to stay. approves: the share of proposals to remove rules that they approve.
    """

    def __init__(self, company: Company, random: Random, berthmaster: Deployment, taken: TakenRules) -> None:
        self.requests: dict[str, Request] = {}
        self.restores: dict[str, float] = {}
        self.refused: set[str] = set()
        self.approves = 0.9
        self.pauses: list[tuple[float, float]] = []
        self._company = company
        self._random = random
        self._berthmaster = berthmaster
        self._taken = taken

    def begin(self) -> None:
        """Ask for something now and then, and let nothing happen for a while, once."""
        company, random = self._company, self._random
        company.every(HOUR, self._ask_for_status)
        company.every(5 * HOUR, self._ask_for_a_rule)
        if random.random() < ASKS_FOR_ALL:
            at = company.begun + random.random() * (company.end - company.begun)
            company.cloud.clock.at(at, self._ask_for_all)
        at = company.begun + random.uniform(0.3, 0.7) * (company.end - company.begun)
        until = at + random.uniform(*PAUSED)
        company.cloud.clock.at(at, partial(self._switch, "Pause Requested"))
        company.cloud.clock.at(until, partial(self._switch, "Resume Requested"))

    def see(self, event: Mapping[str, Any]) -> None:
        """An event of Berthmaster's own."""
        detail = event["detail"]
        request = self.requests.get(detail.get("request_id", ""))
        if request and request.answered_at == inf:
            request.answered_at = seconds(event)
        if event["detail-type"] == "Removals Proposed":
            self._decide_later(detail["proposal"], self.approves, *(one["rule"] for one in detail["rules"]))
        elif event["detail-type"] == "Restore Proposed":
            self._decide_later(detail["proposal"], APPROVES_RESTORES, detail["rule"])

    def unanswered(self, within: float, now: float) -> Iterator[str]:
        """The requests that were not answered in time, in sentences."""
        for one in self.requests.values():
            if min(one.answered_at, now) > one.at + within:
                took = "still has no answer" if one.answered_at == inf else f"took {one.answered_at - one.at:.0f} s"
                yield f"{one} {took}"

    def _decide_later(self, proposal: str, share: float, *rules: str) -> None:
        is_restore = share == APPROVES_RESTORES
        is_approved = self._random.random() < share

        def decide() -> None:
            if is_restore and is_approved:
                self.restores |= dict.fromkeys(rules, self._company.now)
            elif not is_restore and not is_approved:
                self.refused.update(rules)
            self._request("Proposal Approved" if is_approved else "Proposal Rejected", proposal=proposal, by="ann")

        self._company.cloud.clock.after(self._random.uniform(*DECIDES), decide)

    def _ask_for_status(self) -> None:
        self._request("Removal Status Requested")

    def _ask_for_a_rule(self) -> None:
        if taken := self._taken.all:
            rule = self._random.choice(taken).original
            if self._random.random() < 1 / 3:
                self._restore(group=rule.group)
            else:
                self._restore(rule=rule.id)

    def _ask_for_all(self) -> None:
        self.restores[""] = self._company.now
        self._request("Restore Requested", hours=1, by="bob")

    def _restore(self, **what: str) -> None:
        self.restores |= dict.fromkeys(what.values(), self._company.now)
        self._request("Restore Requested", **what, by="bob")

    def _switch(self, kind: str) -> None:
        self._request(kind, automation="security_groups", by="ann")

    def _request(self, kind: str, **detail: Any) -> None:
        event = complete(self._company.cloud, {"source": OPERATOR, "detail-type": kind, "detail": detail})
        subject = " ".join(str(one) for name, one in detail.items() if name != "by")
        self.requests[event["id"]] = Request(kind, subject, self._company.now)
        self._berthmaster.put_event(event, bus=BUS)


def seconds(event: Mapping[str, Any]) -> float:
    """When an event was sent, in seconds since the epoch."""
    return datetime.fromisoformat(event["time"]).timestamp()
