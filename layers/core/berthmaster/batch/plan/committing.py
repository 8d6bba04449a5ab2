"""Who may commit and publish the result of a file, and when: pure.

Committing is a lease: a file that is `committing` is held by one invocation until `committing_until`, which is after
the end of that invocation. Whoever finds it held leaves it to the holder, whose own message is received again if the
holder dies.

Stable names belong to a key, of which two versions may be committed at a time, by invocations that are slow or die at
any call. The names hold the result of the newest version that has one, because:

1. An invocation publishes only while it holds its file, and only if, after it took it, it has seen no other version of
   the key that is held. All are read consistently. Of two invocations that take two versions, the one that reads last
   sees the other one's lease, so no two publish at the same time. A lease outlives its invocation by a margin, in which
   S3 completes a copy that was requested.
2. It does not publish if a newer version is committed, or has begun to be copied. So what is published last is that of
   the newest one: whoever comes later with an older version sees it.
3. Copying goes on where it ended only for a version that no older one can have written over meanwhile, by 2: how far it
   has come is written down before the lease is given back.

If two invocations see each other, both give back their leases and come again, the newer one sooner.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

from berthmaster.batch.model.files import File, State
from berthmaster.batch.plan.versions import is_later

MARGIN = timedelta(seconds=30)
"""For clocks that differ, and for copies that S3 carries on after their invocation has ended."""
SOON, LATER = timedelta(seconds=3), timedelta(seconds=10)
LONGEST = timedelta(minutes=10)
"""Between two tries to commit."""


class Turn(StrEnum):
    """Whether the result of a file is published now."""

    PUBLISH = "publish"
    WAIT = "wait"
    """Another version of the key is committed at the moment."""
    NEVER = "never"
    """A newer version is published."""


def is_held(file: File, now: datetime) -> bool:
    """Whether an invocation commits the file."""
    return file.state is State.COMMITTING and file.committing_until is not None and file.committing_until > now


def given_back(file: File, now: datetime, *, again_at: datetime, reason: str = "", copied: int = 0) -> File:
    """The file as nobody holds it.

    again_at: when its message comes again. copied: how many objects of its result stand under their stable names.
    """
    return replace(file, committing_until=now, due=again_at, reason=reason, copied=max(copied, file.copied))


def turn(file: File, versions: Iterable[File], now: datetime) -> Turn:
    """Whether the result of a file is published; versions: of its key, read after the file was taken."""
    others = [one for one in versions if one.id != file.id]
    if any(is_later(one, file) and (one.state is State.COMMITTED or one.copied) for one in others):
        return Turn.NEVER
    return Turn.WAIT if any(is_held(one, now) for one in others) else Turn.PUBLISH


def comes_again_after(file: File, versions: Iterable[File]) -> timedelta:
    """How long a file waits for other versions of its key."""
    return LATER if any(is_later(one, file) for one in versions if one.id != file.id) else SOON


def tried_again_after(file: File, now: datetime) -> timedelta:
    """How long to wait after a try to commit that has failed: the longer, the longer it has been tried."""
    return min(LONGEST, max(LATER, (now - file.since) / 2))
