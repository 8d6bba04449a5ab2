"""What becomes of an object version that has come, or of an object that was deleted: pure."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from berthmaster.batch.model.files import File, State
from berthmaster.batch.model.stops import OwnStop
from berthmaster.batch.plan.identity import is_newer
from berthmaster.batch.plan.transitions import ended, with_launch
from berthmaster.batch.plan.versions import created_at, newest
from berthmaster.modes import Mode

UNTOUCHABLE = (State.COMMITTING, State.COMMITTED)
"""A newer version does not supersede what has a result, or is about to have one."""
NOT_PROCESSING = (Mode.OFF, Mode.OBSERVE)
"""What comes in these modes is not processed later either: turning batch on launches nothing that nobody expects."""
MAY_HAVE_TASK = (State.LAUNCHING, State.STARTING, State.RUNNING)


def received(file: File, *, is_empty: bool, mode: Mode) -> File:
    """The file in its first state. is_empty: whether S3 says that it has no bytes."""
    if is_empty and file.key.endswith("/"):
        marker = "it is a folder marker: an empty object whose key ends with /"
        return ended(file, State.SKIPPED, file.received_at, marker)
    if is_empty:
        ending = ended(file, State.SKIPPED, file.received_at, "the object is empty")
    elif mode in NOT_PROCESSING:
        ending = ended(file, State.OBSERVED, file.received_at, f"the mode is {mode}")
    else:
        return file
    return replace(ending, unreported=mode is not Mode.OFF)


def same_object(versions: Sequence[File], file: File) -> File | None:
    """The version that is this file: it has its id, or was found by listing before its event came; None if none is."""
    for one in versions:
        if one.id == file.id:
            return one
    for one in versions:
        is_same = (one.version_id, one.etag) == (file.version_id, file.etag)
        if is_same and (
            one.sequencer == file.sequencer
            if one.sequencer
            # What was uploaded after the listing is another version, though its content be the same.
            else bool(file.sequencer) and created_at(file) < created_at(one)
        ):
            return one
    return None


def settled(versions: Sequence[File], file: File, now: datetime) -> list[File]:
    """What is to be written now that all versions of a file's key are known, of which it may be one.

    A version that was found by listing gets the sequencer of its event; the newest version supersedes all others that
    have no result.
    """
    known = same_object(versions, file)
    named = _named(known, file) if known else None
    current = [named if named and one.id == named.id else one for one in versions]
    winner = newest(current)
    changed = {} if named is None or named == known else {named.id: named}
    changed |= {
        one.id: _superseded(one, winner, now)
        for one in current
        if winner and one.id != winner.id and one.is_live and one.state not in UNTOUCHABLE
    }
    return list(changed.values())


def vanished(versions: Collection[File], *, version_id: str, sequencer: str, at: datetime, now: datetime) -> list[File]:
    """The files that lose their object by a deletion, as they are to be written: those that wait.

    version_id: of the version that was deleted for good; empty if whatever was there is gone.
    """
    return [
        ended(one, State.VANISHED, now, "its object was deleted before its turn")
        for one in versions
        if one.state is State.WAITING
        and (
            one.version_id == version_id
            if version_id
            else is_newer(sequencer, one.sequencer)
            if sequencer and one.sequencer
            else at > created_at(one)
        )
    ]


def _named(known: File, file: File) -> File:
    """A file that was found by listing, with what its event says."""
    if known.sequencer or not file.sequencer:
        return known
    return replace(known, sequencer=file.sequencer, created_at=file.created_at)


def _superseded(file: File, newer: File, now: datetime) -> File:
    """A task that it may have is to be stopped."""
    if file.state in MAY_HAVE_TASK:
        file = with_launch(file, stopped_for=OwnStop.SUPERSEDED)
    return ended(file, State.SUPERSEDED, now, f"a newer version came: file {newer.id}")
