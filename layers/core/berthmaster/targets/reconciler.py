"""One destination as it is against the same destination as it should be: read, planned, and carried out."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import timedelta

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.errors import MissingEvidence
from berthmaster.failures import Failures
from berthmaster.invocation import Invocation
from berthmaster.modes import Mode
from berthmaster.paced_reads import PacedReads
from berthmaster.switch import Stopped, Switch
from berthmaster.targets.act.targets import Act
from berthmaster.targets.announcements import DestinationResult
from berthmaster.targets.ledger.attributes import AttributeLedger
from berthmaster.targets.ledger.changes import Changes, new_id
from berthmaster.targets.ledger.claims import ClaimLedger
from berthmaster.targets.model import Declaration, Destination, Finding, Move
from berthmaster.targets.observe.destinations import DestinationReader, Destinations
from berthmaster.targets.observe.kubernetes import Kubernetes
from berthmaster.targets.observe.survey import Evidence, SurveyReader
from berthmaster.targets.plan import attributes, changes, reconciliation, waits
from berthmaster.targets.plan.changes import Change, ChangeState
from berthmaster.targets.settings import ReconcileSettings
from berthmaster.telemetry import logger

TIME_TO_REFRESH = timedelta(seconds=10)


class Reconciler:
    """Reconciles any destinations: `begin` once in a run, `prepare` some of them, and then `reconcile` each.

    `reconcile` may be called by several threads, each with another destination. kubernetes: for those of pods. urgent:
    whether it may use the whole rate of AWS's calls.
    """

    def __init__(
        self,
        settings: ReconcileSettings,
        clients: Clients,
        clock: Clock,
        switch: Switch,
        *,
        kubernetes: Kubernetes,
        urgent: bool,
    ) -> None:
        self._settings = settings
        self._clock = clock
        table = settings.targets_table
        ledger = ClaimLedger(clients.dynamodb, table, clock)
        self._reads = PacedReads(clients.dynamodb, table, clock, rate=settings.read_rate, urgent=urgent)
        self.destinations = DestinationReader(clients, clock, self._reads, AttributeLedger(clients.dynamodb, table))
        self._surveys = SurveyReader(
            clients,
            clock,
            self._reads,
            ledger=ledger,
            destinations=self.destinations,
            policy=settings.policy,
            kubernetes=kubernetes,
        )
        self._act = Act(
            clients,
            clock,
            ledger,
            switch,
            self._reads,
            table=table,
            rate=settings.rate,
            urgent=urgent,
            waits=True,
            reread=self.destinations.reread,
        )
        self._changes = Changes(clients.dynamodb, table)

    @property
    def target_count(self) -> int:
        """How many targets all destinations had when they were read last."""
        return self._surveys.target_count

    def begin(self, declared: Collection[Declaration], invocation: Invocation) -> None:
        """Begin a run over these destinations."""
        self._reads.begin(invocation.deadline)
        self._surveys.begin(declared, invocation.deadline)

    def prepare(self, declared: Collection[Declaration], may_begin: Callable[[], bool]) -> Destinations:
        """Read together what `reconcile` needs of some destinations."""
        return self._surveys.prepare(declared, may_begin)

    def reconcile(
        self,
        declared: Declaration,
        prepared: Destinations,
        known: Sequence[Change],
        invocation: Invocation,
        *,
        is_unwatched: bool,
    ) -> DestinationResult:
        """Reconcile one destination that was prepared; what failed is in the result, whatever it is.

        known: its changes that still count. is_unwatched: whether it was not managed for a while before.
        """
        result = DestinationResult(findings=[one for one in prepared.findings if one.destination == declared.arn])
        try:
            destination = prepared.of(declared)
            if destination is not None:
                evidence = self._observe(destination, invocation, result, is_unwatched=is_unwatched)
                self._reconcile(evidence, known, invocation, result)
        except MissingEvidence as missing:
            result.findings.append(Finding(destination=declared.arn, code="not readable", text=str(missing)))
        except Exception as error:  # noqa: BLE001 - raised at the end of the run
            logger.error("destination not reconciled", destination=declared.arn, error=repr(error))
            result.errors.append(error)
        return result

    def refresh(self, groups: Collection[str], invocation: Invocation) -> None:
        """Read attributes of some target groups before a decision needs them, if there is time."""
        self.destinations.attributes.refresh(groups, lambda: invocation.time_left(self._clock.now()) > TIME_TO_REFRESH)

    def _observe(
        self, destination: Destination, invocation: Invocation, result: DestinationResult, *, is_unwatched: bool
    ) -> Evidence:
        failures = Failures()
        result.survey, desired = self._surveys.read(destination, failures, is_unwatched=is_unwatched)
        result.errors += failures.errors
        result.is_doubtful = is_unwatched
        result.findings += desired.findings
        evidence = self._surveys.evidence(result.survey, desired, invocation)
        result.errors += evidence.errors
        return evidence

    def _reconcile(
        self, evidence: Evidence, known: Sequence[Change], invocation: Invocation, result: DestinationResult
    ) -> None:
        survey = evidence.survey
        plan = reconciliation.reconcile(survey, evidence.input)
        planned = (*plan.moves, *plan.held)
        if attributes.unread({survey.destination.arn: survey.destination}, planned, survey.claims.values()):
            survey = replace(survey, destination=self._surveys.with_attributes(survey.destination))
            plan = reconciliation.reconcile(survey, evidence.input)
        destination = survey.destination
        result.findings += plan.findings
        result.waiting |= waits.waits(survey, evidence.input)
        moves, state = list(plan.moves), ChangeState.REPORTED
        if self._settings.targets_mode is not Mode.OBSERVE:
            result.is_held_back = bool(plan.held)
            result.waiting |= waits.unanswered(changes.undecided(known, plan.held))
            moves, state = [*moves, *changes.approved(known, plan.held)], ChangeState.PROPOSED
        result.is_settled = not moves
        outcome = self._act.carry_out(
            reconciliation.plan(moves, evidence.input), {destination.arn: destination}, invocation
        )
        result.done = outcome.done
        result.is_doubtful = bool(survey.lost - {move.after.key for move in outcome.done})
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
