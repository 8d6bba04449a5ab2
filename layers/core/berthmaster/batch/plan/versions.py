"""Which of the versions of a key is the newest: pure.

S3 orders the events of a key by sequencers. A file that was found by listing has none until its event comes: it was the
current version at that moment, so it is later than what had been created before, whenever the events of that come.
"""

from collections.abc import Iterable
from datetime import datetime
from functools import reduce

from berthmaster.batch.model.files import File, State
from berthmaster.batch.plan.identity import is_newer


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


def created_at(file: File) -> datetime:
    """When its version was created; for one that was found by listing, when it was found."""
    return file.created_at or file.received_at


def _is_listed_later(listed: File, sent: File) -> bool:
    """Whether a version that was found by listing is later than one whose event has come."""
    is_same = listed.etag == sent.etag and listed.version_id == sent.version_id
    return not is_same and created_at(listed) > created_at(sent)


def _later(one: File, other: File) -> File:
    return one if is_later(one, other) else other
