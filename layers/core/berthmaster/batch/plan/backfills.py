"""What becomes of a backfill, and of each object that it finds: pure.

An object is known by the ids of its key's versions, which are read for all keys at once, and are in memory. Only a key
that has come in another version too, or of which the id does not say that it is the one that was listed, is looked at
by itself: as is one in a bucket without versioning that the ledger knows by an event.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from statistics import mean

from berthmaster.batch.model.backfills import Backfill, Count, Expected, Fate, ListedVersion, Stage
from berthmaster.batch.model.files import File, State
from berthmaster.batch.model.pipelines import Input, Pipeline
from berthmaster.batch.plan.balance import margin
from berthmaster.batch.plan.identity import file_id
from berthmaster.batch.plan.known_ids import KnownIds
from berthmaster.batch.plan.matching import related_prefixes
from berthmaster.batch.plan.transitions import moved
from berthmaster.batch.plan.versions import newest

MOST_BEHIND = 5_000
"""Files of a pipeline that wait behind all others: more are received as they are launched."""
STRIDE = 5_000
"""Objects that are received until the backfill is written again: what was received lately is read once for them."""
PAGES = 10
"""Of a listing, for as many objects at most: few may match, or there may be many old versions."""
LAUNCHES_A_SECOND = 20
"""In an account and Region."""
MOST_TRIES = 5
"""At the same objects; those that cannot be received are left out then."""
ACTIVATED = "it came in mode observe, and a backfill has it processed"


def prefix_of(source: Input, wanted: str) -> str | None:
    """What the keys of a backfill begin with; None if no input of the pipeline begins with what is wanted."""
    return max(source.prefix, wanted, key=len) if related_prefixes(source.prefix, wanted) else None


def effect(backfill: Backfill, pipeline: Pipeline) -> dict[str, object]:
    """What is proposed: which objects are processed, by which tasks, to where."""
    return {
        "bucket": backfill.source.bucket,
        "prefix": backfill.prefix,
        "suffix": backfill.source.suffix,
        "since": backfill.since,
        "until": backfill.until,
        "files": backfill.planned.files,
        "bytes": backfill.planned.bytes,
        "output": pipeline.output,
        "run": pipeline.run,
    }


# Objects


def identifier_of(bucket: str, found: ListedVersion) -> str:
    """The id of the file of an object that the ledger has no version of."""
    # As bucket_sweep names it: two that find it name it alike.
    place = "listed after nothing"
    return file_id(bucket, found.key, version_id=found.version_id, etag=found.etag, sequencer=place)


def fate_of(
    backfill: Backfill, found: ListedVersion, identifier: str, ids: Collection[str], observed: KnownIds
) -> Fate | None:
    """What becomes of an object by the ids of its key's versions; None if those have to be read for that."""
    if found.modified > backfill.until or (backfill.since and found.modified < backfill.since):
        return Fate.OUTSIDE
    if found.size == 0:
        return Fate.EMPTY
    if not ids:
        return Fate.NEW
    if set(ids) == {identifier}:
        return Fate.OBSERVED if identifier in observed else Fate.KNOWN
    return None


def known_version(versions: Collection[File], found: ListedVersion) -> File | None:
    """The version of a key that a listed object is; None if none is.

    Without a version id, that is the newest, if its ETag is the same.
    """
    if found.version_id:
        return next((one for one in versions if one.version_id == found.version_id), None)
    latest = newest(versions)
    return latest if latest is not None and latest.etag == found.etag and not latest.version_id else None


def activated(file: File, backfill: Backfill, now: datetime, *, kept_for: timedelta) -> File | None:
    """A file that was only observed, as it is to be written; None if it is none, or its record is about to expire."""
    if file.state is not State.OBSERVED or now - file.since > kept_for - margin(kept_for):
        return None
    waits = moved(file, State.WAITING, now, reason=ACTIVATED)
    return replace(waits, is_behind=True, unreported=False, request_id=backfill.id, requested_at=backfill.stage_since)


def is_taken(file: File, backfill: Backfill) -> bool:
    """Whether this backfill has received a file, or has had it processed."""
    return file.request_id == backfill.id or (file.is_behind and file.received_at >= backfill.stage_since)


def within[Found](found: Sequence[tuple[Found, bool]], most: int) -> Sequence[tuple[Found, bool]]:
    """The first of what was found, so that at most so many of it may be processed, as the second of each pair says."""
    for number, (_, may_be_taken) in enumerate(found):
        most -= may_be_taken
        if most < 0:
            return found[:number]
    return found


# The backfill


def by_last_files(last: Sequence[File], *, files: int, tasks: int) -> Expected:
    """What so many files take and cost with a task each, so many tasks at once, if they are as the last ones were."""
    lasted = [
        (one.launch.stopped_at - one.launch.requested_at).total_seconds()
        for one in last
        if one.launch and one.launch.stopped_at
    ]
    paid = [one.dollars for one in last if one.dollars]
    if not lasted or not paid:
        return Expected()
    # All tasks work at once, and the last one begins when others have ended; or launches are what takes the time.
    seconds = max(files * mean(lasted) / min(tasks, files), files / LAUNCHES_A_SECOND + mean(lasted))
    reason = f"as the last {len(lasted):,} files of the pipeline took and cost on average, a task each"
    return Expected(seconds=seconds, dollars=files * mean(paid), reason=reason)


def moved_to(backfill: Backfill, stage: Stage, now: datetime, *, reason: str = "") -> Backfill:
    """In another stage, of which the bus does not know yet."""
    return replace(backfill, stage=stage, stage_since=now, reason=reason, reported=False)


def proposed(backfill: Backfill, now: datetime, *, fingerprint: str, expected: Expected) -> Backfill:
    """All its objects are counted."""
    found = moved_to(backfill, Stage.PROPOSED, now)
    return replace(found, fingerprint=fingerprint, planned=backfill.counted, expected=expected)


def begun(backfill: Backfill, now: datetime) -> Backfill:
    """It was approved: the listing begins again."""
    found = moved_to(backfill, Stage.RUNNING, now)
    return replace(found, after="", page_until="", tries=0, is_listed=False, counted=Count(), reported=True)
