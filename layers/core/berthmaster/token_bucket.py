"""AWS's API rates, shared by all invocations: a token bucket in one DynamoDB item."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from math import ceil, floor
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from botocore.exceptions import ClientError

from berthmaster.clock import Clock
from berthmaster.errors import code_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PARTITION = "bucket"
EPOCH = datetime.fromtimestamp(0, UTC)
SECOND = 1_000_000
"""Times are whole microseconds, so that DynamoDB and Python count alike."""


@dataclass(frozen=True, slots=True)
class Grant:
    """Whether tokens were taken, and how long to wait.

    If so, before the call; if not, before asking again, which is of use with a reserve only: tokens that come too late
    for `by` come too late later on, too.
    """

    granted: bool
    wait: float


class TokenBucket:
    """At most `burst` calls at once and `rate` a second, for all who name the same bucket of a table (keys `pk`, `sk`).

    The item says when the bucket will be full again. Taking tokens moves that on by their cost from where it is or, if
    that is past, from now. It never moves back, so a conditional write that fails shows which one will succeed, and no
    taking needs more than two unless others take meanwhile. The item also names the last taking, so that the SDK's
    retry after a lost response finds its own. If others took in between it takes twice: too few calls, never too many.

    A caller whose clock runs ahead sees a fuller bucket. `SKEW` seconds' worth of tokens is therefore never given out,
    and the limits hold as long as no two clocks differ by more.
    """

    SKEW = 1.0

    def __init__(
        self, dynamodb: "DynamoDBClient", table: str, clock: Clock, name: str, *, rate: float, burst: float
    ) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._clock = clock
        self._key: Any = {"pk": {"S": PARTITION}, "sk": {"S": name}}
        self._rate = rate
        self.capacity = burst - rate * self.SKEW
        self._full_at = 0
        self._name = uuid4().hex
        self._takings = count(1)

    def take(self, tokens: int = 1, *, by: datetime, reserve: float = 0.0) -> Grant:
        """Take tokens for as many calls, made together.

        Without a reserve the caller is urgent: it may take tokens that are still to come, if they come `by` then, and
        waits for them. Tokens that it could not use would be lost to everybody. With a reserve it takes nothing unless
        `reserve` tokens stay for callers more urgent.

        Errors: ValueError if even a full bucket has too few, which is `capacity` = burst - rate * SKEW.
        """
        if tokens + reserve > self.capacity:
            raise ValueError(
                f"{tokens} tokens and {reserve} in reserve are more than the {self.capacity} of the bucket"
            )
        now = (self._clock.now() - EPOCH) // timedelta(microseconds=1)
        cost = ceil(tokens / self._rate * SECOND)
        free = now + max(cost, int((self.capacity - reserve) / self._rate * SECOND))
        latest = free if reserve else free + max(0, (by - EPOCH) // timedelta(microseconds=1) - now)
        # The number seen last may be out of date, and never too large: who is too late by it need not ask.
        is_too_late = not reserve and self._full_at + cost > latest
        while not is_too_late:
            if self._move(now, cost, latest):
                return Grant(granted=True, wait=max(0, self._full_at - free) / SECOND)
            is_too_late = self._full_at + cost > latest
        return Grant(granted=False, wait=(self._full_at + cost - latest) / SECOND)

    def take_some(self, most: int, *, by: datetime) -> tuple[int, float]:
        """Take as many tokens as come `by` then, at most `most`; returns how many, and the seconds to wait for them."""
        tokens = min(most, floor(self.capacity))
        while tokens > 0:
            grant = self.take(tokens, by=by)
            if grant.granted:
                return tokens, grant.wait
            tokens -= max(1, ceil(grant.wait * self._rate))
        return 0, 0.0

    def wait_for(self, tokens: int) -> float:
        """The seconds until so many tokens will be there, as far as is known from the last taking; takes none."""
        now = (self._clock.now() - EPOCH) // timedelta(microseconds=1)
        return max(0.0, (max(self._full_at, now) - now) / SECOND + (tokens - self.capacity) / self._rate)

    def _move(self, now: int, cost: int, latest: int) -> bool:
        """Write what follows from the number seen last; False, with the number as it is, if that was out of date."""
        if self._full_at < now:
            expression, condition = "SET full_at = :next", "attribute_not_exists(full_at) OR full_at < :now"
            values = {":next": now + cost, ":now": now}
        else:
            expression, condition = "SET full_at = full_at + :cost", "full_at >= :now AND full_at <= :most"
            values = {":cost": cost, ":now": now, ":most": latest - cost}
        taking = {"S": f"{self._name} {next(self._takings)}"}
        try:
            answer = self._dynamodb.update_item(
                TableName=self._table,
                Key=self._key,
                UpdateExpression=f"{expression}, taking = :taking",
                ConditionExpression=f"({condition}) AND (attribute_not_exists(taking) OR taking <> :taking)",
                ExpressionAttributeValues={
                    ":taking": taking,
                    **{name: {"N": str(value)} for name, value in values.items()},
                },
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise
            item: Any = error.response.get("Item", {})
            self._full_at = _full_at(item)
            return bool(item.get("taking") == taking)
        self._full_at = _full_at(answer["Attributes"])
        return True


def _full_at(item: Any) -> int:
    return int(item["full_at"]["N"]) if item else 0
