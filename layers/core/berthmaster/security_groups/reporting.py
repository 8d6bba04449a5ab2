"""Reports: what the evidence of the window says of each rule, written to the bucket and announced."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from berthmaster import metrics
from berthmaster.arn import Arn
from berthmaster.items import Items
from berthmaster.lease import Leases
from berthmaster.own_queue import OwnQueue
from berthmaster.reported_findings import Findings
from berthmaster.security_groups.folding import NoTime
from berthmaster.security_groups.judgement import Judging
from berthmaster.security_groups.ledger.removals import Removals
from berthmaster.security_groups.ledger.report_store import ReportStore
from berthmaster.security_groups.model.documentation import Documentation
from berthmaster.security_groups.model.evidence import Verdict
from berthmaster.security_groups.model.findings import Finding
from berthmaster.security_groups.model.reports import WrittenReport
from berthmaster.security_groups.observe.referrers import NOT_LOOKED_AT
from berthmaster.security_groups.observe.surroundings import read_surroundings
from berthmaster.security_groups.plan.keeping import is_kept, is_managed
from berthmaster.security_groups.plan.rule_text import text_of
from berthmaster.security_groups.plan.window import documentation
from berthmaster.security_groups.report import document_json, evidence_json
from berthmaster.security_groups.report.markdown import markdown
from berthmaster.security_groups.report.notices import findings_reported, groups_reported
from berthmaster.security_groups.report.page import page
from berthmaster.security_groups.report_triggers import WriteReport
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from berthmaster.clients import Clients
    from berthmaster.clock import Clock
    from berthmaster.invocation import Invocation
    from berthmaster.notices import Notices
    from berthmaster.security_groups.model.topology import Topology
    from berthmaster.security_groups.settings import ReportSettings
    from berthmaster.switch import Switch

LEASE = "report"
LEAST_TIME = timedelta(seconds=240)
"""What is left for the topology, the verdicts and the pages once all evidence is read."""
TIME_TO_WRITE = timedelta(seconds=150)
"""What is left for the verdicts and the pages once the account is read."""
WITHOUT_TIME = timedelta(seconds=1)
WHILE_ANOTHER_WRITES = timedelta(seconds=60)


class Reporting:
    """Writes reports, one at a time."""

    def __init__(
        self, settings: "ReportSettings", clients: "Clients", clock: "Clock", *, switch: "Switch", notices: "Notices"
    ) -> None:
        table, bucket = settings.security_groups_table, settings.evidence_bucket
        self._clients = clients
        self._clock = clock
        self._place = Arn.parse(settings.topic_arn)
        self._switch = switch
        self._notices = notices
        self._leases = Leases(clients.dynamodb, table)
        self._items = Items(clients.dynamodb, table, "report", WrittenReport)
        self._findings = Findings(clients.dynamodb, table, "rules")
        self._queue = OwnQueue(clients, clock, settings.security_groups_report_queue_url)
        self._removals = Removals(clients.dynamodb, table)
        self._judging = Judging(clients.s3, bucket, settings.window)
        self._reports = ReportStore(clients.s3, bucket)

    def write(self, wanted: WriteReport, body: str, invocation: "Invocation") -> None:
        """Write a report, unless a newer one was written than was wanted; it is gone on with if time runs out."""
        if reason := self._switch.reason():
            logger.info("report not written", reason=reason)
            return
        with self._leases.held(LEASE, invocation, self._clock) as is_held:
            if not is_held:
                self._queue.defer(body, WHILE_ANOTHER_WRITES)
                return
            newest = self._items.get("newest") or WrittenReport()
            if newest.begun >= wanted.at:
                logger.info("report not written", reason="a newer one was", folder=newest.folder)
                return
            try:
                self._write(wanted, newest, invocation)
            except NoTime as error:
                logger.info("report is gone on with", day=str(error))
                self._queue.defer(body, WITHOUT_TIME)

    def _write(self, wanted: WriteReport, newest: WrittenReport, invocation: "Invocation") -> None:
        now = self._clock.now()
        judgement = self._judging.read(now, lambda: invocation.time_left(self._clock.now()) > LEAST_TIME)
        surroundings = read_surroundings(
            self._clients,
            judgement.topology,
            judgement.since,
            now.timestamp(),
            lambda: invocation.time_left(self._clock.now()) > TIME_TO_WRITE,
        )
        found = replace(
            documentation(judgement, surroundings, not_looked_at=NOT_LOOKED_AT),
            account=self._place.account,
            region=self._place.region,
            removals=tuple(
                one
                for one in self._removals.all()
                if one.state.is_open or one.changed_at.timestamp() >= judgement.since
            ),
        )
        files = {
            "evidence.json": evidence_json.dump(found),
            "groups.json": document_json.dump(found),
            "groups.md": markdown(found).encode(),
            "report.html": page(found).encode(),
        }
        folder = self._reports.save(now, files)
        counts = Counter(one.verdict for one in found.rules)
        report = groups_reported(found, counts, folder, by=wanted.by, is_requested=wanted.is_requested)
        known = self._findings.reported()
        unused = self._unused(found, judgement.topology, now)
        new = known.unreported(unused)
        self._notices.publish([report, *findings_reported(new)])
        self._findings.save(known, unused, is_complete=True)
        self._items.save(replace(newest, begun=now, folder=folder))
        _publish(found, counts)

    def _unused(self, found: Documentation, topology: "Topology", now: datetime) -> list[Finding]:
        """Unused rules of managed groups that nobody wants to keep, and that are not being removed."""
        in_removal = {one.rule.id for one in found.removals if one.state.is_open}
        return [
            Finding(one.rule.id, "unused rule", f"nothing used {text_of(one.rule)} of {one.rule.group} in the window")
            for one in found.rules
            for group in [topology.groups.get(one.rule.group)]
            if one.verdict is Verdict.UNUSED
            and one.rule.id not in in_removal
            and is_managed(group)
            and not is_kept(one.rule, group, now.date())
        ]


def _publish(found: Documentation, counts: Mapping[Verdict, int]) -> None:
    metrics.publish(
        {
            "Rules": len(found.rules),
            "RulesUsed": counts.get(Verdict.USED, 0),
            "RulesPossiblyUsed": counts.get(Verdict.POSSIBLY_USED, 0),
            "RulesScannedOnly": counts.get(Verdict.SCANNED_ONLY, 0),
            "RulesUnused": counts.get(Verdict.UNUSED, 0),
            "RulesUnknown": counts.get(Verdict.UNKNOWN, 0),
            "RulesRedundant": len(found.redundant),
            "Gaps": len(found.gaps),
        }
    )
