"""Why RunTask has not started a task, and what follows."""

from dataclasses import dataclass
from enum import StrEnum


class FailureKind(StrEnum):
    """Why a call of RunTask has not started a task, as far as is known.

    UNKNOWN: whether a task was started is not known. REFUSED: AWS started none, for a reason that is not known here.
    FILE: AWS refuses this file, and would refuse it again. CONFLICT: the token has been used with other parameters;
    `resourceIds` of the exception are the tasks that it has started.
    """

    THROTTLED = "throttled"
    UNKNOWN = "unknown"
    CAPACITY = "capacity"
    QUOTA = "quota"
    REFUSED = "refused"
    FILE = "file"
    CONFIGURATION = "configuration"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Consequence:
    """What follows from a failure.

    keeps_token: the same request is made again, with the same client token: one that was used starts no second task.
    rotates: other subnets, then the other provider. slows_down: the rate of launches halves. waits_for_quota: nothing
    is launched with that provider for a while, in any pipeline. opens_breaker: the next file would fare likewise.
    adopts: the tasks that AWS names are the file's. is_counted: against the limit of infrastructure failures of a file.
    is_final: the file is dead.
    """

    keeps_token: bool = False
    rotates: bool = False
    slows_down: bool = False
    waits_for_quota: bool = False
    opens_breaker: bool = False
    adopts: bool = False
    is_counted: bool = False
    is_final: bool = False


CONSEQUENCES = {
    FailureKind.THROTTLED: Consequence(keeps_token=True, slows_down=True),
    FailureKind.UNKNOWN: Consequence(keeps_token=True),
    FailureKind.CAPACITY: Consequence(rotates=True),
    FailureKind.QUOTA: Consequence(waits_for_quota=True),
    FailureKind.REFUSED: Consequence(rotates=True, is_counted=True),
    FailureKind.FILE: Consequence(is_final=True),
    FailureKind.CONFIGURATION: Consequence(opens_breaker=True),
    FailureKind.CONFLICT: Consequence(adopts=True),
}


@dataclass(frozen=True, slots=True)
class LaunchFailure:
    """The kind of a failure, and what happened and what to do in a sentence, with AWS's own words behind it."""

    kind: FailureKind
    text: str

    @property
    def follows(self) -> Consequence:
        """What follows from it."""
        return CONSEQUENCES[self.kind]
