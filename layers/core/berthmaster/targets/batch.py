"""The messages that one invocation of targets_sync processes together, and what becomes of them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import batched
from typing import Any

from berthmaster.errors import BerthmasterError
from berthmaster.requests import Request
from berthmaster.targets.model import Move, Phase, Task
from berthmaster.targets.triggers import OWNERS_PER_MESSAGE
from berthmaster.telemetry import logger

TRIES = 5
RETRY_AFTER = timedelta(seconds=3)
"""When owners that AWS failed at are checked again, twice as long after each try; then their messages fail."""
LEAST_TIME = timedelta(seconds=6)
"""With less time left in the invocation, nothing is begun about a request."""
CALL_DURATION = timedelta(seconds=3)
"""An owner that is checked again so soon waits for a call, and not for a drain."""


class Unfinished(BerthmasterError):
    """Something about an owner must be tried again."""


@dataclass(slots=True)
class Batch:
    """What some messages are about.

    tasks: each in its newest state. checked: owners that ECS is to be asked about. messages: ids, by owner.
    event_times: when an owner was first reported to be leaving (True) or running (False). tries: how often AWS has
    failed at an owner in a row. failed: messages that are to be received again. done, drained: what is to be reported.
    recheck_at: owners to check again, and when. left: those whose calls AWS's rate did not allow yet. is_postponed:
    nothing is to be done about the tasks now. bodies: of the messages. requests: those of operators that are not
    answered yet. drains_begun_before: tasks that were requested to drain again. ends_at: when the drains of an owner
    that this batch has begun should have ended. stalled: tasks that have drained and that ECS does not stop, with its
    error.
    """

    tasks: dict[str, Task] = field(default_factory=dict)
    checked: set[str] = field(default_factory=set)
    messages: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    event_times: dict[tuple[str, bool], datetime] = field(default_factory=dict)
    tries: dict[str, int] = field(default_factory=dict)
    failed: dict[str, Exception] = field(default_factory=dict)
    done: list[Move] = field(default_factory=list)
    drained: list[str] = field(default_factory=list)
    recheck_at: dict[str, datetime] = field(default_factory=dict)
    left: set[str] = field(default_factory=set)
    is_postponed: bool = False
    bodies: Mapping[str, str] = field(default_factory=dict)
    requests: dict[str, Request] = field(default_factory=dict)
    drains_begun_before: set[str] = field(default_factory=set)
    ends_at: dict[str, datetime] = field(default_factory=dict)
    stalled: dict[str, Exception] = field(default_factory=dict)

    @contextmanager
    def message(self, message_id: str) -> Iterator[None]:
        """Let one message fail while the others are processed."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - the message is received again, with the reason in the log
            self.failed[message_id] = error

    def see(self, task: Task) -> None:
        """Keep the newest state of each task; leaving is always newer."""
        known = self.tasks.get(task.arn)
        if known is None or _rank(task) > _rank(known):
            self.tasks[task.arn] = task

    def add_event_time(self, owner: str, at: datetime, *, leaving: bool) -> None:
        """Remember when an event about an owner was sent."""
        self.event_times[owner, leaving] = min(at, self.event_times.get((owner, leaving), at))

    def add_end(self, owner: str, at: datetime) -> None:
        """Remember when a drain of an owner should have ended; the latest of its drains counts."""
        self.ends_at[owner] = max(at, self.ends_at.get(owner, at))

    def since(self, owner: str) -> datetime | None:
        """When the task entered its latest known state, according to events."""
        task = self.tasks.get(owner)
        return self.event_times.get((owner, task.phase is Phase.LEAVING)) if task else None

    def retry(self, failures: Mapping[str, Exception], now: datetime) -> None:
        """Check some owners again in seconds; after too many tries their messages fail."""
        soon = []
        for owner, error in sorted(failures.items()):
            tries = self.tries.get(owner, 0)
            if tries >= TRIES:
                self.fail([owner], error)
                continue
            self.tries[owner] = tries + 1
            self.recheck_at[owner] = now + RETRY_AFTER * 2**tries
            soon.append(owner)
        if soon:
            errors = sorted({repr(failures[owner]) for owner in soon})
            logger.warning("tried again later", owners=soon, errors=errors)

    def fail(self, owners: Iterable[str], error: Exception) -> None:
        """Let the messages about some owners be received again."""
        for owner in owners:
            for message in self.messages[owner]:
                self.failed.setdefault(message, error)

    def rechecks(self, now: datetime) -> Iterator[tuple[timedelta, dict[str, Any]]]:
        """The messages to send to the own queue, each with its delay in whole seconds."""
        alike: dict[tuple[timedelta, int, bool], list[str]] = defaultdict(list)
        for owner, when in sorted(self.recheck_at.items()):
            seconds = -(-max(when - now, timedelta()) // timedelta(seconds=1))
            alike[timedelta(seconds=seconds), self.tries.get(owner, 0), owner in self.left].append(owner)
        for (delay, tries, is_left), owners in alike.items():
            for some in batched(owners, OWNERS_PER_MESSAGE, strict=False):
                detail: dict[str, Any] = {"owners": some} | ({"tries": tries} if tries else {})
                times = [since for since in map(self.since, some) if since]
                if times and (tries or is_left or delay <= CALL_DURATION):
                    detail["since"] = min(times).isoformat()
                yield delay, detail


def _rank(task: Task) -> tuple[bool, int]:
    return task.phase is Phase.LEAVING, task.version
