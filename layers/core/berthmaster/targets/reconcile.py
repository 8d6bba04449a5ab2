"""targets_reconcile: every minute, all destinations, several at a time, or as many as there is time for.

A run begins where the last one ended, whatever ended it, and publishes results while it goes on.
"""

from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.concurrently import Together
from berthmaster.failures import Failures
from berthmaster.invocation import Invocation
from berthmaster.lease import Leases
from berthmaster.paced_reads import AT_ONCE
from berthmaster.switch import Switch
from berthmaster.targets.announcements import Announcements, DestinationResult
from berthmaster.targets.ledger.changes import Changes
from berthmaster.targets.ledger.cursor import CursorLedger
from berthmaster.targets.ledger.findings import DestinationStatuses, was_unmanaged
from berthmaster.targets.model import AUTOMATION, Declaration, DestinationStatus, EksSelector, Finding, Kind
from berthmaster.targets.observe.destinations import Destinations
from berthmaster.targets.observe.kubernetes import Kubernetes
from berthmaster.targets.plan.changes import Change
from berthmaster.targets.plan.rotation import before, in_lots
from berthmaster.targets.reconciler import Reconciler
from berthmaster.targets.report import metrics
from berthmaster.targets.settings import ReconcileSettings
from berthmaster.telemetry import logger

LEASE = "targets reconciliation"
TIME_FOR_ONE = timedelta(seconds=10)
"""What one destination may take; with less time left, the others are left to the next runs."""
TIME_TO_PUBLISH = timedelta(seconds=5)
"""With less time left, what is done is published, although a call still hangs."""
PUBLISHED_EVERY = timedelta(seconds=5)
"""People get one message about what was found meanwhile."""
QUEUED = AT_ONCE
"""Destinations that wait for a thread while the next ones are prepared."""
LOOK_EVERY = 0.1
"""Seconds."""


class Reconcile:
    """What targets_reconcile does every minute."""

    def __init__(self, settings: ReconcileSettings, clients: Clients, clock: Clock) -> None:
        self._clock = clock
        table, mode = settings.targets_table, settings.targets_mode
        self._switch = Switch(clients.dynamodb, clock, table=table, automation=AUTOMATION, mode=mode)
        self._reconciler = Reconciler(
            settings, clients, clock, self._switch, kubernetes=Kubernetes(clients, clock), urgent=False
        )
        self._changes = Changes(clients.dynamodb, table)
        self._statuses = DestinationStatuses(clients.dynamodb, table)
        self._cursor = CursorLedger(clients.dynamodb, table)
        self._leases = Leases(clients.dynamodb, table)
        self._announcements = Announcements(
            clients, clock, self._statuses, self._changes, bus=settings.event_bus, topic_arn=settings.topic_arn
        )

    def run(self, invocation: Invocation) -> dict[str, Any]:
        """Reconcile all destinations, or as many as there is time for; raises all failures at the end."""
        if reason := self._switch.reason():
            logger.info("run skipped", reason=reason)
            return {}
        with self._leases.held(LEASE, invocation, self._clock) as is_alone:
            if not is_alone:
                logger.info("run skipped", reason="the last run has not ended")
                return {}
            return self._run(invocation)

    def _run(self, invocation: Invocation) -> dict[str, Any]:
        failures = Failures()
        with Together(at_once=AT_ONCE) as reads:
            tags = reads.begin(self._reconciler.destinations.declarations.read, fresh=True)
            statuses = reads.begin(self._statuses.all)
            changes = reads.begin(self._changes.current, self._clock.now(), failures)
            read = reads.begin(self._cursor.get)
            resumed_at = reads.begin(self._switch.resumed_at)
        cursor = ""
        with failures.collect("cursor not read"):
            cursor = read.result()
        # targets_pods follows pods: they have one writer.
        declared = [one for one in tags.result().declarations if not isinstance(one.selector, EksSelector)]
        chosen = {one.arn for one in declared}
        known = {arn: some for arn, some in changes.result().items() if arn in chosen}
        run = _Run(
            clock=self._clock,
            announcements=self._announcements,
            invocation=invocation,
            resumed_at=resumed_at.result(),
            statuses=statuses.result(),
            changes=known,
            managed=chosen,
            unpublished=[change for some in known.values() for change in some],
            published_at=self._clock.now(),
            failures=failures,
        )
        run.add_findings(tags.result().findings)
        self._announcements.note_unmanaged(run.statuses, tags.result().arns, run.failures)
        self._reconciler.begin(declared, invocation)
        self._reconcile_all(declared, cursor, run)
        run.publish()
        self._reconciler.refresh(run.groups, invocation)
        figures = metrics.publish_run(
            destinations=len(declared),
            targets=self._reconciler.target_count,
            held_back=run.held_back,
            findings=run.findings,
        )
        logger.info(
            "run completed", failures=len(run.failures), reached=len(run.begun) - len(run.left), figures=figures
        )
        run.failures.raise_all("the run completed with failures")
        return figures

    def _reconcile_all(self, declared: Sequence[Declaration], cursor: str, run: "_Run") -> None:
        """Reconcile the destinations lot by lot, until time is up or an operator pauses targets."""
        with Together(at_once=AT_ONCE) as threads:
            for lot in in_lots(declared, cursor):
                run.wait(most_pending=QUEUED)
                if run.is_stopped or run.is_late(TIME_FOR_ONE):
                    break
                # Before the lot, so that the next run begins after it, whatever ends this one.
                self._keep_cursor(lot.after, run)
                run.begun += lot.declared
                with run.failures.collect("destinations not prepared", first=lot.declared[0].arn):
                    prepared = self._reconciler.prepare(lot.declared, lambda: not run.is_late(TIME_FOR_ONE))
                    run.pending += [threads.begin(self._reconcile, some, prepared, run) for some in lot.by_selector]
            run.wait(most_pending=0)
            if run.left:
                self._keep_cursor(before(run.left, run.begun, cursor), run)
            if left := len(declared) - len(run.begun) + len(run.left):
                logger.warning("no time for all destinations", left=left)
            # A call that hangs ends with the invocation.
            run.publish()

    def _keep_cursor(self, cursor: str, run: "_Run") -> None:
        """Let the next run continue there; without it, that begins where an earlier one did."""
        with run.failures.collect("cursor not kept"):
            self._cursor.put(cursor)

    def _reconcile(self, declared: Sequence[Declaration], prepared: Destinations, run: "_Run") -> None:
        """Reconcile destinations with the same owners in one thread."""
        for one in declared:
            self._reconcile_one(one, prepared, run)

    def _reconcile_one(self, declared: Declaration, prepared: Destinations, run: "_Run") -> None:
        """Reconcile one destination if there is time for it."""
        if run.is_stopped or run.is_late(TIME_FOR_ONE):
            run.left.append(declared)
            return
        known = run.changes.get(declared.arn, [])
        status = run.statuses.get(declared.arn)
        is_unwatched = was_unmanaged(status, self._clock.now(), resumed_at=run.resumed_at)
        result = self._reconciler.reconcile(declared, prepared, known, run.invocation, is_unwatched=is_unwatched)
        if result.is_stopped and not run.is_stopped:
            logger.info("run stopped", reason="targets was paused meanwhile")
            run.is_stopped = True
        run.finished.append((declared.arn, result))


