"""targets_sync: from a batch of events to registrations and deregistrations, within seconds."""

from collections import defaultdict, deque
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import chain

from botocore.exceptions import BotoCoreError, ClientError

from berthmaster.arn import Arn
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.deferral import Deferrals
from berthmaster.invocation import Invocation
from berthmaster.lease import Leases
from berthmaster.modes import Mode
from berthmaster.notices import Notices, NotPublished
from berthmaster.own_queue import OwnQueue
from berthmaster.paced_reads import PacedReads
from berthmaster.switch import Stopped, Switch
from berthmaster.targets.act.targets import Act, Outcome
from berthmaster.targets.act.tasks import stop_task
from berthmaster.targets.batch import Batch, Unfinished
from berthmaster.targets.decisions import Decisions
from berthmaster.targets.drain import Drains
from berthmaster.targets.intake import PAUSED_RECHECK, Intake
from berthmaster.targets.ledger.attributes import AttributeLedger
from berthmaster.targets.ledger.changes import Changes
from berthmaster.targets.ledger.claims import ClaimLedger
from berthmaster.targets.model import AUTOMATION, Call, Kind, Plan, Task
from berthmaster.targets.observe.destinations import DestinationReader
from berthmaster.targets.observe.ecs import EcsTasks
from berthmaster.targets.observe.scene import SceneReader
from berthmaster.targets.plan.events import Scene, plan_events
from berthmaster.targets.report import metrics, notices
from berthmaster.targets.requests import Requests
from berthmaster.targets.settings import SyncSettings
from berthmaster.targets.triggers import CHECK_TARGETS
from berthmaster.telemetry import logger

ROUNDS = 4
"""How often an invocation plans again for owners with conflicts."""
STALLED_AT = 4
"""After so many failures of StopTask, which take 45 seconds, people are notified that a drain does not end."""
SHORTEST_ROUND = timedelta(seconds=8)
"""With less time left, no round is begun."""


