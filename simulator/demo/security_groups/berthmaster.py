"""Berthmaster in the shop: deployed, driven through two months, and answered by people."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from simulator.demo.security_groups.outcome import By, Life
from simulator.demo.security_groups.rules import RULES
from simulator.demo.security_groups.shop import BUCKET
from simulator.demo.wording import DAY, HOUR, MINUTE
from simulator.stack.deployment import Deployment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from simulator.cloud import Cloud
    from simulator.demo.security_groups.callers import Missed
    from simulator.demo.security_groups.rules import ShopRule
    from simulator.demo.security_groups.scene import Stage, TwoMonths

SURVEY, CHANGE, REPORT = "SecurityGroupsSurveyFunction", "SecurityGroupsChangeFunction", "SecurityGroupsReportFunction"
OTHERS = ("CapacityWatchFunction", "TargetsReconcileFunction", "TargetsPodsFunction", "BatchReconcileFunction")
"""Functions of automations that are off, which a schedule would start."""
TICKS = (1.1, 1.3)
"""The hours of the day at which changes are looked at: when the files of the day before are there, and what began then
a day before is due."""
READ, ANSWERED = 9.0, 10.0
"""The hours at which somebody asks what was proposed, and approves it."""
LOOK = 10 * MINUTE
STEPS = {
    "Removal Announced": "announced",
    "Removals Proposed": "proposed",
    "Rule Quarantined": "in quarantine",
    "Rule Revoked": "revoked",
    "Removal Closed": "closed",
    "Rule Restored": "restored",
    "Removal Withdrawn": "withdrawn",
    "Patch Proposed": "proposed as a patch",
}


class Operated:
    """A deployment whose schedules of five minutes run once a day, and whenever a file is delivered.

    In between nothing happens. People approve what is proposed, and restores of which they are asked.
    """

    def __init__(self, cloud: Cloud, scene: TwoMonths, stage: Stage) -> None:
        self._cloud = cloud
        self._scene = scene
        self._stage = stage
        self._read = 0
        self._waiting: list[str] = []
        self._requested: set[ShopRule] = set()
        self._ids = stage.shop.present()
        self._texts = {identifier: rule for rule, identifier in self._ids.items()}
        self.berthmaster = Deployment(
            cloud,
            parameters={
                "SecurityGroupsMode": "approve",
                "FlowLogBuckets": f"arn:aws:s3:::{BUCKET}",
                "SecurityGroupsWindowDays": str(scene.window),
                "SecurityGroupsNoticeDays": str(scene.notice),
                "SecurityGroupsQuarantineDays": str(scene.quarantine),
                **{f"{name}Mode": "off" for name in ("Capacity", "Targets", "Batch")},
            },
            unscheduled=(*OTHERS, SURVEY, CHANGE, REPORT),
        )
        stage.shop.logs.before_delivery.append(lambda: self._start(SURVEY))
        clock = cloud.clock
        clock.after(5 * MINUTE, lambda: self._start(SURVEY))
        for day in range(int(scene.minutes * MINUTE // DAY)):
            for hour in TICKS:
                clock.at(stage.at(day, hour), partial(self._start, CHANGE))
            clock.at(stage.at(day, READ), self._ask_for_files)
            clock.at(stage.at(day, ANSWERED), self._approve)
        clock.every(LOOK, self._look)
        stage.callers.on_missed = self._find_out

    def who(self, missed: Missed) -> By:
        """Who has put back the rule that was missed."""
        if missed.rule in self._requested:
            return By.PEOPLE
        is_asked = any(
            detail_type == "Restore Proposed" and missed.rule in self._rules_of(detail)
            for _, detail_type, detail in self._events()
        )
        return By.ASKED if is_asked else By.ITSELF

    def lives(self) -> Iterator[Life]:
        """What became of each rule that was reported."""
        found: dict[ShopRule, list[tuple[str, float]]] = defaultdict(list)
        whys: dict[ShopRule, str] = {}
        for at, detail_type, detail in self._events():
            for rule in self._rules_of(detail):
                if step := STEPS.get(detail_type):
                    found[rule].append((step, at))
                    whys[rule] = detail.get("why", "")
        for rule in RULES:
            if rule in found:
                yield Life(rule, tuple(found[rule]), whys[rule])

    def _events(self) -> Iterator[tuple[float, str, Mapping[str, Any]]]:
        for seen in self.berthmaster.bus_events:
            event = seen.event
            if event["source"] == "berthmaster":
                yield datetime.fromisoformat(event["time"]).timestamp(), event["detail-type"], event["detail"]

    def _rules_of(self, detail: Mapping[str, Any]) -> list[ShopRule]:
        named = [detail.get("rule"), *(one.get("rule") for one in detail.get("rules", []) if isinstance(one, dict))]
        return [self._texts[one] for one in named if one in self._texts]

    # What happens

    def _start(self, function: str) -> None:
        self.berthmaster.runtime.start(function, {}, lambda _: None)

    def _ask_for_files(self) -> None:
        """Have the records of the night delivered before a plan is made afresh: AWS delivers every five minutes."""
        self._look()
        if self._waiting:
            self._stage.shop.logs.deliver_soon(self._stage.shop.log)

    def _approve(self) -> None:
        for proposal in self._waiting:
            self._decide(proposal)
        self._waiting = []

    def _look(self) -> None:
        """Read what was proposed since."""
        events = self.berthmaster.bus_events
        for seen in events[self._read :]:
            detail_type = seen.event["detail-type"]
            if seen.event["source"] != "berthmaster":
                continue
            if detail_type == "Removals Proposed":
                self._waiting.append(seen.event["detail"]["proposal"])
            elif detail_type == "Restore Proposed":
                proposal = seen.event["detail"]["proposal"]
                self._cloud.clock.after(self._scene.answer * MINUTE, partial(self._decide, proposal))
        self._read = len(events)

    def _decide(self, proposal: str) -> None:
        self._ask("Proposal Approved", {"proposal": proposal})

    def _find_out(self, missed: Missed) -> None:
        self._cloud.clock.after(self._scene.repair * HOUR, partial(self._request, missed))

    def _request(self, missed: Missed) -> None:
        """People have found out which rule is missing: its removal was closed, so it is watched no longer."""
        if not missed.is_over:
            self._requested.add(missed.rule)
            self._ask("Restore Requested", {"rule": self._ids[missed.rule]})

    def _ask(self, detail_type: str, detail: Mapping[str, str]) -> None:
        event = {"source": "berthmaster.operator", "detail-type": detail_type, "detail": detail}
        self.berthmaster.put_event(event, bus="berthmaster")
