"""Requests that change files: what one asks of each file, and how far one about many files has come."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Action(StrEnum):
    """What becomes of a file."""

    CANCEL = "cancel"
    REPLAY = "replay"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What an operator asks of a file. by: who. id, at: of the event that asks, of which EventBridge knows seconds."""

    action: Action
    by: str
    id: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A change of all files of a pipeline that are concerned; one ledger item, kept for some weeks.

    only_behind: whether it concerns files alone that wait behind all others. since: files that have come to their end
    before are not concerned; None for no such limit. most: files that may be changed. section, shard: the part of the
    index and the partition that were read last, none yet if that is -1. after: the last file of that page, by its keys;
    None if it was the last page. pending: the files of that page, which may have been changed already. done: files
    changed. left, failed: in this round, files that may not be changed, and that could not be. round: how often the
    files were gone through, since they move meanwhile. was_done: files changed before this round. carried_on_at: when
    it was last worked on. ended_at: None while it is not. reported: whether the bus knows of its end.
    """

    change: Change
    pipeline: str
    only_behind: bool = False
    since: datetime | None = None
    most: int
    section: int = 0
    shard: int = -1
    after: tuple[str, str] | None = None
    pending: tuple[str, ...] = ()
    done: int = 0
    left: int = 0
    failed: int = 0
    round: int = 1
    was_done: int = 0
    carried_on_at: datetime
    ended_at: datetime | None = None
    reported: bool = False
    version: int = 0

    @property
    def sort_key(self) -> str:
        """The id of the request."""
        return self.change.id
