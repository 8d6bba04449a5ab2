"""Messages that must wait: of a message and all its copies one is worked on at a time, and one waits.

A message waits by being sent again with a delay, and copies come into being: SQS and EventBridge deliver twice, the SDK
repeats a SendMessage whose answer was lost, and a crash after SendMessage has the original received again. A copy has
the body of its original. A lease by that body holds who works on the message and until when it waits, so that a copy
which is received meanwhile is dropped instead of being sent again too:

    pk lease   sk message <hash of the body>   resumes_at: when the copy that counts is received
                                               considered_at: when its sender was notified that it waits
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import count

from botocore.exceptions import ClientError

from berthmaster.clock import Clock
from berthmaster.envelope import open_envelope
from berthmaster.invocation import Invocation
from berthmaster.lease import LONG_AGO, Lease, Leases
from berthmaster.own_queue import OwnQueue
from berthmaster.telemetry import logger

EARLY = timedelta(seconds=5)
"""How much before its time a message may arrive: clocks differ."""
REMEMBERED_FOR = timedelta(days=14)
"""How long copies of a message that was answered are dropped; no queue keeps one for longer."""


@dataclass(frozen=True, slots=True)
class Turn:
    """The right of one invocation to work on a message, until it ends.

    since: the time of the event that the message holds. If an invocation neither defers nor ends a turn, the next one
    that receives the message gets it.
    """

    since: datetime
    _body: str
    _lease: Lease
    _leases: Leases
    _queue: OwnQueue
    _clock: Clock

    @property
    def is_notified(self) -> bool:
        """Whether the sender was notified that the message waits."""
        return self._lease.considered_at > LONG_AGO

    def defer(self, delay: timedelta, *, is_notified: bool = False) -> None:
        """Let the message wait: it is received again after the delay, at most 15 minutes. is_notified: see there."""
        due = self._queue.defer(self._body, delay)
        notified_at = self._clock.now() if is_notified else None
        self._leases.release(self._lease, considered_at=notified_at, resumes_at=due)

    def end(self) -> None:
        """The message is answered: all its copies are dropped from now on."""
        until = self._clock.now() + REMEMBERED_FOR
        self._leases.release(self._lease, considered_at=None, resumes_at=until)


class Deferrals:
    """Gives turns to the messages of a function's own queue."""

    def __init__(self, leases: Leases, queue: OwnQueue, clock: Clock) -> None:
        self._leases = leases
        self._queue = queue
        self._clock = clock
        self._turns = count(1)

    def begin(self, body: str, invocation: Invocation) -> Turn | None:
        """The turn of a message; None for a copy of one that is worked on, waits, or was answered: drop it.

        The invocation that works on it may die: its own message is then received again, when the turn is over.
        """
        now = self._clock.now()
        name = f"message {sha256(body.encode()).hexdigest()[:32]}"
        # Unlike the invocation alone: a batch may contain a message and its copy.
        owner = f"{invocation.id} {next(self._turns)}"
        try:
            lease = self._leases.acquire(name, owner=owner, now=now, deadline=invocation.deadline)
        except ClientError:
            # DynamoDB may have written it all the same, and whoever tries again would be taken for a copy.
            with suppress(ClientError):
                taken = self._leases.look(name)
                if taken and taken.owner == owner:
                    self._leases.release(taken, considered_at=None, resumes_at=taken.resumes_at)
            raise
        if lease is None:
            logger.info("copy of a message dropped", reason="another invocation works on it")
            return None
        turn = Turn(open_envelope(body).at, body, lease, self._leases, self._queue, self._clock)
        if lease.resumes_at > now + EARLY:
            logger.info("copy of a message dropped", reason="it waits or was answered", until=str(lease.resumes_at))
            self._leases.release(lease, considered_at=None, resumes_at=lease.resumes_at)
            return None
        return turn
