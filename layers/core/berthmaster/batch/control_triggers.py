"""The messages of batch_control: parameters that have changed, and requests of operators."""

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta, Struct

from berthmaster import requests
from berthmaster.approval import Decision, decision_parsers
from berthmaster.batch import backfill_requests, file_requests
from berthmaster.batch.backfill_requests import BackfillRequest, CancelBackfill
from berthmaster.batch.file_requests import ChangeRequest, StatusRequest
from berthmaster.batch.model.pipelines import AUTOMATION, PARAMETERS
from berthmaster.envelope import SOURCE, Envelope, Parsers
from berthmaster.requests import Unreadable
from berthmaster.switch import SwitchRequest, switch_parsers


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterChange:
    """The document of a pipeline was put, labelled or deleted. is_deleted: as the event says."""

    pipeline: str
    is_deleted: bool


@dataclass(frozen=True, slots=True)
class CheckPipelines:
    """All parameters are to be compared with the registry."""


@dataclass(frozen=True, slots=True)
class ReportUnfinished:
    """Files that are live are to be reported if the mode is off."""


@dataclass(frozen=True, slots=True)
class ChangeFiles:
    """An order is to be carried on. order: its id."""

    order: str


@dataclass(frozen=True, slots=True)
class BackfillFiles:
    """A backfill is to be carried on. version: of its record; a message about an older one has been carried out."""

    pipeline: str
    version: int


type Trigger = (
    ParameterChange
    | CheckPipelines
    | ReportUnfinished
    | ChangeFiles
    | BackfillFiles
    | BackfillRequest
    | CancelBackfill
    | StatusRequest
    | ChangeRequest
    | Decision
    | SwitchRequest
)


CHECK_PIPELINES = "Check Pipelines"
"""The detail type of the command by which batch_reconcile has that done every minute."""

REPORT_UNFINISHED = "Report Unfinished"
"""That of the command which batch_reconcile leaves behind while files are live: nothing else runs in mode off."""

CHANGE_FILES = "Change Files"
"""That of the command by which batch_control goes on with an order."""

BACKFILL_FILES = "Backfill Files"
"""That of the command by which batch_control goes on with a backfill."""


class _Parameter(Struct):
    name: Annotated[str, Meta(pattern=rf"^{PARAMETERS}.", max_length=2048)]
    operation: str


def _parameter_change(event: Envelope) -> ParameterChange:
    detail = event.as_(_Parameter)
    return ParameterChange(pipeline=detail.name.removeprefix(PARAMETERS), is_deleted=detail.operation == "Delete")


class _Nothing(Struct):
    pass


def _check_pipelines(event: Envelope) -> CheckPipelines:
    event.as_(_Nothing)
    return CheckPipelines()


def _report_unfinished(event: Envelope) -> ReportUnfinished:
    event.as_(_Nothing)
    return ReportUnfinished()


class _Change(Struct):
    order: Annotated[str, Meta(min_length=1, max_length=64)]


def _change_files(event: Envelope) -> ChangeFiles:
    return ChangeFiles(event.as_(_Change).order)


class _Backfill(Struct):
    pipeline: Annotated[str, Meta(min_length=1, max_length=64)]
    version: int


def _backfill_files(event: Envelope) -> BackfillFiles:
    detail = event.as_(_Backfill)
    return BackfillFiles(detail.pipeline, detail.version)


PARSERS: Parsers[Trigger] = {
    ("aws.ssm", "Parameter Store Change"): _parameter_change,
    (SOURCE, CHECK_PIPELINES): _check_pipelines,
    (SOURCE, REPORT_UNFINISHED): _report_unfinished,
    (SOURCE, CHANGE_FILES): _change_files,
    (SOURCE, BACKFILL_FILES): _backfill_files,
    **backfill_requests.PARSERS,
    **file_requests.PARSERS,
    **decision_parsers(AUTOMATION),
    **switch_parsers(AUTOMATION),
}


def read(body: str | bytes) -> Trigger | Unreadable:
    """Read one event as it comes from the queue; what an operator has sent and is not valid is Unreadable."""
    return requests.read(body, PARSERS)
