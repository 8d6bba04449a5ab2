"""targets_sync: from a batch of events to registrations, within seconds.

An event about arriving is believed for half a minute and only while nothing newer is known; after that ECS is asked. An
event about leaving is believed whenever it comes, since nobody comes back from that.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import batched

from botocore.exceptions import BotoCoreError, ClientError

from berthmaster.bus import SOURCE, Bus, Untold
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.errors import InvalidEvent, code_of
from berthmaster.modes import Mode
from berthmaster.targets.act.targets import Act, Outcome
from berthmaster.targets.ledger import changes
from berthmaster.targets.ledger.changes import Changes
from berthmaster.targets.ledger.claims import Ledger, View
from berthmaster.targets.model import Call, Fence, FenceMove, Kind, Move, Phase, Plan, Task
from berthmaster.targets.observe.inventory import Inventory
from berthmaster.targets.observe.scene import Observer
from berthmaster.targets.plan import mapping
from berthmaster.targets.plan.events import Scene, plan_events
from berthmaster.targets.report import metrics as measures
from berthmaster.targets.report.notices import Announcer, log_findings
from berthmaster.targets.settings import SyncSettings
from berthmaster.targets.triggers import LOOK_AGAIN, OWNERS_PER_MESSAGE, Decision, Drain, Look, Sighting, Trigger, parse
from berthmaster.telemetry import logger

BELIEVED_FOR = timedelta(seconds=30)
ROUNDS = 4
"""How often owners are looked at again within an invocation that others were faster with."""
TRIES = 5
RETRY_AFTER = timedelta(seconds=3)
"""When to look again at owners that AWS failed at, twice as long after each try; then their messages fail."""
CALL_SECONDS = 3
"""Whoever is to be looked at again so soon waits for a call, not for a drain."""
LONGEST_DELAY = timedelta(seconds=900)
"""SQS delays a message by no more."""
LEAST_TIME = timedelta(seconds=8)


_STOPPED = frozenset({"InvalidParameterException", "ClusterNotFoundException"})
SECONDS = {Call.REGISTER: "SecondsToRegister", Call.DEREGISTER: "SecondsToDeregister"}


class Unfinished(Exception):
    """Something about an owner must be tried again."""


@dataclass(slots=True)
class _Batch:
    """What a batch of messages is about.

    messages: by owner. heard: when an owner was first said to be leaving (True), or to run. tries: how often AWS has
    failed at an owner in a row.
    """

    seen: dict[str, Task] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    messages: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    heard: dict[tuple[str, bool], datetime] = field(default_factory=dict)
    tries: dict[str, int] = field(default_factory=dict)
    failed: dict[str, Exception] = field(default_factory=dict)
    done: list[Move] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    again: dict[str, datetime] = field(default_factory=dict)

    def hear(self, owner: str, at: datetime, *, leaving: bool) -> None:
        """DestinationStatus when something was told of an owner."""
        self.heard[owner, leaving] = min(at, self.heard.get((owner, leaving), at))

    def since(self, owner: str) -> datetime | None:
        """Since when an owner is as it was seen last, as far as it was told."""
        task = self.seen.get(owner)
        return self.heard.get((owner, task.phase is Phase.LEAVING)) if task else None

    def retry(self, failures: Mapping[str, Exception], now: datetime) -> None:
        """Look at some owners again in seconds; let their messages fail if that was done often enough."""
        soon = []
        for owner, error in sorted(failures.items()):
            tries = self.tries.get(owner, 0)
            if tries >= TRIES:
                self.fail([owner], error)
                continue
            self.tries[owner] = tries + 1
            self.again[owner] = now + RETRY_AFTER * 2**tries
            soon.append(owner)
        if soon:
            errors = sorted({repr(failures[owner]) for owner in soon})
            logger.warning("to be tried again", owners=soon, errors=errors)

    def fail(self, owners: Iterable[str], error: Exception) -> None:
        """Let the messages about some owners come back."""
        for owner in owners:
            for message in self.messages[owner]:
                self.failed.setdefault(message, error)


class Sync:
    """What targets_sync does with one batch of messages."""

    def __init__(self, settings: SyncSettings, clients: Clients, clock: Clock) -> None:
        self._settings = settings
        self._clients = clients
        self._clock = clock
        self._ledger = Ledger(clients.dynamodb, settings.targets_table)
        self._inventory = Inventory(clients, clock)
        self._observer = Observer(clients, clock, self._ledger, self._inventory, settings.policy)
        self._act = Act(clients, clock, self._ledger, settings.targets_table, urgent=True)
        self._changes = Changes(clients.dynamodb, settings.targets_table)
        self._announcer = Announcer(Bus(clients, settings.event_bus))

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
        for step in (self._ask, partial(self._work, turn=turn)):
            try:
                step(batch)
            except Exception as error:  # noqa: BLE001 - reported owner by owner; what was begun is followed up
                logger.exception("batch failed")
                batch.retry(dict.fromkeys(batch.messages, error), self._clock.now())
        try:
            self._look_again(batch)
        except Exception as error:  # noqa: BLE001 - their messages are what is left to come back
            logger.exception("cannot look again")
            batch.fail(batch.again, error)
        self._announce(batch)
        return batch.failed

    # From messages to tasks

    def _take(self, message: str, trigger: Trigger, batch: _Batch) -> None:
        match trigger:
            case Sighting(task, at):
                batch.messages[task.arn].add(message)
                if task.phase is not Phase.COMING:
                    batch.hear(task.arn, at, leaving=task.phase is Phase.LEAVING)
                if task.phase is not Phase.LEAVING and self._clock.now() - at > BELIEVED_FOR:
                    batch.asked.add(task.arn)
                else:
                    _fold(batch.seen, task)
            case Look(owners, tries, since):
                for owner in owners:
                    batch.messages[owner].add(message)
                    batch.tries[owner] = max(tries, batch.tries.get(owner, 0))
                    if since:
                        batch.hear(owner, since, leaving=True)
                        batch.hear(owner, since, leaving=False)
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
        for _ in range(ROUNDS):
            fence = self._fence_of(task)
            now = self._clock.now()
            known = fence or Fence(owner=task.arn, version=task.version, since=now, changed_at=now)
            begun = FenceMove(fence, replace(known, leaving=True, stop=True, changed_at=now))
            if not self._ledger.write([[begun]])[1]:
                logger.info("drain begun", task=drain.owner, by=drain.by)
                return
        raise Unfinished(f"another invocation works on {drain.owner}")

    def _fence_of(self, task: Task) -> Fence | None:
        """What is known of a task; InvalidEvent if it is none of Berthmaster's concern."""
        view = View()
        self._ledger.read(view, owners=[task.arn])
        fence = view.fences.get(task.arn)
        service = [(task.cluster, task.service)] if task.service else []
        declared = [one for one in self._inventory.declarations(fresh=True)[0] if mapping.names(one, task)]
        stock = self._inventory.destinations(declared, service)
        destinations = [one for one in map(stock.of, declared) if one is not None]
        if (fence and fence.claims) or any(mapping.selects(one, task) for one in destinations):
            return fence
        problem = f"nothing that Berthmaster manages is to have {task.arn}, or has it"
        there = {arn for ports in self._inventory.native(service).values() for arn in ports if arn}
        if there:
            problem += f"; ECS itself registers its service in {', '.join(sorted(there))}: it would not drain first"
        raise InvalidEvent("detail.task", problem)

    def _decide(self, decision: Decision) -> None:
        state = changes.ChangeState.APPROVED if decision.approved else changes.ChangeState.REJECTED
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
                late = TimeoutError("no time left in this invocation")
                batch.retry(dict.fromkeys(due, late), self._clock.now())
                break
            due = self._round([batch.seen[owner] for owner in due], batch, turn)
        else:
            slow = Unfinished("others were faster, again and again")
            batch.retry(dict.fromkeys(due, slow), self._clock.now())

    def _round(self, tasks: Collection[Task], batch: _Batch, turn: datetime) -> set[str]:
        """Look, decide and act once; returns the owners that need another round."""
        scene = self._observer.scene(tasks, batch.asked, turn)
        plan = plan_events(tasks, scene)
        if self._settings.targets_mode is Mode.OBSERVE:
            self._announcer.would(plan.moves)
            batch.retry(scene.failed, self._clock.now())
            return set()
        outcome = self._act.carry_out(plan, scene.destinations, turn)
        batch.done += outcome.done
        self._measure(outcome, scene, batch)
        # The reconciliation tells people, once.
        log_findings(outcome.findings)
        at_once = {owner for owner, when in plan.again.items() if when <= scene.now}
        batch.again |= {owner: when for owner, when in plan.again.items() if owner not in at_once}
        for move in outcome.done:
            batch.tries.pop(outcome.owners[move.after.key], None)
        failures = dict(scene.failed)
        for owner in outcome.failed:
            failures[owner] = Unfinished(f"AWS did not answer as it should: {outcome.errors[0]}")
        batch.retry(failures, self._clock.now())
        self._stop(plan, batch)
        return (at_once | outcome.conflicts) & set(batch.seen)

    def _measure(self, outcome: Outcome, scene: Scene, batch: _Batch) -> None:
        """Publish how long after it was told an event has had its effect on target groups.

        What has waited for a drain is not counted, nor what Cloud Map does in its own time.
        """
        took: dict[Call, list[float]] = defaultdict(list)
        for move in outcome.done:
            key, owner = move.after.key, outcome.owners[move.after.key]
            since, at, fence = batch.since(owner), outcome.answered.get(key), scene.fences.get(owner)
            if move.call and since and at and scene.destinations[key.destination].kind is Kind.TARGET_GROUP:
                # Of those who leave there may have been word before, which AWS failed at.
                first = min(since, fence.changed_at) if fence and fence.leaving else since
                took[move.call].append(max((at - first).total_seconds(), 0.0))
        for call, seconds in took.items():
            measures.publish_seconds(SECONDS[call], seconds)

    def _stop(self, plan: Plan, batch: _Batch) -> None:
        for owner in plan.stops:
            try:
                self._clients.ecs.stop_task(
                    cluster=owner.split("/")[1], task=owner, reason="Drained by Berthmaster at an operator's word"
                )
            except (BotoCoreError, ClientError) as error:
                # A task that is gone has stopped.
                if not isinstance(error, ClientError) or code_of(error) not in _STOPPED:
                    batch.retry({owner: error}, self._clock.now())
                    continue
            batch.stopped.append(owner)

    def _announce(self, batch: _Batch) -> None:
        # What the bus does not take is in the log; messages that came back would have nothing left to tell.
        for tell in (partial(self._announcer.changed, batch.done), partial(self._announcer.stopped, batch.stopped)):
            with suppress(Untold):
                tell()

    def _look_again(self, batch: _Batch) -> None:
        """Send messages to this function's own queue that come when there is more to do."""
        now = self._clock.now()
        alike: dict[tuple[int, int], list[str]] = defaultdict(list)
        for owner, when in sorted(batch.again.items()):
            delay = min(max(when - now, timedelta()), LONGEST_DELAY)
            seconds = -(-int(delay.total_seconds() * 1000) // 1000)
            alike[seconds, batch.tries.get(owner, 0)].append(owner)
        for (seconds, tries), owners in alike.items():
            for some in batched(owners, OWNERS_PER_MESSAGE, strict=False):
                detail: dict[str, object] = {"owners": some} | ({"tries": tries} if tries else {})
                told = [since for since in map(batch.since, some) if since]
                if told and (tries or seconds <= CALL_SECONDS):
                    detail["since"] = min(told).isoformat()
                event = {"source": SOURCE, "detail-type": LOOK_AGAIN, "time": now.isoformat(), "detail": detail}
                self._clients.sqs.send_message(
                    QueueUrl=self._settings.targets_queue_url, MessageBody=json.dumps(event), DelaySeconds=seconds
                )


def _fold(seen: dict[str, Task], task: Task) -> None:
    """Keep the newest sighting of each task; a departure outranks everything."""
    known = seen.get(task.arn)
    if known is None or _rank(task) > _rank(known):
        seen[task.arn] = task


def _rank(task: Task) -> tuple[bool, int]:
    return task.phase is Phase.LEAVING, task.version
