"""From the messages of one invocation to a batch: requests are answered, and events become tasks to work on.

An event that a task runs is trusted for half a minute and only if nothing newer is known; after that ECS is asked. An
event that a task is leaving is always trusted, since no task comes back.
"""

from collections.abc import Mapping
from datetime import timedelta

from botocore.exceptions import BotoCoreError, ClientError

from berthmaster.clock import Clock
from berthmaster.concurrently import concurrently
from berthmaster.deferral import Deferrals, Turn
from berthmaster.invocation import Invocation
from berthmaster.modes import Mode
from berthmaster.own_queue import LONGEST_DELAY
from berthmaster.requests import Request, Unreadable
from berthmaster.switch import Switch
from berthmaster.targets.batch import Batch
from berthmaster.targets.model import Phase
from berthmaster.targets.requests import Requests
from berthmaster.targets.triggers import Recheck, TaskStateChange, Trigger, read
from berthmaster.telemetry import logger

TRUSTED_FOR = timedelta(seconds=30)
TURNS_AT_ONCE = 8
PAUSED_RECHECK = timedelta(minutes=1)
"""While targets is paused, owners that something is unfinished about are checked again this often."""


class Intake:
    """Takes messages."""

    def __init__(self, clock: Clock, switch: Switch, *, mode: Mode, requests: Requests, deferrals: Deferrals) -> None:
        self._clock = clock
        self._switch = switch
        self._mode = mode
        self._requests = requests
        self._deferrals = deferrals

    def take(self, bodies: Mapping[str, str], invocation: Invocation) -> Batch:
        """Take all messages (body by id); one that fails does not hinder the others."""
        batch = Batch(bodies=bodies)
        triggers: dict[str, Trigger | Unreadable] = {}
        for message, body in bodies.items():
            with batch.message(message):
                triggers[message] = read(body)
        batch.requests = {message: one for message, one in triggers.items() if isinstance(one, Request)}
        turns = self._begin_rechecks(triggers, bodies, invocation, batch)
        self._requests.answer_at_once(batch)
        try:
            reason = self._switch.reason()
        except (BotoCoreError, ClientError) as error:
            logger.error("switch unreadable", error=repr(error))
            self._postpone(triggers, batch, error)
        else:
            if reason:
                self._drop(triggers, turns, batch, reason)
            else:
                self._take_tasks(triggers, batch)
                self._requests.carry_out(batch, invocation)
        return batch

    def _begin_rechecks(
        self, triggers: dict[str, Trigger | Unreadable], bodies: Mapping[str, str], invocation: Invocation, batch: Batch
    ) -> dict[str, Turn]:
        """The turns of rechecks, by message; those that are copies, or failed, are no longer in the triggers."""
        rechecks = [message for message, trigger in triggers.items() if isinstance(trigger, Recheck)]
        turns: dict[str, Turn] = {}
        for one in concurrently(
            lambda message: self._deferrals.begin(bodies[message], invocation), rechecks, at_once=TURNS_AT_ONCE
        ):
            with batch.message(one.item):
                if turn := one.result:
                    turns[one.item] = turn
                    continue
            del triggers[one.item]
        return turns

    def _take_tasks(self, triggers: Mapping[str, Trigger | Unreadable], batch: Batch) -> None:
        for message, trigger in triggers.items():
            with batch.message(message):
                match trigger:
                    case TaskStateChange():
                        self._take_event(message, trigger, batch)
                    case Recheck():
                        _take_recheck(message, trigger, batch)

    def _take_event(self, message: str, event: TaskStateChange, batch: Batch) -> None:
        task, at = event.task, event.at
        batch.messages[task.arn].append(message)
        if task.phase is not Phase.STARTING:
            batch.add_event_time(task.arn, at, leaving=task.phase is Phase.LEAVING)
        if task.phase is not Phase.LEAVING and self._clock.now() - at > TRUSTED_FOR:
            batch.checked.add(task.arn)
        else:
            batch.see(task)

    def _postpone(self, triggers: Mapping[str, Trigger | Unreadable], batch: Batch, error: Exception) -> None:
        """Check tasks again later, and let requests be tried again."""
        batch.is_postponed = True
        self._take_tasks(triggers, batch)
        batch.retry(dict.fromkeys(batch.messages, error), self._clock.now())
        self._requests.retry(batch, error)

    def _drop(
        self, triggers: Mapping[str, Trigger | Unreadable], turns: Mapping[str, Turn], batch: Batch, reason: str
    ) -> None:
        """Refuse requests and drop events: after a resume the reconciliation does what they would have done.

        Rechecks are kept, since only they stop tasks that have drained.
        """
        self._requests.refuse(batch, reason)
        for message, trigger in triggers.items():
            with batch.message(message):
                if isinstance(trigger, Recheck):
                    is_off = self._mode is Mode.OFF
                    turns[message].defer(LONGEST_DELAY if is_off else PAUSED_RECHECK)
                    self._switch.leave_unfinished(f"tasks to check again: {', '.join(trigger.owners)}")
        dropped = [trigger.task.arn for trigger in triggers.values() if isinstance(trigger, TaskStateChange)]
        if dropped:
            logger.info("events dropped", reason=reason, tasks=dropped)


def _take_recheck(message: str, recheck: Recheck, batch: Batch) -> None:
    for owner in recheck.owners:
        batch.messages[owner].append(message)
        batch.tries[owner] = max(recheck.tries, batch.tries.get(owner, 0))
        if recheck.since:
            batch.add_event_time(owner, recheck.since, leaving=True)
            batch.add_event_time(owner, recheck.since, leaving=False)
    batch.checked |= set(recheck.owners)
