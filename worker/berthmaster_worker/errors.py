"""What ends the work on a file, or of the worker.

WorkerError          the base of all of them
├── Misconfigured    the environment is not what Berthmaster gives a task
├── LostInput        the object is gone, or was overwritten: there is nothing to be read
├── Unusable         what the command has written cannot be a result
└── Interrupted      the file is no longer the worker's, or its time is over
"""

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

PASSING = (408, 429, 500, 502, 503, 504)
"""HTTP statuses of what is AWS's fault, and passes."""
THROTTLED = ("Throttl", "SlowDown", "RequestLimitExceeded", "ProvisionedThroughputExceeded", "TooManyRequests")


class WorkerError(Exception):
    """The base of all of them."""


class Misconfigured(WorkerError):
    """The environment is not what Berthmaster gives a task; names the variable."""


class LostInput(WorkerError):
    """The object is gone, or was overwritten."""


class Unusable(WorkerError):
    """What the command has written cannot be a result."""


class Interrupted(WorkerError):
    """The file is no longer the worker's, or its time is over."""


def code_of(error: ClientError) -> str:
    """The error code of an AWS API."""
    return str(error.response.get("Error", {}).get("Code", ""))


def is_passing(error: Exception) -> bool:
    """Whether a call failed for a reason that lies with AWS or the network, and that passes."""
    if isinstance(error, ClientError):
        metadata: Any = error.response.get("ResponseMetadata", {})
        code = code_of(error)
        return metadata.get("HTTPStatusCode") in PASSING or any(word in code for word in THROTTLED)
    return isinstance(error, BotoCoreError)
