"""Reads of one AWS API within a rate that all functions share, made by several threads of a container.

Tokens are taken for all threads that wait at that moment, and a few in advance where some may be lost: a token costs
less than a read.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING

from berthmaster.clock import Clock
from berthmaster.pace import CALLS_AT_ONCE, Pace, Rate
from berthmaster.token_bucket import TokenBucket

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

BUCKET = "reads"
AT_ONCE = 8
"""Threads that read. One call in some hundreds takes seconds, and the others must still use the whole rate."""
RESERVED = 1 / 3
"""The share of a full bucket that is left to callers more urgent."""
WHILE_ANOTHER_TAKES = 0.01
"""Seconds."""


class PacedReads:
    """Makes calls as soon as their rate allows; threads may share it.

    table: with the keys of `TokenBucket`. rate: of all who use that table. urgent:
    whether it may use the whole rate. No lock is held while anything is awaited.
    """

    def __init__(self, dynamodb: "DynamoDBClient", table: str, clock: Clock, *, rate: Rate, urgent: bool) -> None:
        self._clock = clock
        self._bucket = bucket = TokenBucket(dynamodb, table, clock, BUCKET, rate=rate.calls, burst=rate.burst)
        self._reserve = 0.0 if urgent else bucket.capacity * RESERVED
        self._least = 1 if urgent else AT_ONCE
        self._most = max(1, min(CALLS_AT_ONCE, int(bucket.capacity - self._reserve)))
        self._deadline = datetime.min.replace(tzinfo=UTC)
        self._lock, self._taking = Lock(), Lock()
        self._tokens = self._waiting = 0

    def begin(self, deadline: datetime) -> None:
        """Begin an invocation that ends at the deadline; tokens that the last one left are lost, since they are old."""
        self._deadline = deadline
        self._tokens = 0

    def call[**Arguments, Result](
        self, operation: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        """Wait for a token and make the call; TimeoutError, and no call, if that is too late for the invocation."""
        self._wait()
        return operation(*args, **kwargs)

    def _wait(self) -> None:
        with self._lock:
            self._waiting += 1
        try:
            while not self._has_spent():
                if not self._taking.acquire(blocking=False):
                    self._clock.sleep(WHILE_ANOTHER_TAKES)
                    continue
                try:
                    self._take()
                finally:
                    self._taking.release()
        finally:
            with self._lock:
                self._waiting -= 1

    def _has_spent(self) -> bool:
        with self._lock:
            has_one = self._tokens > 0
            self._tokens -= has_one
            return has_one

    def _take(self) -> None:
        with self._lock:
            wanted = 0 if self._tokens else min(max(self._waiting, self._least), self._most)
        if wanted:
            Pace(self._clock, self._bucket, self._deadline, reserve=self._reserve).wait(wanted)
            with self._lock:
                self._tokens += wanted
