"""What becomes of an object version that has come: pure."""

from collections.abc import Iterable
from datetime import datetime

from berthmaster.batch.model.files import File, State
from berthmaster.batch.plan.identity import is_newer
from berthmaster.batch.plan.transitions import ended

UNTOUCHABLE = (State.COMMITTING, State.COMMITTED)
"""A newer version does not supersede what has a result, or is about to have one."""


def received(file: File, *, observes: bool) -> File:
    """The file in its first state."""
    if file.key.endswith("/") and not file.size:
        return ended(
            file, State.SKIPPED, file.received_at, "it is a folder marker: an empty object whose key ends with /"
        )
    if observes:
        return ended(file, State.OBSERVED, file.received_at, "the mode is observe")
    return file


def superseded(versions: Iterable[File], now: datetime) -> list[File]:
    """The versions of one key that a newer one supersedes, as they are to be written."""
    ordered = list(versions)
    return [
        ended(one, State.SUPERSEDED, now, f"a newer version came: {newer.version_id or newer.etag}")
        for one in ordered
        if one.is_live and one.state not in UNTOUCHABLE
        for newer in [next((other for other in ordered if is_newer(other.sequencer, one.sequencer)), None)]
        if newer is not None
    ]