class Sync:
    """What targets_sync does with one batch of messages."""

    def __init__(self, settings: SyncSettings, clients: Clients, clock: Clock) -> None:
        self._settings = settings
        self._clients = clients
        self._clock = clock
        table, mode = settings.targets_table, settings.targets_mode
        ledger = ClaimLedger(clients.dynamodb, table, clock)
        self._reads = PacedReads(clients.dynamodb, table, clock, rate=settings.read_rate, urgent=True)
        destinations = DestinationReader(clients, clock, self._reads, AttributeLedger(clients.dynamodb, table))
        self._tasks = EcsTasks(clients, clock)
        self._scenes = SceneReader(
            clients, clock, self._reads, ledger=ledger, destinations=destinations, policy=settings.policy
        )
        self._switch = Switch(clients.dynamodb, clock, table=table, automation=AUTOMATION, mode=mode)
        self._act = Act(
            clients,
            clock,
            ledger,
            self._switch,
            self._reads,
            table=table,
            rate=settings.rate,
            urgent=True,
            waits=False,
            reread=destinations.reread,
        )
        self._queue = OwnQueue(clients, clock, settings.targets_queue_url)
        self._notices = Notices(clients, bus=settings.event_bus, topic_arn=settings.topic_arn)
        account = Arn.parse(settings.topic_arn).account
        self._requests = Requests(
            clock,
            self._switch,
            decisions=Decisions(clock, Changes(clients.dynamodb, table), mode),
            drains=Drains(clock, ledger, destinations, self._tasks, mode=mode, account=account, region=clients.region),
            queue=self._queue,
            notices=self._notices,
        )
        deferrals = Deferrals(Leases(clients.dynamodb, table), self._queue, clock)
        self._intake = Intake(clock, self._switch, mode=mode, requests=self._requests, deferrals=deferrals)

    def process(self, bodies: Mapping[str, str], invocation: Invocation) -> dict[str, Exception]:
        """Process all messages (body by id); returns those that are to be received again, with the reason."""
        self._reads.begin(invocation.deadline)
        batch = self._intake.take(bodies, invocation)
        if not batch.is_postponed:
            self._carry_out(batch, invocation)
        self._send_rechecks(batch)
        self._requests.answer_drains(batch)
        self._report(batch)
        return batch.failed

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
            due = self._round([task for owner, task in batch.tasks.items() if owner in due], batch, invocation)
        else:
            conflicts = Unfinished(f"conflicts with other invocations in {ROUNDS} rounds")
            batch.retry(dict.fromkeys(due, conflicts), self._clock.now())

    def _round(self, tasks: Collection[Task], batch: Batch, invocation: Invocation) -> set[str]:
        """Observe, plan and act once; returns the owners that need another round."""
        scene = self._scenes.read(tasks, batch.checked, invocation)
        plan = plan_events(tasks, scene)
        if self._settings.targets_mode is Mode.OBSERVE:
            _log_what_would_change(tasks, scene, plan)
        completed = self._scenes.completed(scene, plan, invocation)
        if completed is not scene:
            scene, plan = completed, plan_events(tasks, completed)
        outcome = self._act.carry_out(plan, scene.destinations, invocation)
        self._note(outcome, scene, batch)
        at_once = {owner for owner, when in plan.recheck_at.items() if when <= scene.now}
        batch.recheck_at |= {owner: when for owner, when in plan.recheck_at.items() if owner not in at_once}
        for owner, when in chain(outcome.retry_at.items(), outcome.left.items()):
            batch.recheck_at[owner] = min(when, batch.recheck_at.get(owner, when))
        batch.left |= outcome.left.keys()
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
            key, owner = move.after.key, outcome.owners[move.after.key]
            batch.tries.pop(owner, None)
            if move.call is Call.DEREGISTER:
                answered_at = outcome.answered_at.get(key, scene.now)
                batch.add_end(owner, answered_at + scene.destinations[key.destination].body.drain)

    def _stop(self, tasks: Sequence[str], batch: Batch) -> None:
        for task in tasks:
            try:
                self._switch.check()
                stop_task(self._clients.ecs, task)
            except Stopped:
                self._recheck_after_pause([task], batch)
            except (BotoCoreError, ClientError) as error:
                batch.retry({task: error}, self._clock.now())
                if batch.tries.get(task) == STALLED_AT:
                    batch.stalled[task] = error
            else:
                batch.drained.append(task)

    def _recheck_after_pause(self, owners: Collection[str], batch: Batch) -> None:
        logger.info("paused meanwhile", owners=sorted(owners))
        batch.recheck_at |= dict.fromkeys(owners, self._clock.now() + PAUSED_RECHECK)

    # After the work

    def _send_rechecks(self, batch: Batch) -> None:
        """Only the owners whose message was not sent are left to the messages that were received."""
        unsent = deque(batch.rechecks(self._clock.now()))
        try:
            while unsent:
                delay, detail = unsent[0]
                self._queue.send(CHECK_TARGETS, detail, delay)
                unsent.popleft()
        except Exception as error:  # noqa: BLE001 - then the messages themselves are received again
            logger.exception("rechecks not sent")
            batch.fail([owner for _, detail in unsent for owner in detail["owners"]], error)

    def _report(self, batch: Batch) -> None:
        # What the bus did not accept is in the log; the messages, received again, would find nothing to report.
        with suppress(NotPublished):
            self._notices.publish_once(
                [
                    *notices.targets_changed(batch.done),
                    *notices.tasks_drained(batch.drained),
                    *notices.drains_stalled(batch.stalled),
                ]
            )


def _log_what_would_change(tasks: Collection[Task], scene: Scene, plan: Plan) -> None:
    """Log what mode enforce would do and the plan of mode observe does not."""
    enforcing = replace(scene.policy, registers=True, registers_at_once=True)
    done = {move.after.key for move in plan.moves}
    rest = [move for move in plan_events(tasks, replace(scene, policy=enforcing)).moves if move.after.key not in done]
    if rest:
        logger.info("would change", targets=notices.described(rest))


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
