"""Error responses of AWS, and what ends an invocation of a function before it returns.

AwsError                an error response of an AWS API: code, message, HTTP status
└── Throttled           one that botocore sees on the wire, and retries
FunctionDied            the end of an invocation that the function cannot catch
├── Crashed             the process was killed before or after an AWS call
├── TimedOut            the function outlived its Timeout
└── Killed              the process of a task's container got SIGKILL
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Mapping


class AwsError(Exception):
    """An error response of an AWS API; its code identifies it, as with botocore's `ClientError`.

    `members` are what the service model lists for this error besides its message.
    """

    def __init__(self, code: str, message: str, status: int = 400, **members: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.members = members


class Throttled(AwsError):
    """An attempt of a call that came too soon; botocore waits, in virtual time, and tries again."""


class FunctionDied(BaseException):
    """The process ends here. Not an `Exception`: no `except Exception` of the function may catch it."""


class Crashed(FunctionDied):
    """The process was killed before or after an AWS call."""


class TimedOut(FunctionDied):
    """The function ran longer, in virtual time, than its Timeout."""


class Killed(FunctionDied):
    """The process of a task's container got SIGKILL."""


def stop_dry_run(params: Mapping[str, Any]) -> None:
    """End a request with DryRun here: it would have succeeded."""
    if params.get("DryRun"):
        raise AwsError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", status=412)


def error_body(protocol: str, error: AwsError) -> str:
    """The body of an error response in one of AWS's protocols: `ec2`, `query`, `rest-xml`, or one that speaks JSON."""
    code, message = escape(error.code), escape(error.message)
    if protocol == "ec2":
        inner = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        return f"<Response><Errors>{inner}</Errors><RequestID>simulated</RequestID></Response>"
    if protocol == "query":
        inner = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        return f"<ErrorResponse>{inner}<RequestId>simulated</RequestId></ErrorResponse>"
    if protocol == "rest-xml":
        return f"<Error><Code>{code}</Code><Message>{message}</Message><RequestId>simulated</RequestId></Error>"
    return json.dumps({"__type": error.code, "message": error.message, **error.members}, default=_base64)


def _base64(value: bytes) -> str:
    """A binary value as protocols that speak JSON send it."""
    return base64.b64encode(value).decode()
