"""What a batch of events is judged by, read from AWS and from the ledger."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import batched

from botocore.exceptions import BotoCoreError, ClientError

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.concurrently import concurrently
from berthmaster.errors import code_of
from berthmaster.invocation import Invocation
from berthmaster.paced_reads import AT_ONCE, PacedReads
from berthmaster.targets.ledger.claims import Asked, ClaimLedger, View
from berthmaster.targets.model import (
    Claim,
    ClaimKey,
    ClaimState,
    Declaration,
    Definition,
    Destination,
    DestinationStatus,
    Fence,
    Kind,
    Move,
    Phase,
    Plan,
    Policy,
    Target,
    TargetState,
    Task,
    kind_of,
)
from berthmaster.targets.observe.destinations import DestinationReader, Destinations
from berthmaster.targets.observe.failed_reads import AWS_FAILED
from berthmaster.targets.observe.interfaces import Interfaces
from berthmaster.targets.observe.registered import NOT_FOUND, TARGETS_PER_CALL, Registered
from berthmaster.targets.observe.task_definitions import TaskDefinitions
from berthmaster.targets.observe.traffic_shifts import TrafficShifts
from berthmaster.targets.plan import attributes, mapping
from berthmaster.targets.plan.claims import ABSENT, is_settled
from berthmaster.targets.plan.events import NOT_HELD, Scene, endpoints_of
from berthmaster.telemetry import logger

TIME_TO_ACT = timedelta(seconds=8)
"""What is left of an invocation to carry out what was decided from what could be read until then."""
STATUS_VALID_FOR = timedelta(minutes=5)
"""Statuses are rewritten every two minutes at the latest: an older one means that no reconciliation runs."""


@dataclass(slots=True)
class _Gaps:
    """What could not be read, by the owners that it concerns; undecided: nothing can be decided about these."""

    failed: dict[str, Exception] = field(default_factory=dict)
    undecided: set[str] = field(default_factory=set)

    def add(self, owner: str, error: Exception) -> None:
        self.failed.setdefault(owner, error)

    def add_undecided(self, owner: str, error: Exception) -> None:
        self.add(owner, error)
        self.undecided.add(owner)


class SceneReader:
    """Reads all that matters for some tasks, in few calls."""

    def __init__(
        self,
        clients: Clients,
        clock: Clock,
        reads: PacedReads,
        *,
        ledger: ClaimLedger,
        destinations: DestinationReader,
        policy: Policy,
    ) -> None:
        self._clock = clock
        self._ledger = ledger
        self._destinations = destinations
        self._registered = Registered(clients, clock, reads)
        self._interfaces = Interfaces(clients)
        self._task_definitions = TaskDefinitions(clients)
        self._shifts = TrafficShifts(clients, destinations.ecs_registrations)
        self._policy = policy

    def read(self, seen: Collection[Task], checked: Collection[str], invocation: Invocation) -> Scene:
        """The scene of some tasks; checked: those that ECS was asked about, so that the ledger may know them.

        What there is no time to read is failed, as what AWS fails to return.
        """
        may_begin = self._may_begin(invocation)
        began = self._clock.now()
        declared = self._destinations.declarations.read().declarations
        concerned = [task for task in seen if task.arn in checked or _is_concerned(task, declared)]
        view = self._view(seen, concerned)
        destinations = self._read_destinations(declared, seen, concerned, view, may_begin)
        gaps = _gaps(destinations, declared, concerned, seen, view)
        wanted, definitions = self._wanted(concerned, destinations.by_arn, view, gaps, may_begin=may_begin)
        new = {key for own in wanted.values() for key in own}
        held = {key for fence in view.fences.values() for key in fence.claims}
        self._ledger.read(
            view, claims=new | held, statuses={key.destination for key in new | held}, allows_damaged=True
        )
        _add_damaged(gaps, seen, wanted, view)
        new_tasks = _not_registered(concerned, wanted, view.claims) if self._policy.registers_at_once else []
        traffic = self._shifts.of(new_tasks, began, may_begin)
        now = self._clock.now()
        statuses = {arn: one for arn, one in view.statuses.items() if now - one.checked_at <= STATUS_VALID_FOR}
        targets = self._targets_in_doubt(wanted, view.claims, statuses, now, gaps, may_begin=may_begin)
        held_addresses = self._held_addresses(concerned, wanted, view.claims, targets)
        return Scene(
            now=now,
            invocation_id=invocation.id,
            destinations=destinations.by_arn,
            definitions=definitions,
            policy=self._policy,
            fences=view.fences,
            address_holders=view.address_holders,
            claims=view.claims,
            statuses=statuses,
            unwatched=frozenset(arn for arn, one in view.statuses.items() if one.unmanaged),
            targets=targets,
            held_addresses=held_addresses,
            traffic=traffic.by_task,
            operations=self._operations(seen, view.claims, invocation, gaps),
            unread=frozenset(destinations.unread),
            undecided=frozenset(gaps.undecided),
            failed=gaps.failed,
        )

    def completed(self, scene: Scene, plan: Plan, invocation: Invocation) -> Scene:
        """The scene with the attributes that a plan depends on; what cannot be read counts as unread, as in `read`."""
        needed = attributes.unread(scene.destinations, plan.moves)
        if not needed:
            return scene
        destinations, errors = self._destinations.with_attributes(
            scene.destinations, needed, self._may_begin(invocation)
        )
        failed, undecided = dict(scene.failed), set(scene.undecided)
        for bundle in plan.bundles:
            for arn in sorted({move.after.key.destination for move in bundle.moves} & errors.keys()):
                failed.setdefault(bundle.owner, errors[arn])
                # Once the task holds the address, nothing looks for what the former owner left registered.
                if any(
                    move.after.key.destination == arn and _is_of_another(move, bundle.owner) for move in bundle.moves
                ):
                    undecided.add(bundle.owner)
        return replace(
            scene,
            destinations={arn: one for arn, one in destinations.items() if arn not in errors},
            unread=scene.unread | errors.keys(),
            undecided=frozenset(undecided),
            failed=failed,
        )

    def _may_begin(self, invocation: Invocation) -> Callable[[], bool]:
        """Whether there is time to read more, and to act on what was read afterwards."""
        return lambda: invocation.time_left(self._clock.now()) > TIME_TO_ACT

    def _view(self, seen: Iterable[Task], concerned: Iterable[Task]) -> View:
        """The fences of tasks, who held their addresses before, and the fences of those owners."""
        view = View()
        self._ledger.read(
            view,
            owners=[task.arn for task in concerned],
            address_holders=[
                (task.address.subnet_id, task.address.ip)
                for task in seen
                if task.address and task.phase is not Phase.LEAVING
            ],
            allows_damaged=True,
        )
        known = {task.arn for task in seen}
        former = {holder.owner for holder in view.address_holders.values()} - known
        self._ledger.read(view, owners=former, allows_damaged=True)
        return view

    def _read_destinations(
        self,
        declared: Sequence[Declaration],
        seen: Iterable[Task],
        concerned: Iterable[Task],
        view: View,
        may_begin: Callable[[], bool],
    ) -> Destinations:
        """The destinations whose tags select a task or in which an owner has a claim."""
        services = {
            (task.cluster, task.service)
            for task in seen
            if task.address and task.service and (task.address.subnet_id, task.address.ip) in view.address_holders
        }
        held = {key.destination for fence in view.fences.values() for key in fence.claims}
        chosen = {}
        for task in concerned:
            for one in declared:
                if mapping.matches(one, task):
                    chosen[one.arn] = one
                    if task.service:
                        services.add((task.cluster, task.service))
        chosen |= {one.arn: one for one in declared if one.arn in held}
        return self._destinations.read(chosen.values(), services, may_begin)

    def _wanted(
        self,
        concerned: Iterable[Task],
        destinations: Mapping[str, Destination],
        view: View,
        gaps: _Gaps,
        *,
        may_begin: Callable[[], bool],
    ) -> tuple[dict[str, Collection[ClaimKey]], dict[str, Definition]]:
        """The targets of tasks that may be registered, by task, and the task definitions of those tasks."""
        wanted: dict[str, Collection[ClaimKey]] = {}
        definitions: dict[str, Definition] = {}
        arriving = [
            task
            for task in concerned
            if task.arn not in gaps.undecided and _may_be_registered(task, view.fences.get(task.arn), destinations)
        ]
        failed = self._task_definitions.read((task.definition for task in arriving), may_begin)
        for task in arriving:
            if task.definition in failed:
                gaps.add_undecided(task.arn, failed[task.definition])
            else:
                definitions[task.definition] = self._task_definitions.of(task.definition)
                wanted[task.arn] = endpoints_of(task, destinations.values(), definitions)[0].keys()
        return wanted, definitions

    def _targets_in_doubt(
        self,
        wanted: Mapping[str, Collection[ClaimKey]],
        claims: Mapping[ClaimKey, Claim],
        statuses: Mapping[str, DestinationStatus],
        now: datetime,
        gaps: _Gaps,
        *,
        may_begin: Callable[[], bool],
    ) -> dict[ClaimKey, Target]:
        """The state of wanted targets that others may have registered, or that a handover waits for."""
        doubtful: dict[str, dict[ClaimKey, str]] = defaultdict(dict)
        for owner, own in wanted.items():
            for key in own:
                is_group = kind_of(key.destination) is Kind.TARGET_GROUP
                if is_group and _is_in_doubt(claims.get(key), owner, statuses.get(key.destination), now):
                    doubtful[key.destination][key] = owner
        found: dict[ClaimKey, Target] = {}
        parts = [
            (arn, part) for arn, owners in doubtful.items() for part in batched(owners, TARGETS_PER_CALL, strict=False)
        ]
        for one in concurrently(
            lambda part: self._registered.in_target_group(*part), parts, at_once=AT_ONCE, may_begin=may_begin
        ):
            if not isinstance(one.error, AWS_FAILED):
                found |= one.result
            # A deleted group has no targets; registering in it fails with the same error.
            elif not (isinstance(one.error, ClientError) and code_of(one.error) in NOT_FOUND):
                arn, part = one.item
                for key in part:
                    gaps.add_undecided(doubtful[arn][key], one.error)
        return found

    def _held_addresses(
        self,
        concerned: Iterable[Task],
        wanted: Mapping[str, Collection[ClaimKey]],
        claims: Mapping[ClaimKey, Claim],
        targets: Mapping[ClaimKey, Target],
    ) -> frozenset[ClaimKey]:
        """The wanted targets at addresses where others drain, and which their tasks have for certain."""
        contested = {
            (task.address, key)
            for task in concerned
            if task.address is not None
            for key in wanted.get(task.arn, ())
            if _is_contested(claims.get(key), targets.get(key, ABSENT))
        }
        try:
            held = self._interfaces.holding(address for address, _ in contested)
        except (BotoCoreError, ClientError) as error:
            # Their tasks wait until the drain ends, or until the next look.
            logger.warning("interfaces not read", error=repr(error))
            return frozenset()
        return frozenset(key for address, key in contested if (address.eni_id, address.ip) in held)

    def _operations(
        self, seen: Iterable[Task], claims: Mapping[ClaimKey, Claim], invocation: Invocation, gaps: _Gaps
    ) -> dict[str, bool]:
        ended, failed = self._registered.operations(claims.values(), invocation)
        owners = {task.arn for task in seen}
        for claim, error in failed:
            for owner in owners & {claim.owner, claim.former}:
                gaps.add(owner, error)
        return ended


def _is_concerned(task: Task, declared: Iterable[Declaration]) -> bool:
    """Whether a task is, or may have been, registered anywhere."""
    return task.phase is Phase.LEAVING or any(mapping.matches(one, task) for one in declared)


def _may_be_registered(task: Task, fence: Fence | None, destinations: Mapping[str, Destination]) -> bool:
    if task.phase is not Phase.RUNNING or (fence and fence.leaving):
        return False
    return any(mapping.selects(one, task) for one in destinations.values())


def _not_registered(
    tasks: Iterable[Task], wanted: Mapping[str, Collection[ClaimKey]], claims: Mapping[ClaimKey, Claim]
) -> list[Task]:
    """The tasks with a target that is wanted and that they do not hold."""
    return [
        task for task in tasks if any(not _is_registered(claims.get(key), task.arn) for key in wanted.get(task.arn, ()))
    ]


def _is_registered(claim: Claim | None, owner: str) -> bool:
    return claim is not None and claim.owner == owner and claim.state not in NOT_HELD


def _gaps(
    destinations: Destinations,
    declared: Sequence[Declaration],
    concerned: Iterable[Task],
    seen: Iterable[Task],
    view: View,
) -> _Gaps:
    """The tasks that are concerned by destinations, or by registrations of ECS, that could not be read."""
    gaps = _Gaps()
    for task in concerned:
        fence = view.fences.get(task.arn)
        own = {one.arn for one in declared if mapping.matches(one, task)}
        own |= {key.destination for key in fence.claims} if fence else set()
        for arn in sorted(own & destinations.unread.keys()):
            gaps.add(task.arn, destinations.unread[arn])
    for task in seen:
        if task.phase is Phase.LEAVING:
            continue
        if error := destinations.unclear.get(f"{task.cluster}/{task.service}"):
            gaps.add_undecided(task.arn, error)
        # Once the task holds the address, nothing looks for what the former owner left registered.
        for arn in sorted(_left_by_former_owner(task, view) & destinations.unread.keys()):
            gaps.add_undecided(task.arn, destinations.unread[arn])
    return gaps


def _add_damaged(gaps: _Gaps, seen: Iterable[Task], wanted: Mapping[str, Collection[ClaimKey]], view: View) -> None:
    """The tasks about which, or about the former owner of whose address, the ledger has an item that is damaged."""
    if not view.damaged:
        return
    for task in seen:
        address = (task.address.subnet_id, task.address.ip) if task.address else ("", "")
        holder = view.address_holders.get(address)
        owners = {task.arn, holder.owner} if holder else {task.arn}
        held = {key for owner in owners if owner in view.fences for key in view.fences[owner].claims}
        about: set[Asked] = {*owners, address, *held, *wanted.get(task.arn, ())}
        for error in [error for asked, error in view.damaged.items() if asked in about]:
            gaps.add_undecided(task.arn, error)


def _left_by_former_owner(task: Task, view: View) -> set[str]:
    """The destinations in which the former owner of a task's address has claims."""
    holder = view.address_holders.get((task.address.subnet_id, task.address.ip)) if task.address else None
    former = view.fences.get(holder.owner) if holder and holder.owner != task.arn else None
    return {key.destination for key in former.claims} if former else set()


def _is_of_another(move: Move, owner: str) -> bool:
    """Whether a move of an owner's bundle deregisters a former owner."""
    return move.before is not None and move.before.owner != owner


def _is_in_doubt(claim: Claim | None, owner: str, status: DestinationStatus | None, now: datetime) -> bool:
    if claim is None or claim.is_over:
        return status is None or status.shared
    if claim.early_at is not None:
        return claim.state is not ClaimState.REGISTERING
    if claim.due_at is None:
        return False
    is_own_drain = (claim.former or claim.owner) == owner
    return is_own_drain or claim.due_at <= now or is_settled(claim, now)


def _is_contested(claim: Claim | None, target: Target) -> bool:
    """Whether a new owner may be registered only if its interface has the address."""
    is_left = claim is not None and not claim.is_over and claim.due_at is not None
    return target.state is TargetState.DRAINING or (is_left and target.state is TargetState.ABSENT)
