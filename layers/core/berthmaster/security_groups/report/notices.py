"""What security_groups says, as notices."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from berthmaster.notices import Notice
from berthmaster.security_groups.model.backfills import Backfill
from berthmaster.security_groups.model.documentation import Documentation
from berthmaster.security_groups.model.evidence import Verdict
from berthmaster.security_groups.model.findings import Finding
from berthmaster.security_groups.report.wording import time

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


def groups_reported(
    found: Documentation, counts: Mapping[Verdict, int], folder: str, *, by: str, is_requested: bool
) -> Notice:
    """A report was written to a folder in S3; people are notified if they requested it."""
    texts = [f"{counts.get(one, 0)} {one}" for one in Verdict]
    since, until = time(found.since), time(found.until)
    notes = "".join(f"\n- {one}" for one in found.notes)
    return Notice(
        "Security Groups Reported",
        {
            "report": folder,
            "since": since,
            "until": until,
            "groups": len(found.groups),
            "rules": len(found.rules),
            **{one.value.replace(" ", "_"): counts.get(one, 0) for one in Verdict},
            "redundant": len(found.redundant),
            "gaps": len(found.gaps),
            "by": by,
        },
        subject=f"security groups: {counts.get(Verdict.UNUSED, 0)} unused of {len(found.rules)} rules",
        text=(
            f"{len(found.rules)} rules of {len(found.groups)} groups, from {since} to {until}: {', '.join(texts)};"
            f" {len(found.redundant)} redundant; {len(found.gaps)} gaps in what flow logs tell. The report: {folder}"
            f"\n{notes}"
            if is_requested
            else ""
        ),
    )


def backfill_completed(backfill: Backfill) -> Notice:
    """All files of a backfill were found and queued."""
    where = f"s3://{backfill.bucket}/{backfill.prefix}"
    return Notice(
        "Flow Log Backfill Completed",
        {
            "backfill": backfill.id,
            "bucket": backfill.bucket,
            "prefix": backfill.prefix,
            "from": backfill.since,
            "to": backfill.until,
            "files": backfill.files,
            "bytes": backfill.bytes,
            "others": backfill.others,
            "by": backfill.by,
        },
        (f"arn:aws:s3:::{backfill.bucket}",),
        subject=f"backfill: {backfill.files} files of {backfill.bucket} are queued",
        text=(
            f"{backfill.files} files of flow logs in {where} from {backfill.since} to {backfill.until} are queued, and"
            f" are read one after the other; {backfill.others} other objects are not. What they say is in the reports"
            " that are written afterwards."
        ),
    )
