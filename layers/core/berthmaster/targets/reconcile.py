"""targets_reconcile: every minute, each destination as it is against as it should be."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from berthmaster.bus import Bus, Notifier
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.errors import MissingEvidence
from berthmaster.lease import Leases
from berthmaster.modes import Mode
from berthmaster.targets.act.targets import Act
from berthmaster.targets.ledger import changes
from berthmaster.targets.ledger.changes import Change, Changes
from berthmaster.targets.ledger.claims import Ledger, View
from berthmaster.targets.model import (
    ClaimState,
    Declaration,
    Destination,
    DestinationStatus,
    EksSelector,
    Finding,
    Move,
)
from berthmaster.targets.observe.desired import Desired, Sources
from berthmaster.targets.observe.inventory import Inventory
from berthmaster.targets.observe.kubernetes import Kubernetes
from berthmaster.targets.observe.quotas import Limits, Zones
from berthmaster.targets.observe.scene import Observer
from berthmaster.targets.plan import reconciliation as level
from berthmaster.targets.plan.reconciliation import ReconcileInput, Survey
from berthmaster.targets.report import metrics as measures
from berthmaster.targets.report.notices import Announcer, Reporter
from berthmaster.targets.settings import ReconcileSettings
from berthmaster.telemetry import logger

LEASE = "targets reconciliation"
TIME_FOR_ONE = timedelta(seconds=15)
"""What one destination may take; with less left, the rest is the next passes'."""
TIME_FOR_PODS = TIME_FOR_ONE + timedelta(seconds=5)
"""Within it, even a cluster that hangs is given up."""
GOLDEN = (5**0.5 - 1) / 2
PODS_FIRST = 5
"""In every so many-th minute, destinations of pods come first: there may never be time for the last."""
MOST_ROOM = 200
"""More room than one batch of events can fill need not be told apart."""

NOTED_ANEW = timedelta(minutes=2)
"""After that, a note that says the same is written again: old ones are not believed."""
MOST_TOLD = 2_000
"""Findings remembered of a destination: an item of DynamoDB has room for 400 KB."""


@dataclass(slots=True)
class _Look:
    """What came of looking at one destination; `survey` is None if it could not be seen.

    problems: what went wrong with parts of it. done: what was carried out. change: what people are to be asked about.
    """

    findings: list[Finding] = field(default_factory=list)
    problems: list[Exception] = field(default_factory=list)
    survey: Survey | None = None
    done: list[Move] = field(default_factory=list)
    change: Change | None = None
    is_held_back: bool = False


def in_turn(declared: Sequence[Declaration], now: datetime) -> list[Declaration]:
    """All destinations, those of pods last, since a cluster that does not answer takes time.

    Each minute begins elsewhere. If there is never time for all, whatever the reason, each has its turn all the same:
    multiples of the golden ratio leave no part of a circle out for long.
    """
    minute = int(now.timestamp()) // 60
    of_pods = [one for one in declared if isinstance(one.selector, EksSelector)]
    others = [one for one in declared if not isinstance(one.selector, EksSelector)]
    first, last = (others, of_pods) if minute % PODS_FIRST else (of_pods, others)
    return [*_rotated(first, minute), *_rotated(last, minute)]


def _rotated(declared: Sequence[Declaration], minute: int) -> list[Declaration]:
    start = int(len(declared) * (minute * GOLDEN % 1))
    return [*declared[start:], *declared[:start]]


