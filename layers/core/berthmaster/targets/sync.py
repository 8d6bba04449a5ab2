"""targets_sync: from a batch of events to registrations, within seconds.

An event about arriving is believed for half a minute and only while nothing newer is known; after that ECS is asked. An
event about leaving is believed whenever it comes, since nobody comes back from that.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from botocore.exceptions import ClientError

from berthmaster.bus import SOURCE, Bus, Notifier
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.errors import InvalidEvent, code_of
from berthmaster.modes import Mode
from berthmaster.targets import changes
from berthmaster.targets.act import Act
from berthmaster.targets.announce import Announcer
from berthmaster.targets.changes import Changes
from berthmaster.targets.inventory import Inventory
from berthmaster.targets.ledger import Ledger, View
from berthmaster.targets.model import Fence, FenceMove, Move, Phase, Plan, Task
from berthmaster.targets.observe import Observer
from berthmaster.targets.plan import plan_events
from berthmaster.targets.settings import TargetsSettings
from berthmaster.targets.triggers import LOOK_AGAIN, OWNERS_PER_MESSAGE, Decision, Drain, Look, Sighting, Trigger, parse
from berthmaster.telemetry import logger

BELIEVED_FOR = timedelta(seconds=30)
ROUNDS = 4
"""How often owners are looked at again within an invocation that others were faster with."""
LONGEST_DELAY = timedelta(seconds=900)
"""SQS delays a message by no more."""
LEAST_TIME = timedelta(seconds=8)


class Unfinished(Exception):
    """Something about an owner must be tried again."""


@dataclass(slots=True)
class _Batch:
    """What a batch of messages is about; `messages` by owner."""

    seen: dict[str, Task] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    messages: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    failed: dict[str, Exception] = field(default_factory=dict)
    done: list[Move] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    again: dict[str, datetime] = field(default_factory=dict)

    def fail(self, owners: Iterable[str], error: Exception) -> None:
        """Let the messages about some owners come back."""
        for owner in owners:
            for message in self.messages[owner]:
                self.failed.setdefault(message, error)


class Sync:
    """What targets_sync does with one batch of messages."""

    def __init__(self, settings: TargetsSettings, clients: Clients, clock: Clock) -> None:
        self._settings = settings
        self._clients = clients
        self._clock = clock
        self._ledger = Ledger(clients.dynamodb, settings.targets_table)
        self._observer = Observer(clients, clock, self._ledger, Inventory(clients, clock), settings.policy)
        self._act = Act(clients, clock, self._ledger, settings.targets_table, urgent=True)
        self._changes = Changes(clients.dynamodb, settings.targets_table)
        self._announcer = Announcer(
            Bus(clients, settings.event_bus), Notifier(clients, settings.topic_arn), settings.event_bus
        )

    def process(self, bodies: Mapping[str, str], turn: datetime) -> dict[str, Exception]:
        """Do what all messages (body by id) ask for, and return those that must come back, with the reason.

        turn: the end of the invocation; no two invocations have the same.
        """
        batch = _Batch()
        for message, body in bodies.items():
            try:
                self._take(message, parse(body), batch)
            except Exception as error:  # noqa: BLE001 - one message fails, the others go on
                batch.failed[message] = error
        for step in (self._ask, partial(self._work, turn=turn), self._look_again, self._announce):
            try:
                step(batch)
            except Exception as error:  # noqa: BLE001 - reported message by message; what was begun is followed up
                logger.exception("batch failed")
                batch.fail(list(batch.messages), error)
        return batch.failed

    # From messages to tasks

    def _take(self, message: str, trigger: Trigger, batch: _Batch) -> None:
        match trigger:
            case Sighting(task, at):
                batch.messages[task.arn].add(message)
                if task.phase is not Phase.LEAVING and self._clock.now() - at > BELIEVED_FOR:
                    batch.asked.add(task.arn)
                else:
                    _fold(batch.seen, task)
            case Look(owners):
                for owner in owners:
                    batch.messages[owner].add(message)
                batch.asked |= set(owners)
            case Drain(owner=owner):
                self._begin_to_drain(trigger)
                batch.messages[owner].add(message)
                batch.asked.add(owner)
            case Decision():
                self._decide(trigger)

    def _ask(self, batch: _Batch) -> None:
        for task in self._observer.ask(batch.asked).values():
            _fold(batch.seen, task)

    def _begin_to_drain(self, drain: Drain) -> None:
        task = self._observer.ask([drain.owner]).get(drain.owner)
        if task is None:
            raise InvalidEvent("detail.task", f"ECS knows no task {drain.owner}")
        if self._settings.targets_mode is Mode.OBSERVE:
            logger.info("would drain and stop", task=drain.owner, by=drain.by)
            return
        view = View()
        self._ledger.read(view, owners=[drain.owner])
        fence = view.fences.get(drain.owner)
        now = self._clock.now()
        known = fence or Fence(owner=task.arn, version=task.version, since=now, changed_at=now)
        _, conflicts = self._ledger.write([[FenceMove(fence, replace(known, leaving=True, stop=True, changed_at=now))]])
        if conflicts:
            raise Unfinished(f"another invocation works on {drain.owner}")
        logger.info("drain begun", task=drain.owner, by=drain.by)

    def _decide(self, decision: Decision) -> None:
        state = changes.State.APPROVED if decision.approved else changes.State.REJECTED
        change = self._changes.decide(decision.change, state, decision.by)
        if change is None:
            raise InvalidEvent("detail.change", f"{decision.change} is not known")
        logger.info("decided", change=change.id, state=change.state, by=change.by)

    # From tasks to calls

    def _work(self, batch: _Batch, turn: datetime) -> None:
        due = set(batch.seen)
        for _ in range(ROUNDS):
            if not due:
                break
            if turn - self._clock.now() < LEAST_TIME:
                batch.fail(due, TimeoutError("no time left in this invocation"))
                break
            due = self._round([batch.seen[owner] for owner in due], batch, turn)
        else:
            batch.fail(due, Unfinished("others were faster, again and again"))

    def _round(self, tasks: Collection[Task], batch: _Batch, turn: datetime) -> set[str]:
        """Look, decide and act once; returns the owners that need another round."""
        scene = self._observer.scene(tasks, batch.asked, turn)
        plan = plan_events(tasks, scene)
        if self._settings.targets_mode is Mode.OBSERVE:
            self._announcer.would(plan.moves)
            return set()
        outcome = self._act.carry_out(plan, scene.destinations, turn)
        batch.done += outcome.done
        for finding in outcome.findings:
            # The reconciliation tells people, once.
            logger.warning("finding", destination=finding.destination, code=finding.code, text=finding.text)
        if outcome.failed:
            batch.fail(outcome.failed, Unfinished(f"AWS did not answer as it should: {outcome.errors[0]}"))
        self._stop(plan, batch)
        at_once = {owner for owner, when in plan.again.items() if when <= scene.now}
        batch.again |= {owner: when for owner, when in plan.again.items() if owner not in at_once}
        return (at_once | outcome.conflicts) & set(batch.seen)

    def _stop(self, plan: Plan, batch: _Batch) -> None:
        for owner in plan.stops:
            try:
                self._clients.ecs.stop_task(
                    cluster=owner.split("/")[1], task=owner, reason="Drained by Berthmaster at an operator's word"
                )
            except ClientError as error:
                # A task that is gone has stopped.
                if code_of(error) not in {"InvalidParameterException", "ClusterNotFoundException"}:
                    raise
        batch.stopped += plan.stops

    def _announce(self, batch: _Batch) -> None:
        self._announcer.changed(batch.done)
        self._announcer.stopped(batch.stopped)

    def _look_again(self, batch: _Batch) -> None:
        """Send messages to this function's own queue that come when there is more to do."""
        now = self._clock.now()
        by_delay: dict[int, list[str]] = defaultdict(list)
        for owner, when in sorted(batch.again.items()):
            delay = min(max(when - now, timedelta()), LONGEST_DELAY)
            by_delay[-(-int(delay.total_seconds() * 1000) // 1000)].append(owner)
        for delay_seconds, owners in by_delay.items():
            for start in range(0, len(owners), OWNERS_PER_MESSAGE):
                event = {
                    "source": SOURCE,
                    "detail-type": LOOK_AGAIN,
                    "time": now.isoformat(),
                    "detail": {"owners": owners[start : start + OWNERS_PER_MESSAGE]},
                }
                self._clients.sqs.send_message(
                    QueueUrl=self._settings.targets_queue_url,
                    MessageBody=json.dumps(event),
                    DelaySeconds=delay_seconds,
                )


def _fold(seen: dict[str, Task], task: Task) -> None:
    """Keep the newest sighting of each task; a departure outranks everything."""
    known = seen.get(task.arn)
    if known is None or _rank(task) > _rank(known):
        seen[task.arn] = task


def _rank(task: Task) -> tuple[bool, int]:
    return task.phase is Phase.LEAVING, task.version
