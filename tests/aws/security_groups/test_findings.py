"""A finding is reported once, and again when it comes back after it was gone."""

import pytest

from berthmaster.items import Conflict
from berthmaster.reported_findings import Findings
from berthmaster.security_groups.model.findings import Finding
from berthmaster.security_groups.report.notices import findings_reported
from simulator.cloud import Cloud
from simulator.stack.deployment import Deployment

UNKNOWN = Finding("fl-1", "unknown flow log", "its files are not read")
DENIED = Finding("logs", "access denied", "its files cannot be read")


def test_a_finding_is_reported_until_it_is_saved_and_again_once_it_was_gone() -> None:
    with Cloud() as cloud:
        table = Deployment(cloud).template.identity("SecurityGroupsTable").name
        findings = Findings(cloud.client("dynamodb"), table, "files")
        known = findings.reported()
        assert known.unreported([UNKNOWN, DENIED, UNKNOWN]) == [UNKNOWN, DENIED]
        findings.save(known, [UNKNOWN], is_complete=False)
        assert findings.reported().unreported([UNKNOWN, DENIED]) == [DENIED]
        findings.save(findings.reported(), [DENIED], is_complete=False)
        assert findings.reported().unreported([UNKNOWN, DENIED]) == []
        findings.save(findings.reported(), [DENIED], is_complete=True)
        assert findings.reported().unreported([UNKNOWN, DENIED]) == [UNKNOWN]
        with pytest.raises(Conflict):
            findings.save(known, [UNKNOWN, DENIED], is_complete=True)


def test_people_get_one_message_about_all_findings() -> None:
    first, second = findings_reported([UNKNOWN, DENIED])
    assert (first.detail_type, first.resources, first.subject) == (
        "Finding Reported",
        ("fl-1",),
        "security groups: 2 findings",
    )
    assert "logs\n  access denied: its files cannot be read." in first.text
    assert second.text == ""
    assert findings_reported([]) == []
