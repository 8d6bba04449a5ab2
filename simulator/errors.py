"""How AWS says no, and how a Lambda function dies.

AwsError                an error answer of an AWS API: code, message, HTTP status
FunctionDied            the end of an invocation that the function cannot catch
├── Crashed             the process was killed before or after an AWS call
└── TimedOut            the function outlived its Timeout
"""

from __future__ import annotations


class AwsError(Exception):
    """An error answer of an AWS API, told apart by its code as botocore's `ClientError` is."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


class FunctionDied(BaseException):
    """The invocation ends here: not an `Exception`, since no `except Exception` outlives the end of its process."""


class Crashed(FunctionDied):
    """The process was killed before or after an AWS call."""


class TimedOut(FunctionDied):
    """The function ran longer, in virtual time, than its Timeout."""
