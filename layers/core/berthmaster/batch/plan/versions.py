"""Which of the versions of a key is the newest, and which need not be remembered for long: pure.

S3 orders the events of a key by sequencers. A file that was found by listing has none until its event comes: it was the
current version at that moment, so it is later than what had been created before, whenever the events of that come.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import reduce
from itertools import islice

from berthmaster.batch.model.files import File, State
from berthmaster.batch.plan.balance import FOR_GOOD
from berthmaster.batch.plan.identity import is_newer
from berthmaster.batch.plan.leftovers import launches_to_sweep
from berthmaster.batch.plan.transitions import ended

REMEMBERED = 50
"""Versions of a key that are kept as long as any file: all of them are read whenever another one comes."""
SURPASSED = "newer versions came"
FORGOTTEN_AT_ONCE = 5
"""More than come, so that a long history gets shorter."""
FORGOTTEN_AFTER = timedelta(days=1)
"""Not before the balance has counted it: one that has not been struck for so long counts everything again."""


def is_later(one: File, other: File) -> bool:
    """Whether one version of a key is later than another one of it; of two, exactly one is."""
    if bool(one.sequencer) is not bool(other.sequencer):
        return not is_later(other, one) if one.sequencer else _is_listed_later(one, other)
    if is_newer(one.sequencer, other.sequencer) or is_newer(other.sequencer, one.sequencer):
        return is_newer(one.sequencer, other.sequencer)
    return (created_at(one), one.id) > (created_at(other), other.id)


def newest(versions: Iterable[File]) -> File | None:
    """The version that has or gets the result of a key; None if there are no versions.

    One that was superseded does not come back, so there is always one that was not: whatever order events and listings
    come in, and however they contradict each other.
    """
    known = list(versions)
    candidates = [one for one in known if one.state is not State.SUPERSEDED] or known
    latest = [
        reduce(_later, kind)
        for kind in ([one for one in candidates if one.sequencer], [one for one in candidates if not one.sequencer])
        if kind
    ]
    return reduce(_later, latest) if latest else None


def forgettable(versions: Collection[File], now: datetime) -> list[File]:
    """Some of the oldest versions of a key, as they are to be written, if there are many: they expire in a day.

    Nothing asks for them any more: a late copy of their event is older than the newest version, and so superseded as
    soon as it is received. What is later than a live version is kept, since that one must not be published over it.
    """
    if len(versions) <= REMEMBERED or (latest := newest(versions)) is None:
        return []
    oldest = sorted(versions, key=lambda one: (created_at(one), one.id))[:-REMEMBERED]
    alive = [one for one in versions if one.is_live]

    def found() -> Iterator[File]:
        for one in oldest:
            is_over = one.state in {*FOR_GOOD, State.OBSERVED} and not one.unreported and not launches_to_sweep(one)
            if is_over and not one.forget_at and all(is_later(other, one) for other in (latest, *alive)):
                # No backfill can have it processed any more, since it is not what a listing has.
                over = ended(one, State.SUPERSEDED, now, SURPASSED) if one.state is State.OBSERVED else one
                yield replace(over, forget_at=now + FORGOTTEN_AFTER)

    return list(islice(found(), FORGOTTEN_AT_ONCE))


def created_at(file: File) -> datetime:
    """When its version was created; for one that was found by listing, when it was found."""
    return file.created_at or file.received_at


def _is_listed_later(listed: File, sent: File) -> bool:
    """Whether a version that was found by listing is later than one whose event has come."""
    is_same = listed.etag == sent.etag and listed.version_id == sent.version_id
    return not is_same and created_at(listed) > created_at(sent)


def _later(one: File, other: File) -> File:
    return one if is_later(one, other) else other
