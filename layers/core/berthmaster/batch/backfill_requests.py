"""Requests about backfills: to count what was in a pipeline's input before, and to cancel."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from berthmaster.envelope import OPERATOR_SOURCE, Envelope, Name, Parsers
from berthmaster.errors import InvalidEvent
from berthmaster.requests import Request

BACKFILL_REQUESTED = "Backfill Requested"
CANCEL_REQUESTED = "Cancel Requested"

Moment = Annotated[datetime, Meta(tz=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillRequest(Request):
    """An operator wants objects processed that were there before.

    prefix: what the keys begin with; empty for the whole input. since, until: of their last modification.
    """

    pipeline: str
    prefix: str = ""
    since: datetime | None = None
    until: datetime | None = None

    @property
    def detail_type(self) -> str:
        """Of the event."""
        return BACKFILL_REQUESTED

    @property
    def subject(self) -> str:
        """The pipeline."""
        return self.pipeline


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelBackfill(Request):
    """An operator wants no more of a backfill. backfill: its id, which is that of its proposal."""

    backfill: str

    @property
    def detail_type(self) -> str:
        """Of the event."""
        return CANCEL_REQUESTED

    @property
    def subject(self) -> str:
        """The backfill."""
        return self.backfill


class _Detail(Struct, kw_only=True):
    pipeline: Annotated[str, Meta(min_length=1, max_length=64)]
    prefix: Annotated[str, Meta(max_length=1024)] = ""
    since: Moment | UnsetType = UNSET
    until: Moment | UnsetType = UNSET
    by: Name = ""


def _request(event: Envelope) -> BackfillRequest:
    detail = event.as_(_Detail)
    since = None if isinstance(detail.since, UnsetType) else detail.since
    until = None if isinstance(detail.until, UnsetType) else detail.until
    if since and until and since > until:
        raise InvalidEvent("detail.since", "is later than `until`")
    return BackfillRequest(
        pipeline=detail.pipeline,
        prefix=detail.prefix,
        since=since,
        until=until,
        by=detail.by,
        id=event.id,
        time=event.at,
    )


PARSERS: Parsers[BackfillRequest] = {(OPERATOR_SOURCE, BACKFILL_REQUESTED): _request}