class Reconcile:
    """What targets_reconcile does every minute."""

    def __init__(self, settings: ReconcileSettings, clients: Clients, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._ledger = Ledger(clients.dynamodb, settings.targets_table)
        self._inventory = Inventory(clients, clock)
        self._observer = Observer(clients, clock, self._ledger, self._inventory, settings.policy)
        self._pods = Kubernetes(clients, clock)
        self._sources = Sources(self._observer, self._inventory, self._pods)
        self._limits = Limits(clients)
        self._act = Act(clients, clock, self._ledger, settings.targets_table, urgent=False)
        self._changes = Changes(clients.dynamodb, settings.targets_table)
        self._leases = Leases(clients.dynamodb, settings.targets_table)
        bus = Bus(clients, settings.event_bus)
        self._announcer = Announcer(bus)
        self._reporter = Reporter(bus, Notifier(clients, settings.topic_arn), settings.event_bus)
        self._counts: dict[str, Zones] = {}

    def run(self, owner: str, turn: datetime) -> dict[str, Any]:
        """Look at every destination once, or at as many as there is time for. Whatever fails is raised at the end.

        owner: this invocation. turn: its end.
        """
        lease = self._leases.acquire(LEASE, owner=owner, now=self._clock.now(), deadline=turn)
        if lease is None:
            logger.info("the last pass still runs")
            return {}
        try:
            return self._under_lease(turn)
        finally:
            self._leases.release(lease, considered_at=self._clock.now(), resumes_at=None)

    def _under_lease(self, turn: datetime) -> dict[str, Any]:
        problems: list[Exception] = []
        declared, senseless = self._inventory.declarations(fresh=True)
        self._pods.begin(turn)
        services = self._sources.begin(one.selector for one in declared)
        stock = self._inventory.destinations(declared, services)
        self._counts = {one.arn: self._counts[one.arn] for one in declared if one.arn in self._counts}
        notes = self._ledger.notes()
        known = self._changes.current(self._clock.now())
        looks = {arn: _Look(findings) for arn, findings in _by_destination([*senseless, *stock.findings]).items()}
        for one in in_turn(declared, self._clock.now()):
            if turn - self._clock.now() < (TIME_FOR_PODS if isinstance(one.selector, EksSelector) else TIME_FOR_ONE):
                logger.warning("no time for all", next=one.arn)
                break
            look = _Look()
            with _going_on(problems, look, one.arn):
                destination = stock.of(one)
                if destination is None:
                    continue
                self._reconcile(destination, stock.destinations, known.get(one.arn, []), turn, look)
            problems += look.problems
            looks[one.arn] = look
        self._tell(looks, notes, problems)
        figures = {
            "ManagedDestinations": len(stock.destinations),
            "Targets": sum(zones.total() for zones in self._counts.values()),
            "HeldBack": sum(look.is_held_back for look in looks.values()),
            "Findings": sum(len(look.findings) for look in looks.values()),
        }
        measures.publish(figures)
        logger.info("pass completed", problems=len(problems), figures=figures)
        if problems:
            raise ExceptionGroup("the pass was completed, but for this", problems)
        return figures

    # One destination

    def _reconcile(
        self,
        destination: Destination,
        all_: Mapping[str, Destination],
        known: Sequence[Change],
        turn: datetime,
        look: "_Look",
    ) -> None:
        now, policy = self._clock.now(), self._settings.policy
        # Claims are written before targets: read in this order, no target seems to be another's that is not.
        targets = self._observer.targets_of(destination)
        held = {claim.key: claim for claim in self._ledger.claims_of(destination.arn)}
        desired = self._sources.desired(destination, policy, held)
        self._counts[destination.arn] = Counter(target.zone for target in targets.values())
        zones = {one.address.zone for one in desired.endpoints.values()}
        survey = Survey(
            destination=destination,
            desired=desired.endpoints,
            leaving=frozenset(desired.leaving),
            claims=held,
            targets=targets,
            limit=self._limits.of(destination, all_.values(), self._counts, zones, now),
        )
        look.survey = survey
        look.findings += desired.findings
        evidence = self._evidence(survey, desired, turn, look)
        passed_on, natives = self._observer.succession(survey, evidence)
        survey = replace(survey, passed_on=passed_on, natives=natives)
        result = level.reconcile(survey, evidence)
        look.findings += result.findings
        look.is_held_back = bool(result.held)
        if self._settings.targets_mode is Mode.OBSERVE:
            moves = (*result.moves, *result.held)
            look.change = self._change(
                destination, changes.ChangeState.REPORTED, moves, "In mode observe this is not done.", known
            )
            return
        allowed = changes.allowed(known, result.held)
        outcome = self._act.carry_out(level.plan([*result.moves, *allowed], evidence), all_, turn)
        look.done = outcome.done
        look.change = self._change(destination, changes.ChangeState.PROPOSED, result.held, result.held_because, known)
        for change in changes.spent(known, outcome.done):
            self._changes.save(change)
        look.findings += outcome.findings
        if outcome.errors:
            raise ExceptionGroup("AWS did not answer as it should", outcome.errors)

    def _evidence(self, survey: Survey, desired: Desired, turn: datetime, look: "_Look") -> ReconcileInput:
        now, policy = self._clock.now(), self._settings.policy
        missing = survey.missing(now, policy, turn)
        arriving = survey.arriving()
        view = View()
        self._ledger.read(
            view,
            owners={*(one.owner for one in arriving), *(claim.owner for claim in missing)},
            address_holders={(one.address.subnet_id, one.address.ip) for one in arriving if one.address.subnet_id},
        )
        operations, unanswered = self._observer.operations(survey.claims.values())
        look.problems += [error for _, error in unanswered]
        return ReconcileInput(
            now=now,
            turn=turn,
            policy=policy,
            fences=view.fences,
            address_holders=view.address_holders,
            verdicts=self._sources.verdicts(survey.destination, missing, desired.listed, now),
            operations=operations,
        )

    # People

    def _change(
        self,
        destination: Destination,
        state: changes.ChangeState,
        moves: Sequence[Move],
        reason: str,
        known: Sequence[Change],
    ) -> Change | None:
        """What people are to be told of that is not done: each step once a day."""
        now, steps = self._clock.now(), changes.unsaid(known, moves, state)
        if not steps:
            return None
        return Change(
            id=changes.new_id(destination.name, now),
            destination=destination.arn,
            state=state,
            steps=steps,
            reason=reason,
            created_at=now,
        )

    def _tell(
        self, looks: Mapping[str, "_Look"], notes: Mapping[str, DestinationStatus], problems: list[Exception]
    ) -> None:
        """Say what was done, what was found and what is asked, each although another could not be told."""
        with _collecting(problems, "changes were not told"):
            self._announcer.changed(move for look in looks.values() for move in look.done)
        self._tell_findings(looks, notes, problems)
        with _collecting(problems, "people could not be asked"):
            for look in looks.values():
                if look.change and look.survey:
                    self._reporter.asked(look.change, look.survey.destination)
                    self._changes.save(look.change)

    def _tell_findings(
        self, looks: Mapping[str, "_Look"], notes: Mapping[str, DestinationStatus], problems: list[Exception]
    ) -> None:
        """Tell of findings that were not there in the last pass, and leave to events what they need not ask again."""
        news = {
            arn: [one for one in dict.fromkeys(look.findings) if arn not in notes or _print(one) not in notes[arn].told]
            for arn, look in looks.items()
        }
        untold = news
        with _collecting(problems, "findings were not told"):
            self._reporter.found([one for some in news.values() for one in some])
            untold = {}
        for arn, look in looks.items():
            note, known = self._noted(arn, look, notes.get(arn)), notes.get(arn)
            # What nobody has heard of is news in the next pass, too.
            note = replace(note, told=note.told - {_print(one) for one in untold.get(arn, ())})
            is_old = known is not None and note.looked_at - known.looked_at >= NOTED_ANEW
            if known is None or is_old or note != replace(known, looked_at=note.looked_at):
                self._ledger.note(note)

    def _noted(self, arn: str, look: "_Look", known: DestinationStatus | None) -> DestinationStatus:
        told, now = frozenset(_print(one) for one in look.findings), self._clock.now()
        if look.survey is None:
            # What could not be seen is not said to have been seen.
            shared, room, looked_at = (known.shared, known.room, known.looked_at) if known else (True, None, now)
            told = told or (known.told if known else frozenset())
        else:
            is_refused = any(claim.state is ClaimState.REFUSED for claim in look.survey.claims.values())
            if known and is_refused and len(known.told) < MOST_TOLD:
                # What AWS refused is tried again, and found again, only now and then.
                told |= known.told
            room = None if look.survey.room is None else min(look.survey.room, MOST_ROOM)
            shared, looked_at = look.survey.is_shared, now
        return DestinationStatus(destination=arn, shared=shared, room=room, looked_at=looked_at, told=told)


@contextmanager
def _going_on(problems: list[Exception], look: _Look, arn: str) -> Iterator[None]:
    """Let one destination fail alone. ReconcileInput that is missing is a finding; what else goes wrong is raised later."""
    try:
        yield
    except MissingEvidence as missing:
        look.findings.append(Finding(destination=arn, code="no evidence", text=str(missing)))
    except Exception as problem:  # noqa: BLE001 - raised when the rest is done
        logger.error("a destination was not reconciled", destination=arn, error=repr(problem))
        problems.append(problem)


@contextmanager
def _collecting(problems: list[Exception], what: str) -> Iterator[None]:
    """Let nothing that cannot be said stand in the way of what else is to be; it is raised later."""
    try:
        yield
    except Exception as problem:  # noqa: BLE001 - raised when the rest is done
        logger.error(what, error=repr(problem))
        problems.append(problem)


def _by_destination(findings: Sequence[Finding]) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for one in findings:
        found.setdefault(one.destination, []).append(one)
    return found


def _print(finding: Finding) -> str:
    """What a finding is known again by."""
    return sha256(f"{finding.code}: {finding.text}".encode()).hexdigest()[:16]