@dataclass(slots=True, kw_only=True)
class _Run:
    """One run while it goes on.

    resumed_at: when an operator last let targets resume. statuses, changes: before the run, by destination. managed:
    the destinations of the run. unpublished: changes of earlier runs. begun: in order. left: those of them that there
    was no time for. finished: results to publish, appended by threads. groups: the target groups that were read.
    """

    clock: Clock
    announcements: Announcements
    invocation: Invocation
    resumed_at: datetime
    statuses: Mapping[str, DestinationStatus]
    managed: Collection[str]
    changes: Mapping[str, Sequence[Change]]
    unpublished: list[Change]
    published_at: datetime
    failures: Failures
    begun: list[Declaration] = field(default_factory=list)
    left: list[Declaration] = field(default_factory=list)
    pending: list[Future[None]] = field(default_factory=list)
    finished: deque[tuple[str, DestinationResult]] = field(default_factory=deque)
    groups: list[str] = field(default_factory=list)
    held_back: int = 0
    findings: int = 0
    is_stopped: bool = False

    def is_late(self, needed: timedelta) -> bool:
        """Whether less time is left."""
        return self.invocation.time_left(self.clock.now()) < needed

    def add_findings(self, findings: Iterable[Finding]) -> None:
        """Add the results of destinations that cannot be managed."""
        by_destination: dict[str, DestinationResult] = defaultdict(DestinationResult)
        for one in findings:
            by_destination[one.destination].findings.append(one)
        self.finished.extend(by_destination.items())

    def wait(self, *, most_pending: int) -> None:
        """Publish what is finished, until hardly anything is pending or time is up: a call may hang."""
        while len(self.pending) > most_pending and not self.is_late(TIME_TO_PUBLISH):
            self.pending = [one for one in self.pending if not one.done()]
            if self.clock.now() - self.published_at >= PUBLISHED_EVERY:
                self.publish()
            if len(self.pending) > most_pending:
                self.clock.sleep(LOOK_EVERY)

    def publish(self) -> None:
        """Publish what is finished."""
        results: dict[str, DestinationResult] = {}
        while self.finished:
            arn, result = self.finished.popleft()
            results[arn] = result
            self.failures.add(result.errors)
            self.held_back += result.is_held_back
            self.findings += len(result.findings)
            if result.survey and result.survey.destination.kind is Kind.TARGET_GROUP:
                self.groups.append(arn)
        unpublished, self.unpublished = self.unpublished, []
        self.announcements.publish(results, self.statuses, unpublished, self.failures, managed=self.managed)
        self.published_at = self.clock.now()
