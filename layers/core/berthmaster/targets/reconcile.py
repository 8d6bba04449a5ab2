"""targets_reconcile: every minute, each destination as it is against each destination as it should be."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import chain
from typing import Any

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.errors import MissingEvidence
from berthmaster.failures import Failures
from berthmaster.invocation import Invocation
from berthmaster.lease import Leases
from berthmaster.modes import Mode
from berthmaster.switch import Stopped, Switch
from berthmaster.targets.act.targets import Act
from berthmaster.targets.announcements import Announcements, DestinationResult
from berthmaster.targets.ledger.changes import Changes, new_id
from berthmaster.targets.ledger.claims import ClaimLedger
from berthmaster.targets.ledger.findings import DestinationStatuses, was_unmanaged
from berthmaster.targets.model import AUTOMATION, Declaration, Destination, EksSelector, Finding, Move
from berthmaster.targets.observe.destinations import DestinationReader, Destinations
from berthmaster.targets.observe.survey import Evidence, SurveyReader
from berthmaster.targets.plan import changes, reconciliation, waits
from berthmaster.targets.plan.changes import Change, ChangeState
from berthmaster.targets.plan.rotation import in_rotation
from berthmaster.targets.report import metrics
from berthmaster.targets.settings import ReconcileSettings
from berthmaster.telemetry import logger

LEASE = "targets reconciliation"
TIME_FOR_ONE = timedelta(seconds=15)
"""What one destination may take; with less time left, the others are left to the next runs."""
TIME_FOR_PODS = TIME_FOR_ONE + timedelta(seconds=5)
"""Enough to give up a cluster that does not answer."""


class Reconcile:
    """What targets_reconcile does every minute."""

    def __init__(self, settings: ReconcileSettings, clients: Clients, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        table, mode = settings.targets_table, settings.targets_mode
        ledger = ClaimLedger(clients.dynamodb, table, clock)
        self._destinations = DestinationReader(clients, clock)
        self._surveys = SurveyReader(clients, clock, ledger, self._destinations, settings.policy)
        self._switch = Switch(clients.dynamodb, clock, table=table, automation=AUTOMATION, mode=mode)
        self._act = Act(clients, clock, ledger, self._switch, table, urgent=False)
        self._changes = Changes(clients.dynamodb, table)
        self._statuses = DestinationStatuses(clients.dynamodb, table)
        self._leases = Leases(clients.dynamodb, table)
        self._announcements = Announcements(
            clients, clock, self._statuses, self._changes, bus=settings.event_bus, topic_arn=settings.topic_arn
        )

    def run(self, invocation: Invocation) -> dict[str, Any]:
        """Reconcile all destinations, or as many as there is time for; raises all failures at the end."""
        if reason := self._switch.reason():
            logger.info("run skipped", reason=reason)
            return {}
        now = self._clock.now()
        lease = self._leases.acquire(LEASE, owner=invocation.id, now=now, deadline=invocation.deadline)
        if lease is None:
            logger.info("run skipped", reason="the last run has not ended")
            return {}
        try:
            return self._run(invocation)
        finally:
            self._leases.release(lease, considered_at=self._clock.now(), resumes_at=None)

    def _run(self, invocation: Invocation) -> dict[str, Any]:
        failures = Failures()
        declared = self._destinations.declarations.read(fresh=True)
        services = self._surveys.begin(declared.declarations, invocation.deadline)
        destinations = self._destinations.read(declared.declarations, services)
        statuses, known = self._statuses.all(), self._changes.current(self._clock.now())
        self._surveys.unwatched = {arn for arn, status in statuses.items() if was_unmanaged(status, self._clock.now())}
        results = _results_of([*declared.findings, *destinations.findings])
        self._reconcile_all(declared.declarations, destinations, known, invocation, results=results, failures=failures)
        managed = {one.arn for one in declared.declarations}
        before = list(chain.from_iterable(known.values()))
        self._announcements.publish(results, statuses, before, failures, managed=managed)
        figures = metrics.publish_run(
            destinations=len(destinations.by_arn),
            targets=self._surveys.target_count,
            held_back=sum(result.is_held_back for result in results.values()),
            findings=sum(len(result.findings) for result in results.values()),
        )
        logger.info("run completed", failures=len(failures), figures=figures)
        failures.raise_all("the run completed with failures")
        return figures

    def _reconcile_all(
        self,
        declared: Sequence[Declaration],
        destinations: Destinations,
        known: Mapping[str, Sequence[Change]],
        invocation: Invocation,
        *,
        results: dict[str, DestinationResult],
        failures: Failures,
    ) -> None:
        """Reconcile the destinations one by one, until time is up or an operator pauses targets."""
        for one in in_rotation(declared, self._clock.now()):
            if invocation.time_left(self._clock.now()) < _time_for(one):
                logger.warning("no time for all destinations", next=one.arn)
                return
            result = DestinationResult()
            with failures.collect("destination not reconciled", destination=one.arn):
                destination = destinations.of(one)
                if destination is None:
                    continue
                try:
                    evidence = self._observe(destination, destinations.by_arn, invocation, result)
                    self._reconcile(evidence, destinations.by_arn, known.get(one.arn, []), invocation, result)
                except MissingEvidence as missing:
                    result.findings.append(Finding(destination=one.arn, code="not readable", text=str(missing)))
            failures.add(result.errors)
            results[one.arn] = result
            if result.is_stopped:
                logger.info("run stopped", reason="targets was paused meanwhile")
                return

    # One destination

    def _observe(
        self,
        destination: Destination,
        all_: Mapping[str, Destination],
        invocation: Invocation,
        result: DestinationResult,
    ) -> Evidence:
        result.survey, desired = self._surveys.read(destination, all_)
        result.is_doubtful = result.survey.is_unwatched
        result.findings += desired.findings
        evidence = self._surveys.evidence(result.survey, desired, invocation)
        result.errors += evidence.errors
        return evidence

    def _reconcile(
        self,
        evidence: Evidence,
        all_: Mapping[str, Destination],
        known: Sequence[Change],
        invocation: Invocation,
        result: DestinationResult,
    ) -> None:
        destination = evidence.survey.destination
        plan = reconciliation.reconcile(evidence.survey, evidence.input)
        result.findings += plan.findings
        result.waiting |= waits.waits(evidence.survey, evidence.input)
        moves, state = list(plan.moves), ChangeState.REPORTED
        if self._settings.targets_mode is not Mode.OBSERVE:
            result.is_held_back = bool(plan.held)
            result.waiting |= waits.unanswered(changes.undecided(known, plan.held))
            moves, state = [*moves, *changes.approved(known, plan.held)], ChangeState.PROPOSED
        outcome = self._act.carry_out(reconciliation.plan(moves, evidence.input), all_, invocation)
        result.done = outcome.done
        result.is_doubtful = bool(evidence.survey.lost - {move.after.key for move in outcome.done})
        result.change = self._change(destination, state, plan.held, plan.held_because, known)
        for change in changes.spent(known, outcome.done):
            self._changes.save(change)
        result.findings += outcome.findings
        result.is_stopped = outcome.is_stopped
        if errors := [error for error in outcome.errors if not isinstance(error, Stopped)]:
            raise ExceptionGroup("AWS failed", errors)

    def _change(
        self,
        destination: Destination,
        state: ChangeState,
        moves: Sequence[Move],
        reason: str,
        known: Sequence[Change],
    ) -> Change | None:
        """The change to announce for moves that are not carried out; each step is announced once a day."""
        now, steps = self._clock.now(), changes.unannounced(known, moves, state)
        if not steps:
            return None
        return Change(
            id=new_id(destination.name, now),
            destination=destination.arn,
            state=state,
            steps=steps,
            reason=reason,
            created_at=now,
        )


def _time_for(declared: Declaration) -> timedelta:
    return TIME_FOR_PODS if isinstance(declared.selector, EksSelector) else TIME_FOR_ONE


def _results_of(findings: Sequence[Finding]) -> dict[str, DestinationResult]:
    """Results of destinations that cannot be managed, by destination."""
    found: dict[str, DestinationResult] = {}
    for one in findings:
        found.setdefault(one.destination, DestinationResult()).findings.append(one)
    return found
