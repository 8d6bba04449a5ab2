"""The cycle of capacity_watch: measure, record, forecast, and report which VPCs need addresses."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from berthmaster import metrics
from berthmaster.capacity.ledger.expansions import Expansion, Expansions
from berthmaster.capacity.ledger.findings import Findings, unreported
from berthmaster.capacity.ledger.history import History
from berthmaster.capacity.ledger.series import UsageHistory
from berthmaster.capacity.model import AUTOMATION, VpcSnapshot
from berthmaster.capacity.observe.inventory import Inventory
from berthmaster.capacity.observe.network import tags_of_vpcs
from berthmaster.capacity.observe.snapshot import read_fleet
from berthmaster.capacity.plan.demand import Assessment, assess
from berthmaster.capacity.plan.tags import misread_tags
from berthmaster.capacity.report import notices
from berthmaster.capacity.report.metrics import publish_vpc
from berthmaster.capacity.settings import WatchSettings
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.failures import Failures
from berthmaster.lease import Leases
from berthmaster.modes import Mode
from berthmaster.notices import Notices
from berthmaster.switch import Switch
from berthmaster.telemetry import logger


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
        self._notices = Notices(clients, bus=settings.event_bus, topic_arn=settings.topic_arn)

    def cycle(self) -> dict[str, Any]:
        """Check every managed VPC once, paused or not; what fails is raised at the end, when the rest is done."""
        if self._settings.capacity_mode is Mode.OFF:
            logger.info("cycle skipped: the mode is off")
            return {}
        now, failures = self._clock.now(), Failures()
        summary: dict[str, Any] = {}
        with failures.collect("fleet not watched"):
            summary |= self._watch_fleet(now, failures)
        with failures.collect("stalled expansions not resumed"):
            summary["expansions_stalled"] = len(self._resume_stalled(now))
        logger.info("cycle completed", failures=len(failures), **summary)
        failures.raise_all("the cycle was completed with failures")
        return summary

    def _watch_fleet(self, now: datetime, failures: Failures) -> dict[str, Any]:
        snapshots = read_fleet(self._clients, now, self._inventory, failures)
        metrics.publish({"ManagedVpcs": len(snapshots)})
        with failures.collect("sample not recorded"):
            self._history.record(now, snapshots)
        with failures.collect("tags not checked"):
            self._report_tags(snapshots)
        assessed = _assess(snapshots, self._history.load(now), failures)
        short = [one for one in assessed if one.short]
        metrics.publish({"VpcsShortOfRoom": len(short)})
        for one in assessed:
            publish_vpc(one.snapshot, one.assessments, self._settings.capacity_metrics)
        with failures.collect("shortages not reported"):
            self._notices.publish([notices.room_needed(one.snapshot, one.short) for one in short])
        return {
            "vpcs": len(snapshots),
            "subnets": sum(len(snapshot.subnets) for snapshot in snapshots),
            "vpcs_short_of_room": len(short),
        }

    def _report_tags(self, snapshots: Sequence[VpcSnapshot]) -> None:
        """Report tags that make no sense, each once."""
        found = misread_tags(tags_of_vpcs(self._clients.ec2), snapshots)
        known = self._findings.reported()
        self._notices.publish(notices.findings_reported(unreported(known, found)))
        self._findings.save(known, found)

    def _resume_stalled(self, now: datetime) -> list[Expansion]:
        """Have expansions continued that were begun and that nobody works on, unless capacity is paused."""
        stalled = [one for one in self._expansions.unfinished() if not self._is_in_progress(one.vpc_id, now)]
        if stalled and (reason := self._switch.reason()):
            logger.info("stalled expansions left", reason=reason, expansions=[one.id for one in stalled])
        else:
            self._notices.publish([notices.stalled(one) for one in stalled])
        return stalled

    def _is_in_progress(self, vpc_id: str, now: datetime) -> bool:
        lease = self._leases.look(vpc_id)
        return lease is not None and lease.is_in_progress(now)


def _assess(snapshots: Sequence[VpcSnapshot], history: UsageHistory, failures: Failures) -> list[Assessed]:
    assessed = []
    for snapshot in snapshots:
        with failures.collect("VPC not assessed", vpc=snapshot.vpc_id):
            assessed.append(Assessed(snapshot, assess(snapshot, history)))
    return assessed
