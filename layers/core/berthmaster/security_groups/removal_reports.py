"""What people are notified of once: rules that would be removed, patches, and rules that may not be written to."""

from typing import TYPE_CHECKING

from berthmaster.reported_findings import Findings
from berthmaster.security_groups.model.findings import Finding
from berthmaster.security_groups.model.place import Place
from berthmaster.security_groups.model.removals import RemovalState
from berthmaster.security_groups.plan.holds import NO_RECORD
from berthmaster.security_groups.plan.keeping import is_managed
from berthmaster.security_groups.plan.patches import changes_of
from berthmaster.security_groups.plan.rule_text import text_of
from berthmaster.security_groups.plan.situation import Patch, RemovalPlan, Report, Situation, Wait
from berthmaster.security_groups.report.notices import findings_reported
from berthmaster.security_groups.report.removal_notices import patch_proposed, reported, unmanaged

if TYPE_CHECKING:
    from collections.abc import Mapping

    from berthmaster.clients import Clients
    from berthmaster.notices import Notice, Notices
    from berthmaster.security_groups.settings import ChangeSettings

_WRITTEN = frozenset({RemovalState.QUARANTINED, RemovalState.REVOKING, RemovalState.REVOKED, RemovalState.RESTORING})
"""Whoever removes the tag of such a rule's group cannot have it restored."""


class RemovalReports:
    """Remembers what was reported: a rule that may go is reported once, however often it may not for a while."""

    def __init__(self, settings: "ChangeSettings", clients: "Clients", notices: "Notices", place: Place) -> None:
        self._notices = notices
        self._place = place
        dynamodb, table = clients.dynamodb, settings.security_groups_table
        self._removals = Findings(dynamodb, table, "removals")
        self._patches = Findings(dynamodb, table, "patches")
        self._rules = Findings(dynamodb, table, "unmanaged rules")
        self._unrecorded = Findings(dynamodb, table, "unrecorded rules")

    def report(self, plan: RemovalPlan, situation: Situation) -> None:
        """Publish what was not reported before."""
        self._publish(self._removals, {_reported(one): self._report(one, situation) for one in plan.of(Report)})
        self._publish(self._patches, {_patched(one): self._patch(one, situation) for one in plan.of(Patch)})
        self._publish(self._rules, self._unmanaged(situation), is_complete=True)
        self._publish(self._unrecorded, self._without_record(plan))

    def _publish(self, findings: Findings, found: "Mapping[Finding, Notice]", *, is_complete: bool = False) -> None:
        known = findings.reported()
        new = known.unreported(list(found))
        self._notices.publish([found[one] for one in new])
        findings.save(known, found, is_complete=is_complete)

    def _report(self, step: Report, situation: Situation) -> "Notice":
        owner = situation.owner(step.candidate.rule.group)
        return reported(step.candidate, step.origin, owner, step.obstacle)

    def _patch(self, step: Patch, situation: Situation) -> "Notice":
        rule = step.candidate.rule
        changes = changes_of(rule, situation.groups.get(rule.group), step.origin, self._place.region)
        return patch_proposed(step.candidate, step.origin, situation.owner(rule.group), changes)

    def _unmanaged(self, situation: Situation) -> "dict[Finding, Notice]":
        found = {}
        for one in situation.removals:
            group = situation.groups.get(one.rule.group)
            if one.state in _WRITTEN and group and not is_managed(group):
                finding = Finding(one.rule.id, "not managed", f"{one.rule.group} is not managed any more")
                found[finding] = unmanaged(one, group, self._place)
        return found

    def _without_record(self, plan: RemovalPlan) -> "dict[Finding, Notice]":
        """Rules that were left in quarantine when the ledger was lost, say."""
        rules = [
            *(one.rule for one in plan.of(Wait) if one.reason == NO_RECORD),
            *(one.candidate.rule for one in plan.of(Report) if one.obstacle == NO_RECORD),
        ]
        found = [Finding(one.id, "left in quarantine", f"{text_of(one)} of {one.group}: {NO_RECORD}") for one in rules]
        return dict(zip(found, findings_reported(found), strict=True))


def _reported(step: Report) -> Finding:
    return Finding(step.candidate.rule.id, "may go", f"{text_of(step.candidate.rule)}; {step.obstacle}")


def _patched(step: Patch) -> Finding:
    return Finding(step.candidate.rule.id, "patch", f"{text_of(step.candidate.rule)}; {step.origin}")
