"""What is reported about backfills."""

from datetime import timedelta
from typing import Any

from berthmaster.approval import command
from berthmaster.batch.model.backfills import Backfill, Count, Fate, Stage
from berthmaster.batch.plan.sweep import LISTED_AFTER
from berthmaster.batch.report.notices import shown
from berthmaster.notices import Notice


def backfill_proposed(backfill: Backfill, *, bus: str, region: str, is_observing: bool) -> Notice:
    """Its objects are counted. is_observing: whether the mode lets nothing be launched."""
    planned, expected = backfill.planned, backfill.expected
    approve, reject = (
        command(bus, region, f"Proposal {outcome}", proposal=backfill.id, fingerprint=backfill.fingerprint)
        for outcome in ("Approved", "Rejected")
    )
    text = (
        f"{_what(backfill)}: {planned.files:,} files with {_size(planned.bytes)} would be processed"
        f"{_of_observed(planned)}. That is expected to take {_time(expected.seconds)} and to cost"
        f" {_price(expected.dollars)}{_reckoned(expected.reason)}.\n\nNot among them: {_left_out(planned)}.\n\n"
    )
    if not planned.files:
        text += "There is nothing to do."
    elif is_observing:
        text += "The mode is observe, so nothing is launched: this cannot be approved until BatchMode is `enforce`."
    else:
        text += (
            f"No more than these are processed, behind all files that come meanwhile. To approve:\n\n{approve}\n\nTo"
            f" reject:\n\n{reject}"
        )
    return Notice(
        "Backfill Proposed",
        {
            "proposal": backfill.id,
            "fingerprint": backfill.fingerprint,
            **_named(backfill),
            **_counted(planned),
            "expected_seconds": None if expected.seconds is None else round(expected.seconds),
            "expected_dollars": None if expected.dollars is None else round(expected.dollars, 4),
            "approve": approve,
            "reject": reject,
        },
        (f"arn:aws:s3:::{backfill.source.bucket}",),
        subject=f"backfill of {backfill.pipeline}: {planned.files} files",
        text=text,
        group="backfills proposed",
    )


def backfill_completed(backfill: Backfill) -> Notice:
    """All its files were received, and none of them waits for its first launch."""
    counted = backfill.counted
    text = (
        f"{_what(backfill)} is completed: {counted.files:,} files with {_size(counted.bytes)} were put behind those"
        f" that came meanwhile{_of_observed(counted)}, and have been launched. Left as they are:"
        f" {_left_out(counted)}."
    )
    if backfill.failed:
        text += f" {backfill.failed:,} could not be received, as the log says: request another backfill for them."
    if backfill.is_cut:
        text += " There are more objects than were approved: request another backfill for them."
    return _ended(backfill, text, is_warning=bool(backfill.failed or backfill.is_cut))


def backfill_cancelled(backfill: Backfill) -> Notice:
    """It has ended before all its files were received."""
    text = (
        f"{_what(backfill)} is cancelled: {backfill.reason}. {backfill.counted.files:,} of"
        f" {backfill.planned.files:,} files had been received."
    )
    if backfill.cancel_id:
        text += " Those that still wait behind others are being cancelled; Request Completed says how many."
    return _ended(backfill, text, is_warning=not backfill.cancel_id)


def progress_of(backfill: Backfill) -> dict[str, Any]:
    """How far one has come, for a status."""
    return {
        "id": backfill.id,
        "stage": backfill.stage,
        "since": backfill.stage_since.isoformat(timespec="seconds"),
        "planned": backfill.planned.files,
        "received": backfill.counted.files if backfill.stage not in {Stage.COUNTING, Stage.PROPOSED} else 0,
        "reason": backfill.reason,
    }


def _ended(backfill: Backfill, text: str, *, is_warning: bool) -> Notice:
    is_completed = backfill.stage is Stage.COMPLETED
    return Notice(
        "Backfill Completed" if is_completed else "Backfill Cancelled",
        {
            "backfill": backfill.id,
            **_named(backfill),
            "planned": backfill.planned.files,
            **_counted(backfill.counted),
            "failed": backfill.failed,
            "reason": backfill.reason,
        },
        (f"arn:aws:s3:::{backfill.source.bucket}",),
        subject=f"backfill of {backfill.pipeline} {backfill.stage}: {backfill.counted.files} files",
        text=text,
        is_warning=is_warning,
    )


def _named(backfill: Backfill) -> dict[str, Any]:
    return {
        "pipeline": backfill.pipeline,
        "bucket": backfill.source.bucket,
        "prefix": backfill.prefix,
        "since": backfill.since and backfill.since.isoformat(),
        "until": backfill.until.isoformat(timespec="seconds"),
        "by": backfill.by,
    }


def _counted(count: Count) -> dict[str, Any]:
    return {
        "files": count.files,
        "bytes": count.bytes,
        **{str(fate): count.of(fate) for fate in (Fate.OBSERVED, Fate.KNOWN, Fate.EMPTY, Fate.OUTSIDE)},
    }


def _what(backfill: Backfill) -> str:
    source = backfill.source
    since = f" modified since {backfill.since:%Y-%m-%d %H:%M:%S} UTC" if backfill.since else ""
    return (
        f"The backfill of the pipeline {backfill.pipeline}, s3://{source.bucket}/{shown(backfill.prefix)}*"
        f"{shown(source.suffix)}{since}, until {backfill.until:%Y-%m-%d %H:%M:%S} UTC"
    )


def _left_out(count: Count) -> str:
    minutes = LISTED_AFTER // timedelta(minutes=1)
    return (
        f"{count.of(Fate.KNOWN):,} that the ledger knows, {count.of(Fate.EMPTY):,} empty ones, and"
        f" {count.of(Fate.OUTSIDE):,} modified at other times, or within {minutes} minutes before the request"
    )


def _of_observed(count: Count) -> str:
    observed = count.of(Fate.OBSERVED)
    return f", {observed:,} of which came in mode observe" if observed else ""


def _size(count: int) -> str:
    size, unit = float(count), "bytes"
    for larger in ("KB", "MB", "GB", "TB"):
        if size < 1000:  # noqa: PLR2004 - decimal units
            break
        size, unit = size / 1000, larger
    return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "a time that is not known, since no file was measured yet"
    minutes = round(seconds / 60)
    return f"{minutes // 60:,} h {minutes % 60} min"


def _price(dollars: float | None) -> str:
    return "what is not known either" if dollars is None else f"${dollars:,.2f}"


def _reckoned(reason: str) -> str:
    return f" ({reason})" if reason else ""
