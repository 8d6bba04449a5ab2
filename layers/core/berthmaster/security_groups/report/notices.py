"""What security_groups says, as notices."""

from collections.abc import Sequence
from dataclasses import replace

from berthmaster.notices import Notice
from berthmaster.security_groups.model.findings import Finding

SHOWN = 20
"""Findings that one message lists."""


def findings_reported(findings: Sequence[Finding]) -> list[Notice]:
    """One notice per finding; people get one message that lists all of them, with the first notice."""
    notices = [
        Notice(
            "Finding Reported",
            {"resource": one.resource, "code": one.code, "text": one.text},
            (one.resource,),
            is_warning=True,
        )
        for one in findings
    ]
    if not notices:
        return []
    lines = [f"{one.resource}\n  {one.code}: {one.text}." for one in findings[:SHOWN]]
    if len(findings) > SHOWN:
        lines.append(f"and {len(findings) - SHOWN} more")
    subject = f"{findings[0].code} of {findings[0].resource}" if len(findings) == 1 else f"{len(findings)} findings"
    return [replace(notices[0], subject=f"security groups: {subject}", text="\n".join(lines)), *notices[1:]]
