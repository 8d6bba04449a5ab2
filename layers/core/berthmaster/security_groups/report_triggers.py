"""The messages of security_groups_report: requests of operators, and what it has to go on with."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated

from msgspec import Meta, Struct

from berthmaster import requests
from berthmaster.envelope import OPERATOR_SOURCE, SOURCE, Envelope, Name, Parsers
from berthmaster.errors import InvalidEvent
from berthmaster.requests import Request, Unreadable
from berthmaster.security_groups.model.automation import AUTOMATION
from berthmaster.security_groups.triggers import Bucket
from berthmaster.switch import SwitchRequest, switch_parsers

REPORT_REQUESTED = "Security Groups Report Requested"
STATUS_REQUESTED = "Rule Status Requested"
BACKFILL_REQUESTED = "Flow Log Backfill Requested"
WRITE_REPORT = "Write Report"
"""The detail type of the command by which a report is written, or gone on with."""
FIND_OBJECTS = "Find Flow Logs"
"""That of the command by which a backfill is gone on with."""
MOST_DAYS = 400
"""Of a backfill: the evidence of no day is kept for longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRequest(Request):
    """An operator wants a report now."""

    @property
    def detail_type(self) -> str:
        """Of the event."""
        return REPORT_REQUESTED

    @property
    def subject(self) -> str:
        """All groups."""
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRequest(Request):
    """An operator wants to know what is said of a rule."""

    rule: str

    @property
    def detail_type(self) -> str:
        """Of the event."""
        return STATUS_REQUESTED

    @property
    def subject(self) -> str:
        """The rule."""
        return self.rule

    @property
    def resources(self) -> tuple[str, ...]:
        """The rule."""
        return (self.rule,)


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillRequest(Request):
    """An operator wants flow logs of the past read. since, until: the first and the last day."""

    bucket: str
    prefix: str
    since: date
    until: date

    @property
    def detail_type(self) -> str:
        """Of the event."""
        return BACKFILL_REQUESTED

    @property
    def subject(self) -> str:
        """Where the files are."""
        return f"s3://{self.bucket}/{self.prefix}"

    @property
    def resources(self) -> tuple[str, ...]:
        """The bucket."""
        return (f"arn:aws:s3:::{self.bucket}",)


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteReport:
    """A report is to be written that is newer than the command. by: who asked for it; empty for the daily one."""

    at: datetime
    by: str = ""
    is_requested: bool = False


@dataclass(frozen=True, slots=True)
class FindObjects:
    """A backfill is to be gone on with. backfill: its id."""

    backfill: str


type Trigger = ReportRequest | StatusRequest | BackfillRequest | WriteReport | FindObjects | SwitchRequest


class _Report(Struct):
    by: Name = ""


class _Status(Struct):
    rule: Annotated[str, Meta(pattern=r"^sgr-[0-9a-f]{8,17}$")]
    by: Name = ""


class _Backfill(Struct, rename={"since": "from", "until": "to"}):
    bucket: Bucket
    since: date
    until: date
    prefix: Annotated[str, Meta(max_length=1024)] = ""
    by: Name = ""


class _Write(Struct):
    by: Name = ""
    is_requested: bool = False


class _Find(Struct):
    backfill: Annotated[str, Meta(min_length=1, max_length=64)]


def _report(event: Envelope) -> ReportRequest:
    return ReportRequest(by=event.as_(_Report).by, id=event.id, time=event.at)


def _status(event: Envelope) -> StatusRequest:
    detail = event.as_(_Status)
    return StatusRequest(rule=detail.rule, by=detail.by, id=event.id, time=event.at)


def _backfill(event: Envelope) -> BackfillRequest:
    detail = event.as_(_Backfill)
    if detail.until < detail.since:
        raise InvalidEvent("detail.to", f"{detail.until} is before {detail.since}")
    if detail.until - detail.since >= timedelta(days=MOST_DAYS):
        raise InvalidEvent("detail.from", f"{detail.since} is more than {MOST_DAYS} days before {detail.until}")
    return BackfillRequest(
        bucket=detail.bucket,
        prefix=detail.prefix,
        since=detail.since,
        until=detail.until,
        by=detail.by,
        id=event.id,
        time=event.at,
    )


def _write(event: Envelope) -> WriteReport:
    detail = event.as_(_Write)
    return WriteReport(at=event.at, by=detail.by, is_requested=detail.is_requested)


PARSERS: Parsers[Trigger] = {
    (OPERATOR_SOURCE, REPORT_REQUESTED): _report,
    (OPERATOR_SOURCE, STATUS_REQUESTED): _status,
    (OPERATOR_SOURCE, BACKFILL_REQUESTED): _backfill,
    (SOURCE, WRITE_REPORT): _write,
    (SOURCE, FIND_OBJECTS): lambda event: FindObjects(event.as_(_Find).backfill),
    **switch_parsers(AUTOMATION),
}


def read(body: str | bytes) -> Trigger | Unreadable:
    """Read one event as it comes from the queue; what an operator has sent and is not valid is Unreadable."""
    return requests.read(body, PARSERS)
