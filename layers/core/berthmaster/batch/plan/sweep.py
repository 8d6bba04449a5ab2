"""Which objects of a listing may have lost their event: pure.

A listing is complete after one run or many. It looks at the objects that were modified since the one before it, so
each is looked at once, however many there are. What was uploaded in parts has the time when the upload began, as the S3
guide says of Last-Modified; it may have taken days, so once a day a listing looks at all that began within a week.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from berthmaster.batch.model.pipelines import Pipeline
from berthmaster.batch.model.sweep import LONG_AGO, Enforcement, ListedObject, Sweep

LISTED_AFTER = timedelta(minutes=5)
"""Whoever lists objects leaves younger ones to their events. An event that is older may find its file listed."""
EVERY = timedelta(minutes=5)
DEEP_EVERY = timedelta(days=1)
LONGEST_UPLOAD = timedelta(days=7)
OVERLAP = timedelta(minutes=1)
"""S3's clock and the functions' differ, and S3 gives whole seconds."""
NOT_SEEN = timedelta(minutes=10)
"""After so long without a run, batch may have been off: no event came of what was put then, and it is left alone."""


def enforcement(known: Enforcement | None, now: datetime, *, is_on: bool) -> Enforcement:
    """Since when files are processed, in the modes approve and enforce, as it is known by this run."""
    before = known or Enforcement()
    was_on = before.is_on and now - before.seen_at < NOT_SEEN
    return replace(before, is_on=is_on, since=before.since if is_on and was_on else now, seen_at=now)


def begun(known: Sweep | None, pipeline: Pipeline, *, in_force_since: datetime, enforced_since: datetime) -> Sweep:
    """The sweep of a pipeline's input, as it goes on: from the beginning for an input that was not in force before.

    in_force_since: of this version of the pipeline.
    """
    if known is None or known.source != pipeline.input or not known.is_in_force:
        version = known.version if known else 0
        since = in_force_since
        known = Sweep(pipeline=pipeline.name, source=pipeline.input, since=since, deep_at=since, version=version)
    return replace(known, since=max(known.since, enforced_since))


def is_due(sweep: Sweep, now: datetime) -> bool:
    """Whether a listing goes on, or another one is to begin."""
    return bool(sweep.after) or now - sweep.began >= EVERY


def next_listing(sweep: Sweep, now: datetime, leave_to_events: timedelta) -> Sweep:
    """The listing that goes on, or the next one. leave_to_events: what is younger may still come by its event."""
    if sweep.after:
        return sweep
    is_deep = now - sweep.deep_at >= DEEP_EVERY
    deep_at = now if is_deep else sweep.deep_at
    return replace(sweep, began=now, until=now - leave_to_events, is_deep=is_deep, deep_at=deep_at, has_failed=False)


def concerns(sweep: Sweep, found: ListedObject) -> bool:
    """Whether the listing looks at an object."""
    earliest = sweep.checked - OVERLAP if sweep.checked > LONG_AGO else LONG_AGO
    if sweep.is_deep and "-" in found.etag:
        earliest = min(earliest, sweep.until - LONGEST_UPLOAD)
    return max(earliest, sweep.since) <= found.modified <= sweep.until


def reached(sweep: Sweep, key: str, *, has_failed: bool) -> Sweep:
    """The listing has come to a key; empty if it is complete. has_failed: whether some object could not be received.

    A complete listing that has failed somewhere is followed by one that looks at the same objects, and newer ones.
    """
    sweep = replace(sweep, after=key, has_failed=sweep.has_failed or has_failed)
    return sweep if key or sweep.has_failed else replace(sweep, checked=sweep.until)
