"""The cycle of capacity_watch: measure, record, forecast, and report which VPCs need addresses."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from berthmaster import metrics
from berthmaster.capacity.ledger.expansions import (
    NOT_ON_RECORD,
    Expansion,
    Expansions,
    by_expansion,
    updates_of,
    vpc_of,
)
from berthmaster.capacity.ledger.history import History
from berthmaster.capacity.ledger.series import UsageHistory
from berthmaster.capacity.left_to_people import is_left_to_people
from berthmaster.capacity.model.findings import Finding
from berthmaster.capacity.model.tags import AUTOMATION
from berthmaster.capacity.model.vpc import VpcSnapshot
from berthmaster.capacity.observe.inventory import Inventory
from berthmaster.capacity.observe.network import tags_of_vpcs
from berthmaster.capacity.observe.snapshot import read_fleet
from berthmaster.capacity.plan.demand import Assessment, assess
from berthmaster.capacity.plan.tags import misread_tags
from berthmaster.capacity.plan.updates import as_wired
from berthmaster.capacity.report import notices
from berthmaster.capacity.report.metrics import publish_vpc
from berthmaster.capacity.settings import WatchSettings
from berthmaster.capacity.unplanned import Unplanned
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.errors import BerthmasterError
from berthmaster.failures import Failures
from berthmaster.lease import Leases
from berthmaster.modes import Mode
from berthmaster.notices import Notices, NotPublished
from berthmaster.reported_findings import Findings
from berthmaster.switch import Switch
from berthmaster.telemetry import logger

FOR_THE_REST = timedelta(seconds=45)
"""Time at the end of an invocation in which no more interfaces are read: for reports and what the inventory needs."""
FOR_REPORTS = timedelta(seconds=35)
"""As before, for the calls of the inventory. One under way may take 20 seconds, and history is read after it."""
REPORTED_WITHIN = timedelta(minutes=10)
"""An outcome that waits for longer fails the cycle, so that the alarm of capacity_watch notifies."""


@dataclass(frozen=True, slots=True)
class Assessed:
    """One VPC and the state of its groups of subnets."""

    snapshot: VpcSnapshot
    assessments: tuple[Assessment, ...]

    @property
    def short(self) -> tuple[Assessment, ...]:
        """The groups that need addresses."""
        return tuple(assessment for assessment in self.assessments if assessment.needs_room)


class Watch:
    """What capacity_watch does every five minutes."""

    def __init__(self, settings: WatchSettings, clients: Clients, clock: Clock) -> None:
        table = settings.capacity_table
        self._settings = settings
        self._clients = clients
        self._clock = clock
        self._switch = Switch(clients.dynamodb, clock, table=table, automation=AUTOMATION, mode=settings.capacity_mode)
        self._inventory = Inventory(clients, table)
        self._history = History(clients.dynamodb, table)
        self._expansions = Expansions(clients.dynamodb, table)
        self._leases = Leases(clients.dynamodb, table)
        self._findings = Findings(clients.dynamodb, table, "tags")
        self._unplanned = Unplanned(self._leases)
        self._notices = Notices(clients, bus=settings.event_bus, topic_arn=settings.topic_arn)

    def cycle(self, deadline: datetime) -> dict[str, Any]:
        """Check every managed VPC once, paused or not; what fails is raised at the end, when the rest is done.

        Reading ends in time before the deadline: what was read is reported, and what the container keeps is not lost.
        """
        if self._settings.capacity_mode is Mode.OFF:
            logger.info("cycle skipped: the mode is off")
            return {}
        now, failures = self._clock.now(), Failures()
        summary: dict[str, Any] = {}
        snapshots: tuple[VpcSnapshot, ...] | None = None
        known: list[Expansion] | None = None
        with failures.collect("fleet not watched"):
            snapshots = read_fleet(
                self._clients,
                now,
                self._inventory,
                failures,
                may_begin=lambda: self._clock.now() < deadline - FOR_THE_REST,
                may_refresh=lambda: self._clock.now() < deadline - FOR_REPORTS,
            )
        # An expansion is recorded before its subnets are created, and those are read by now.
        unread = Failures()
        with failures.collect("expansions not read"):
            known = self._expansions.of_all(unread)
            failures.add(unread.errors)
        if snapshots is not None:
            with failures.collect("fleet not watched"):
                summary |= self._watch_fleet(now, snapshots, known or (), failures)
        if known is not None:
            with failures.collect("stalled expansions not resumed"):
                lost = set() if unread else _tagged(snapshots or ()) - {one.id for one in known}
                summary["expansions_stalled"] = self._resume_stalled(now, known, lost, failures)
        logger.info("cycle completed", failures=len(failures), **summary)
        failures.raise_all("the cycle was completed with failures")
        return summary

    def _watch_fleet(
        self, now: datetime, snapshots: Sequence[VpcSnapshot], known: Sequence[Expansion], failures: Failures
    ) -> dict[str, Any]:
        metrics.publish({"ManagedVpcs": len(snapshots)})
        with failures.collect("sample not recorded"):
            self._history.record(now, snapshots)
        updates = [one for one in updates_of(known) if one.state.is_open]
        wired = [as_wired(one, updates) for one in snapshots] if updates else snapshots
        assessed = _assess(wired, self._history.load(now), failures)
        failures.add(self._history.unreadable)
        short = [one for one in assessed if one.short]
        metrics.publish({"VpcsShortOfRoom": len(short)})
        for one in assessed:
            publish_vpc(one.snapshot, one.assessments, self._settings.capacity_metrics)
        reported = short
        with failures.collect("leases not read"):
            reported = [
                one for one in short if not is_left_to_people(one.snapshot.vpc_id, one.short, known, self._leases, now)
            ]
        with failures.collect("findings not reported"):
            unplanned = self._unplanned.find(
                () if self._switch.reason() else [one.snapshot for one in reported], known, now
            )
            self._report_findings(snapshots, unplanned, is_complete=not failures)
        with failures.collect("shortages not reported"):
            self._notices.publish([notices.room_needed(one.snapshot, one.short) for one in reported])
        return {
            "vpcs": len(snapshots),
            "subnets": sum(len(snapshot.subnets) for snapshot in snapshots),
            "vpcs_short_of_room": len(short),
        }

    def _report_findings(
        self, snapshots: Sequence[VpcSnapshot], unplanned: Sequence[Finding], *, is_complete: bool
    ) -> None:
        """Report tags that make no sense and VPCs that nobody plans for, each once.

        is_complete: whether all that is managed was read.
        """
        found = [*misread_tags(tags_of_vpcs(self._clients.ec2), snapshots), *unplanned]
        known = self._findings.reported()
        new = known.unreported(found)
        reports = notices.findings_reported(new)
        try:
            self._notices.publish(reports)
        except NotPublished as error:
            refused = {one for one, report in zip(new, reports, strict=True) if report in error.notices}
            self._findings.save(known, (one for one in found if one not in refused), is_complete=is_complete)
            raise
        self._findings.save(known, found, is_complete=is_complete)

    def _resume_stalled(
        self, now: datetime, known: Sequence[Expansion], lost: Iterable[str], failures: Failures
    ) -> int:
        """Have expansions continued that nobody works on, unless capacity is paused; returns how many.

        Those that were begun, whose event is still to be published, or which only the tags of their subnets show: lost.
        """
        failures.add(_not_reported(known, now))
        pending = {one.id: (one.state.value, one.lease) for one in known if one.is_pending or one.is_overdue(now)}
        pending |= {one: (NOT_ON_RECORD, vpc_of(one)) for one in lost}
        stalled = {
            one: state for one, (state, lease) in sorted(pending.items()) if not self._is_in_progress(lease, now)
        }
        if stalled and (reason := self._switch.reason()):
            logger.info("stalled expansions left", reason=reason, expansions=list(stalled))
        else:
            self._notices.publish([notices.stalled(one, state) for one, state in stalled.items()])
        return len(stalled)

    def _is_in_progress(self, resource: str, now: datetime) -> bool:
        lease = self._leases.look(resource)
        return lease is not None and lease.is_in_progress(now)


def _assess(snapshots: Sequence[VpcSnapshot], history: UsageHistory, failures: Failures) -> list[Assessed]:
    assessed = []
    for snapshot in snapshots:
        with failures.collect("VPC not assessed", vpc=snapshot.vpc_id):
            assessed.append(Assessed(snapshot, assess(snapshot, history)))
    return assessed


def _not_reported(expansions: Iterable[Expansion], now: datetime) -> list[Exception]:
    """Outcomes that wait for too long."""
    return [
        BerthmasterError(f"the outcome of expansion {one.id}, {one.state}, could not be reported yet")
        for one in expansions
        if one.is_unreported and now - one.changed_at > REPORTED_WITHIN
    ]


def _tagged(snapshots: Iterable[VpcSnapshot]) -> set[str]:
    """The ids of expansions on the VPCs' subnets."""
    return {one for snapshot in snapshots for one in by_expansion(snapshot.vpc_id, snapshot.subnets)}
