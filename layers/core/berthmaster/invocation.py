"""One run of a Lambda function, as whatever it does must know it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self

from berthmaster.clock import Clock

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """Its id, which no other invocation has, and the deadline at which Lambda ends it."""

    id: str
    deadline: datetime

    @classmethod
    def of(cls, context: "LambdaContext", clock: Clock) -> Self:
        """The invocation that Lambda's context describes."""
        left = timedelta(milliseconds=context.get_remaining_time_in_millis())
        return cls(id=context.aws_request_id, deadline=clock.now() + left)

    def time_left(self, now: datetime) -> timedelta:
        """How long it may still run."""
        return self.deadline - now
