"""targets_sync: from a batch of events to registrations and deregistrations, within seconds.

An event that a task runs is trusted for half a minute and only if nothing newer is known; after that ECS is asked. An
event that a task is leaving is always trusted, since no task comes back.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial

from botocore.exceptions import BotoCoreError, ClientError

from berthmaster.approval import Decision, refusal
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.invocation import Invocation
from berthmaster.modes import Mode
from berthmaster.notices import Notices, NotPublished
from berthmaster.own_queue import OwnQueue
from berthmaster.switch import Stopped, Switch, SwitchRequest
from berthmaster.targets.act.targets import Act, Outcome
from berthmaster.targets.act.tasks import stop_task
from berthmaster.targets.batch import Batch, Unfinished
from berthmaster.targets.decisions import Decisions
from berthmaster.targets.drain import Drains
from berthmaster.targets.ledger.changes import Changes
from berthmaster.targets.ledger.claims import ClaimLedger
from berthmaster.targets.model import Call, Kind, Phase, Task
from berthmaster.targets.observe.destinations import DestinationReader
from berthmaster.targets.observe.ecs import EcsTasks
from berthmaster.targets.observe.scene import SceneReader
from berthmaster.targets.plan.events import Scene, plan_events
from berthmaster.targets.report import metrics, notices
from berthmaster.targets.settings import SyncSettings
from berthmaster.targets.triggers import (
    AUTOMATION,
    CHECK_TARGETS,
    DRAIN_REQUESTED,
    DrainRequest,
    Recheck,
    TaskStateChange,
    Trigger,
    parse,
)
from berthmaster.telemetry import logger

TRUSTED_FOR = timedelta(seconds=30)
ROUNDS = 4
"""How often an invocation plans again for owners with conflicts."""
SHORTEST_ROUND = timedelta(seconds=8)
"""With less time left, no round is begun."""
PAUSED_RECHECK = timedelta(minutes=1)
"""While targets is paused, owners that something is unfinished about are checked again this often."""


class Sync:
    """What targets_sync does with one batch of messages."""

    def __init__(self, settings: SyncSettings, clients: Clients, clock: Clock) -> None:
        self._settings = settings
        self._clients = clients
        self._clock = clock
        table, mode = settings.targets_table, settings.targets_mode
        ledger = ClaimLedger(clients.dynamodb, table)
        destinations = DestinationReader(clients, clock)
        self._tasks = EcsTasks(clients, clock)
        self._scenes = SceneReader(clients, clock, ledger, destinations, settings.policy)
        self._switch = Switch(clients.dynamodb, clock, table=table, automation=AUTOMATION, mode=mode)
        self._act = Act(clients, clock, ledger, self._switch, table, urgent=True)
        self._decisions = Decisions(Changes(clients.dynamodb, table))
        self._drains = Drains(clock, ledger, destinations, self._tasks, mode)
        self._queue = OwnQueue(clients, clock, settings.targets_queue_url)
        self._notices = Notices(clients, bus=settings.event_bus, topic_arn=settings.topic_arn)

    def process(self, bodies: Mapping[str, str], invocation: Invocation) -> dict[str, Exception]:
        """Process all messages (body by id); returns those that are to be received again, with the reason."""
        batch = Batch()
        triggers: dict[str, Trigger] = {}
        for message, body in bodies.items():
            with batch.message(message):
                triggers[message] = parse(body)
        self._switch_on_or_off(triggers, batch)
        try:
            reason = self._switch.reason()
        except (BotoCoreError, ClientError) as error:
            logger.error("switch unreadable", error=repr(error))
            self._postpone(triggers, batch, error)
        else:
            if reason:
                self._drop(triggers, bodies, batch, reason)
            else:
                self._take(triggers, batch)
                self._carry_out(batch, invocation)
        self._send_rechecks(batch)
        self._report(batch)
        return batch.failed

    # From messages to tasks

    def _switch_on_or_off(self, triggers: Mapping[str, Trigger], batch: Batch) -> None:
        """Apply requests to pause and resume first, so that the rest of the batch obeys them."""
        for message, trigger in triggers.items():
            if isinstance(trigger, SwitchRequest):
                with batch.message(message):
                    self._notices.publish([self._switch.apply(trigger)])

    def _take(self, triggers: Mapping[str, Trigger], batch: Batch) -> None:
        for message, trigger in triggers.items():
            with batch.message(message):
                self._take_one(message, trigger, batch)

    def _take_one(self, message: str, trigger: Trigger, batch: Batch) -> None:
        match trigger:
            case TaskStateChange():
                self._take_event(message, trigger, batch)
            case Recheck():
                _take_recheck(message, trigger, batch)
            case DrainRequest(task=task):
                self._drains.begin(trigger)
                batch.messages[task].add(message)
                batch.checked.add(task)
            case Decision():
                self._notices.publish(self._decisions.apply(trigger))

    def _take_event(self, message: str, event: TaskStateChange, batch: Batch) -> None:
        task, at = event.task, event.at
        batch.messages[task.arn].add(message)
        if task.phase is not Phase.STARTING:
            batch.add_event_time(task.arn, at, leaving=task.phase is Phase.LEAVING)
        if task.phase is not Phase.LEAVING and self._clock.now() - at > TRUSTED_FOR:
            batch.checked.add(task.arn)
        else:
            batch.see(task)

    def _postpone(self, triggers: Mapping[str, Trigger], batch: Batch, error: Exception) -> None:
        """Check tasks again later, and let requests be received again."""
        for message, trigger in triggers.items():
            match trigger:
                case TaskStateChange():
                    self._take_event(message, trigger, batch)
                case Recheck():
                    _take_recheck(message, trigger, batch)
                case DrainRequest() | Decision():
                    batch.failed[message] = error
        batch.retry(dict.fromkeys(batch.messages, error), self._clock.now())

    # While targets is off or paused

    def _drop(self, triggers: Mapping[str, Trigger], bodies: Mapping[str, str], batch: Batch, reason: str) -> None:
        """Refuse requests, and drop events: after a resume the reconciliation does what they would have done.

        While targets is paused, rechecks are kept, since only they stop tasks that have drained.
        """
        for message, trigger in triggers.items():
            with batch.message(message):
                match trigger:
                    case DrainRequest(task=task, by=by):
                        self._notices.publish([refusal(DRAIN_REQUESTED, task, reason, by=by, resources=(task,))])
                    case Decision(request=request, proposal=proposal, by=by):
                        self._notices.publish([refusal(request, proposal, reason, by=by)])
                    case Recheck() if self._settings.targets_mode is not Mode.OFF:
                        self._queue.defer(bodies[message], PAUSED_RECHECK)
                    case Recheck(owners=owners):
                        self._switch.leave_unfinished(f"registrations of {len(owners)} tasks")
        dropped = [trigger.task.arn for trigger in triggers.values() if isinstance(trigger, TaskStateChange)]
        if dropped:
            logger.info("events dropped", reason=reason, tasks=dropped)

    # From tasks to calls

    def _carry_out(self, batch: Batch, invocation: Invocation) -> None:
        for step in (self._check, partial(self._work, invocation=invocation)):
            try:
                step(batch)
            except Exception as error:  # noqa: BLE001 - retried owner by owner, with what was begun
                logger.exception("batch failed")
                batch.retry(dict.fromkeys(batch.messages, error), self._clock.now())

    def _check(self, batch: Batch) -> None:
        for task in self._tasks.described(batch.checked).values():
            batch.see(task)

    def _work(self, batch: Batch, invocation: Invocation) -> None:
        due = set(batch.tasks)
        for _ in range(ROUNDS):
            if not due:
                break
            if invocation.time_left(self._clock.now()) < SHORTEST_ROUND:
                late = TimeoutError("no time left in this invocation")
                batch.retry(dict.fromkeys(due, late), self._clock.now())
                break
            due = self._round([batch.tasks[owner] for owner in due], batch, invocation)
        else:
            conflicts = Unfinished(f"conflicts with other invocations in {ROUNDS} rounds")
            batch.retry(dict.fromkeys(due, conflicts), self._clock.now())

    def _round(self, tasks: Collection[Task], batch: Batch, invocation: Invocation) -> set[str]:
        """Observe, plan and act once; returns the owners that need another round."""
        scene = self._scenes.read(tasks, batch.checked, invocation.id)
        plan = plan_events(tasks, scene)
        if self._settings.targets_mode is Mode.OBSERVE:
            if plan.moves:
                logger.info("would change", targets=notices.described(plan.moves))
            batch.retry(scene.failed, self._clock.now())
            return set()
        outcome = self._act.carry_out(plan, scene.destinations, invocation)
        self._note(outcome, scene, batch)
        at_once = {owner for owner, when in plan.recheck_at.items() if when <= scene.now}
        batch.recheck_at |= {owner: when for owner, when in plan.recheck_at.items() if owner not in at_once}
        due = at_once | outcome.conflicts
        failures = dict(scene.failed)
        if outcome.is_stopped:
            self._recheck_after_pause(due | outcome.failed, batch)
            due = set()
        else:
            failures |= {owner: Unfinished(f"AWS failed: {outcome.errors[0]}") for owner in outcome.failed}
        batch.retry(failures, self._clock.now())
        self._stop(plan.stops, batch)
        return due & set(batch.tasks)

    def _note(self, outcome: Outcome, scene: Scene, batch: Batch) -> None:
        batch.done += outcome.done
        metrics.publish_delays(_delays(outcome, scene, batch))
        # The reconciliation notifies people of findings, each once.
        for one in outcome.findings:
            logger.warning("finding", destination=one.destination, code=one.code, text=one.text)
        for move in outcome.done:
            batch.tries.pop(outcome.owners[move.after.key], None)

    def _stop(self, tasks: Sequence[str], batch: Batch) -> None:
        for task in tasks:
            try:
                self._switch.check()
                stop_task(self._clients.ecs, task)
            except Stopped:
                self._recheck_after_pause([task], batch)
            except (BotoCoreError, ClientError) as error:
                batch.retry({task: error}, self._clock.now())
            else:
                batch.drained.append(task)

    def _recheck_after_pause(self, owners: Collection[str], batch: Batch) -> None:
        logger.info("paused meanwhile", owners=sorted(owners))
        batch.recheck_at |= dict.fromkeys(owners, self._clock.now() + PAUSED_RECHECK)

    # After the work

    def _send_rechecks(self, batch: Batch) -> None:
        try:
            for delay, detail in batch.rechecks(self._clock.now()):
                self._queue.send(CHECK_TARGETS, detail, delay)
        except Exception as error:  # noqa: BLE001 - then the messages themselves are received again
            logger.exception("rechecks not sent")
            batch.fail(batch.recheck_at, error)

    def _report(self, batch: Batch) -> None:
        # What the bus did not accept is in the log; the messages, received again, would find nothing to report.
        with suppress(NotPublished):
            self._notices.publish_once([*notices.targets_changed(batch.done), *notices.tasks_drained(batch.drained)])


def _take_recheck(message: str, recheck: Recheck, batch: Batch) -> None:
    for owner in recheck.owners:
        batch.messages[owner].add(message)
        batch.tries[owner] = max(recheck.tries, batch.tries.get(owner, 0))
        if recheck.since:
            batch.add_event_time(owner, recheck.since, leaving=True)
            batch.add_event_time(owner, recheck.since, leaving=False)
    batch.checked |= set(recheck.owners)


def _delays(outcome: Outcome, scene: Scene, batch: Batch) -> dict[Call, list[float]]:
    """The seconds from events to AWS's answers, in target groups.

    What waited for a drain does not count, nor does Cloud Map, which takes its own time.
    """
    found: dict[Call, list[float]] = defaultdict(list)
    for move in outcome.done:
        key, owner = move.after.key, outcome.owners[move.after.key]
        since, at, fence = batch.since(owner), outcome.answered_at.get(key), scene.fences.get(owner)
        if move.call and since and at and scene.destinations[key.destination].kind is Kind.TARGET_GROUP:
            # An earlier event may have reported that the owner is leaving, and AWS failed then.
            first = min(since, fence.changed_at) if fence and fence.leaving else since
            found[move.call].append(max((at - first).total_seconds(), 0.0))
    return found
