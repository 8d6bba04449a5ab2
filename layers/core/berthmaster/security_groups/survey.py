"""security_groups_survey: every five minutes, who has which interface, address, group and rule.

What is different from the survey before is recorded. An invocation that dies before that is as if it had not been:
the next one compares with what is recorded. Two that overlap both record what they saw.
"""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.failures import Failures
from berthmaster.items import Conflict
from berthmaster.modes import Mode
from berthmaster.notices import Notices
from berthmaster.reported_findings import Findings
from berthmaster.security_groups.ledger.topology_store import Survey as Recorded
from berthmaster.security_groups.ledger.topology_store import TopologyStore
from berthmaster.security_groups.model.observations import Kind, Observation
from berthmaster.security_groups.observe.topology_aws import TopologyReader
from berthmaster.security_groups.plan.log_checks import log_findings
from berthmaster.security_groups.plan.topology_changes import changes_between
from berthmaster.security_groups.report.notices import findings_reported
from berthmaster.security_groups.settings import SurveySettings
from berthmaster.telemetry import logger

ABOUT = "flow logs"
"""What the findings of a survey are about."""


class Survey:
    """What security_groups_survey does, paused or not: it reads, and writes nothing but its own records."""

    def __init__(self, settings: SurveySettings, clients: Clients, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._store = TopologyStore(clients.s3, settings.evidence_bucket)
        self._reader = TopologyReader(clients.ec2, clock)
        self._findings = Findings(clients.dynamodb, settings.security_groups_table, ABOUT)
        self._notices = Notices(clients, bus=settings.event_bus, topic_arn=settings.topic_arn)

    def run(self) -> dict[str, Any]:
        """One survey; raises what failed at the end. If EC2 cannot be read, nothing is recorded."""
        if self._settings.security_groups_mode is Mode.OFF:
            logger.info("survey skipped: the mode is off")
            return {}
        before = self._store.newest(self._clock.now())
        seen = self._reader.everything(before.state if before else {})
        recorded = _recorded(seen, before)
        failures = Failures()
        self._store.put([recorded], datetime.fromtimestamp(seen.begun, UTC))
        with failures.collect("findings not reported"):
            self._report(seen)
        with failures.collect("records of the last hour not folded"):
            self._store.fold(self._clock.now())
        figures: dict[str, Any] = {
            "subjects": len(seen.seen),
            "changed": len(recorded.seen),
            "gone": len(recorded.gone),
        }
        logger.info("survey completed", failures=len(failures), **figures)
        failures.raise_all("the survey was completed with failures")
        return figures

    def _report(self, seen: Observation) -> None:
        found = log_findings(seen.seen, self._settings.flow_log_buckets)
        known = self._findings.reported()
        self._notices.publish(findings_reported(known.unreported(found)))
        try:
            self._findings.save(known, found, is_complete=True)
        except Conflict:
            logger.info("findings were saved by another invocation")


def _recorded(seen: Observation, before: Recorded | None) -> Observation:
    """What is to be recorded: everything once a day, in UTC, and whenever there is nothing to compare with."""
    if before is None:
        return seen
    if int(seen.begun // 86_400) != int(before.begun // 86_400):
        return replace(seen, previous=before.name)
    changed, gone = changes_between(before.state, seen)
    return replace(seen, kind=Kind.CHANGES, previous=before.name, seen=changed, gone=gone)
