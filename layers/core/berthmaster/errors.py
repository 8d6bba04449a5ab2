"""What can go wrong, and how AWS says it.

BerthmasterError
├── InvalidInput          an event or a setting is not what it must be; retrying cannot help
│   ├── InvalidEvent
│   └── InvalidSetting
├── MissingEvidence       what a decision rests on could not be read, or is stale; nothing was done
├── Refused               AWS refused a write for good
├── Stopped               the automation is off or paused (switch)
├── NotPublished          notices that the event bus did not accept (notices)
├── NotNotified           notices that people do not hear of (notices)
├── Conflict              a record was written by another invocation (items)
├── Unreadable            a record is damaged (items)
│   └── NewerSchema       a record was written by a newer version
├── TooManyObjects        a task has written more than a result may have (batch.act)
├── NotYet, InUse         an expansion must wait, or is not undone (capacity.act)
├── Taken                 somebody else has associated the planned block (capacity.act)
├── IdTaken               two object versions have one id in the ledger (batch.arrivals)
└── NotManaged, Untagged  a VPC or a workload has lost the tag by which it may be changed (capacity.act)
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from botocore.exceptions import ClientError


class BerthmasterError(Exception):
    """Base of all errors raised here."""


class InvalidInput(BerthmasterError):
    """Names the field and what is wrong with it."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class InvalidEvent(InvalidInput):
    """An event that no retry can make valid; it ends in the dead-letter queue."""


class InvalidSetting(InvalidInput):
    """An environment variable that the template set wrongly."""


class MissingEvidence(BerthmasterError):
    """Fail closed: without it there is no action."""


class Refused(BerthmasterError):
    """AWS's own code and message for a write it will not do however often it is asked.

    was_retried: whether the SDK repeated the call, so that AWS may have done the work at the first try.
    """

    def __init__(self, operation: str, code: str, message: str, *, was_retried: bool = False) -> None:
        super().__init__(f"{operation}: {code}: {message}")
        self.operation = operation
        self.code = code
        self.message = message
        self.was_retried = was_retried


_TRANSIENT = frozenset(
    {
        "ConcurrentModificationException",
        "ConflictException",
        "EC2ThrottledException",
        "InternalError",
        "InternalException",
        "InternalFailure",
        "InternalServerError",
        # EC2 is eventually consistent: what was just made may not be found yet.
        "InvalidRouteTableID.NotFound",
        "InvalidSubnetID.NotFound",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "ServerException",
        "ServiceUnavailable",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "Unavailable",
    }
)
_PERMISSION = frozenset({"AccessDenied", "AccessDeniedException", "AuthFailure", "UnauthorizedOperation"})


def code_of(error: ClientError) -> str:
    """AWS's error code, "" if the answer had none."""
    return error.response.get("Error", {}).get("Code", "")


def is_transient(error: ClientError) -> bool:
    """Whether the same call may well succeed a little later."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR or is_transient_code(code_of(error))


def is_transient_code(code: str) -> bool:
    """As `is_transient`, for the code of one entry in an answer."""
    return code in _TRANSIENT


def is_final(error: ClientError) -> bool:
    """Whether AWS will say the same next time: neither transient nor a permission somebody may yet grant."""
    return not is_transient(error) and not is_denied(error)


def is_denied(error: ClientError) -> bool:
    """Whether a permission is lacking, which somebody may yet grant."""
    return code_of(error) in _PERMISSION


def located(error: Exception) -> tuple[str, str]:
    """Where msgspec's ValidationError found something wrong, as in `.items[3].id`, and what."""
    problem, _, path = str(error).partition(" - at `$")
    inner = path.rstrip("`")
    missing = re.search(r"required field `([^`]+)`", problem)
    return f"{inner}.{missing[1]}" if missing else inner, problem


@contextmanager
def refusal_of(operation: str) -> Iterator[None]:
    """Turn a final ClientError of one write into `Refused`; let all others pass, to be retried."""
    try:
        yield
    except ClientError as error:
        if not is_final(error):
            raise
        message = error.response.get("Error", {}).get("Message", "")
        was_retried = error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0) > 0
        raise Refused(operation, code_of(error), message, was_retried=was_retried) from error
