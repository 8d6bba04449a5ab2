"""What follows from events: registrations and deregistrations of the tasks that were seen.

Departures come first, so that their room is there for arrivals. Each owner's transitions are bundled; an owner that
touches what another has touched in this plan is put off until the other's part is done.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from berthmaster.targets.model import (
    AddressHolder,
    AddressHolderMove,
    Bundle,
    Claim,
    ClaimKey,
    ClaimState,
    Definition,
    Destination,
    DestinationStatus,
    Endpoint,
    Fence,
    FenceMove,
    Finding,
    Kind,
    Move,
    Phase,
    Plan,
    Policy,
    Target,
    Task,
    no_room,
)
from berthmaster.targets.plan import claims, mapping
from berthmaster.targets.plan.mapping import Unclear, endpoint, selects

LOOK_AGAIN = timedelta(seconds=3)
"""When to look again at a claim that another invocation works on, or at a Cloud Map operation."""
LET_GO = frozenset({ClaimState.DRAINING, ClaimState.TOMBSTONE})
"""An owner that let go and comes back is a newcomer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """All that events are judged by.

    definitions: by task definition ARN. fences, address_holders, claims, notes: from the ledger. targets: what destinations
    show, where that was asked. operations: Cloud Map operations that have ended, and whether they succeeded. turn:
    until when this invocation may act. unread: destinations that could not be read and are missing for that reason.
    undecided: owners of whom too little is known to do anything. failed: owners that something could not be read
    about, those among them, with what AWS said.
    """

    now: datetime
    turn: datetime
    destinations: Mapping[str, Destination]
    definitions: Mapping[str, Definition]
    policy: Policy
    fences: Mapping[str, Fence] = field(default_factory=dict)
    address_holders: Mapping[tuple[str, str], AddressHolder] = field(default_factory=dict)
    claims: Mapping[ClaimKey, Claim] = field(default_factory=dict)
    notes: Mapping[str, DestinationStatus] = field(default_factory=dict)
    targets: Mapping[ClaimKey, Target] = field(default_factory=dict)
    operations: Mapping[str, bool] = field(default_factory=dict)
    unread: frozenset[str] = frozenset()
    undecided: frozenset[str] = frozenset()
    failed: Mapping[str, Exception] = field(default_factory=dict)


def wanted(
    task: Task, destinations: Iterable[Destination], definitions: Mapping[str, Definition]
) -> tuple[dict[ClaimKey, Endpoint], list[Finding]]:
    """Where a task is to be registered, and what is unclear about it."""
    found: dict[ClaimKey, Endpoint] = {}
    findings = []
    for destination in destinations:
        if not selects(destination, task):
            continue
        try:
            one = endpoint(destination, task, definitions[task.definition])
        except Unclear as unclear:
            findings.append(Finding(destination=destination.arn, code=unclear.code, text=unclear.text))
        else:
            found[claims.key_of(destination, one)] = one
    return found, findings


def is_ready(task: Task, definition: Definition, policy: Policy) -> bool:
    """Whether a task may be registered for the first time. Later on, the destination's own health check decides."""
    if task.phase is not Phase.RUNNING:
        return False
    return not (policy.wait_for_health and definition.has_health_check) or task.health_status == "HEALTHY"


def plan_events(tasks: Iterable[Task], scene: Scene) -> Plan:
    """Decide about tasks that were seen: one sighting each, the newest."""
    plan = _Planner(scene)
    for task in sorted(tasks, key=_urgency):
        if task.arn not in scene.undecided:
            plan.consider(task)
    return plan.finished()


def _urgency(task: Task) -> tuple[bool, float, str]:
    return task.phase is not Phase.LEAVING, task.started_at.timestamp() if task.started_at else 0.0, task.arn


@dataclass(slots=True)
class _Draft:
    """An owner's bundle while it is being made."""

    owner: str
    moves: list[Move] = field(default_factory=list)
    fences: dict[str, FenceMove] = field(default_factory=dict)
    address_holders: list[AddressHolderMove] = field(default_factory=list)

    def touched(self) -> set[object]:
        claim_keys: set[object] = {move.after.key for move in self.moves}
        return claim_keys | set(self.fences) | {holder.after.key for holder in self.address_holders}

    def bundle(self) -> Bundle:
        return Bundle(
            owner=self.owner,
            moves=tuple(self.moves),
            fences=tuple(self.fences.values()),
            address_holders=tuple(self.address_holders),
        )


class _Planner:
    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._now = scene.now
        self._bundles: list[Bundle] = []
        self._findings: dict[Finding, None] = {}
        self._stops: list[str] = []
        self._again: dict[str, datetime] = {}
        self._touched: set[object] = set()
        self._room = {arn: note.room for arn, note in scene.notes.items() if note.room is not None}

    def finished(self) -> Plan:
        return Plan(
            bundles=tuple(self._bundles),
            findings=tuple(self._findings),
            stops=tuple(self._stops),
            again=self._again,
        )

    def consider(self, task: Task) -> None:
        fence = self._scene.fences.get(task.arn)
        draft = _Draft(task.arn)
        if task.phase is Phase.LEAVING or (fence and fence.leaving):
            self._leave(task, fence, draft)
        elif self._is_outlived(task):
            self._look_again(task.arn, self._now + LOOK_AGAIN)
        elif fence is None or task.version >= fence.version:
            endpoints = self._endpoints(task) if task.phase is Phase.RUNNING else {}
            ready = bool(endpoints) and is_ready(task, self._scene.definitions[task.definition], self._scene.policy)
            takes_over = ready and self._scene.policy.registers_at_once
            self._remove_previous(task, endpoints if takes_over else (), draft)
            self._enter(task, fence, endpoints, draft, ready=ready)
        touched = draft.touched()
        if touched & self._touched:
            self._look_again(task.arn, self._now)
        elif touched:
            self._touched |= touched
            self._bundles.append(draft.bundle())

    # Departures

    def _leave(self, task: Task, fence: Fence | None, draft: _Draft) -> None:
        known = fence or Fence(owner=task.arn, version=task.version, since=self._now, changed_at=self._now)
        if fence is None and not any(selects(one, task) for one in self._scene.destinations.values()):
            return
        left = replace(
            known,
            leaving=True,
            version=max(known.version, task.version),
            changed_at=self._now if not fence or not fence.leaving else known.changed_at,
        )
        if left != fence:
            draft.fences[task.arn] = FenceMove(fence, left)
        pending = [self._depart(key, task.arn, "it is leaving", draft) for key in sorted(known.claims)]
        if known.stop and task.desired_status != "STOPPED":
            self._stop(task.arn, [due for due in pending if due is not None])

    def _claim_of(self, owner: str, key: ClaimKey) -> Claim | None:
        """Somebody's claim, unless it is another's by now, or no longer Berthmaster's to change: no longer tagged."""
        claim = self._scene.claims.get(key)
        is_there = key.destination in self._scene.destinations or key.destination in self._scene.unread
        return claim if claim is not None and claim.owner == owner and is_there else None

    def _depart(self, key: ClaimKey, owner: str, reason: str, draft: _Draft) -> datetime | None:
        """One claim of somebody who leaves; returns when it will have drained, None if it has."""
        claim = self._claim_of(owner, key)
        if claim is None:
            return None
        if key.destination in self._scene.unread:
            return self._now + LOOK_AGAIN
        if claim.is_busy(self._now, self._scene.turn):
            return self._look_again(owner, self._now + LOOK_AGAIN)
        current = self._after_operation(claim)
        move = claims.depart(current, owner, self._now, reason=reason, by_event=True)
        if move is None and current is not claim:
            move = Move(before=claim, after=current, reason="Cloud Map has answered")
        if move is not None:
            draft.moves.append(replace(move, before=claim))
            current = move.after
            if move.call and key.destination in self._room:
                self._room[key.destination] += 1
        if current.operation or (move and move.call and self._is_asynchronous(key)):
            self._look_again(owner, self._now + LOOK_AGAIN)
        if current.retry_at:
            self._look_again(owner, current.retry_at)
        if current.is_over or (current.due_at is not None and current.due_at <= self._now):
            return None
        return current.due_at or current.retry_at or self._now + LOOK_AGAIN

    def _stop(self, owner: str, pending: Sequence[datetime]) -> None:
        if pending:
            self._look_again(owner, max(pending))
        else:
            self._stops.append(owner)

    def _other_holder(self, task: Task) -> AddressHolder | None:
        if task.address is None:
            return None
        holder = self._scene.address_holders.get((task.address.subnet_id, task.address.ip))
        return holder if holder and holder.owner != task.arn else None

    def _is_outlived(self, task: Task) -> bool:
        """Whether somebody has been seen at a task's address since: then ECS is asked how the task is."""
        holder = self._other_holder(task)
        return holder is not None and holder.since >= task.seen_at

    def _remove_previous(self, task: Task, taken_over: Collection[ClaimKey], draft: _Draft) -> None:
        """Whoever was at a task's address before is gone, told or not: two interfaces never share an address."""
        holder = self._other_holder(task)
        former = self._scene.fences.get(holder.owner) if holder else None
        if holder is None or former is None:
            return
        for key in sorted(former.claims):
            if key.ip == holder.ip and key not in taken_over:
                self._release_to_ecs(key, holder.owner, task, draft)
        if not former.leaving:
            draft.fences[holder.owner] = FenceMove(former, replace(former, leaving=True, changed_at=self._now))

    def _release_to_ecs(self, key: ClaimKey, former: str, task: Task, draft: _Draft) -> None:
        """What the former owner of an address held: given up, unless ECS registers the newcomer as the same target.

        In Cloud Map each of them has an instance of its own.
        """
        claim, destination = self._scene.claims.get(key), self._scene.destinations.get(key.destination)
        is_held = claim is not None and (claim.holds_target or claim.is_to_be_let_go) and claim.owner == former
        is_group = destination is not None and destination.kind is Kind.TARGET_GROUP
        if claim and is_held and destination and is_group and mapping.is_native(destination, task, key.port):
            draft.moves.append(claims.relinquish(claim, self._now, reason=claims.ECS_REGISTERS))
        else:
            self._depart(key, former, "its address has passed on", draft)

    # Arrivals

    def _endpoints(self, task: Task) -> dict[ClaimKey, Endpoint]:
        endpoints, findings = wanted(task, self._scene.destinations.values(), self._scene.definitions)
        self._findings |= dict.fromkeys(findings)
        return endpoints

    def _enter(
        self,
        task: Task,
        fence: Fence | None,
        endpoints: Mapping[ClaimKey, Endpoint],
        draft: _Draft,
        *,
        ready: bool,
    ) -> None:
        taken = [key for key, one in endpoints.items() if self._arrive(key, one, draft, ready=ready)]
        if not taken:
            return
        known = fence or Fence(owner=task.arn, version=task.version, since=self._now, changed_at=self._now)
        mine = replace(known, version=task.version, claims=known.claims | set(taken), changed_at=self._now)
        # Also where nothing new is claimed: a registration must collide with a departure that is told meanwhile.
        if fence is None or mine.claims != fence.claims or any(move.call for move in draft.moves):
            draft.fences[task.arn] = FenceMove(fence, mine)
        self._hold_address(task, draft)

    def _hold_address(self, task: Task, draft: _Draft) -> None:
        assert task.address is not None  # noqa: S101 - its caller has asked
        key = (task.address.subnet_id, task.address.ip)
        holder = self._scene.address_holders.get(key)
        if holder is None or holder.owner != task.arn:
            own = AddressHolder(
                subnet_id=key[0],
                ip=key[1],
                owner=task.arn,
                since=task.seen_at,
                revision=holder.revision if holder else 0,
            )
            draft.address_holders.append(AddressHolderMove(holder, own))

    def _arrive(self, key: ClaimKey, one: Endpoint, draft: _Draft, *, ready: bool) -> bool:
        """One destination for somebody who runs; returns whether the claim is theirs now."""
        claim = self._scene.claims.get(key)
        is_mine = claim is not None and claim.owner == one.owner and claim.state not in LET_GO
        if claim is not None and claim.is_busy(self._now, self._scene.turn):
            self._look_again(one.owner, self._now + LOOK_AGAIN)
            return is_mine
        if not is_mine and not (ready and self._scene.policy.registers_at_once):
            return False
        current = self._after_operation(claim) if claim else None
        if current is not None and is_mine and current is not claim:
            draft.moves.append(Move(before=claim, after=current, reason="Cloud Map has answered"))
            self._wait(key, current, None)
            return True
        if current is not None and is_mine and current.state in {ClaimState.REGISTERED, ClaimState.REFUSED}:
            # What others did to it, and another try, are the reconciliation's.
            return True
        target = self._scene.targets.get(key, claims.ABSENT)
        move = claims.arrive(key, current, one, target, self._now, by_event=True)
        if move is not None and move.after.state is ClaimState.REGISTERING and not self._has_room(key, move):
            move = replace(move, call=None, after=claims.refused(move, self._now))
        if move is not None:
            draft.moves.append(replace(move, before=claim))
            current = move.after
        if current is not None and current.owner == one.owner:
            self._wait(key, current, move)
        return move is not None or is_mine

    def _wait(self, key: ClaimKey, claim: Claim, move: Move | None) -> None:
        if claim.operation or (move and move.call and self._is_asynchronous(key)):
            self._look_again(claim.owner, self._now + LOOK_AGAIN)
        elif claim.state is ClaimState.HANDOVER:
            drain = self._scene.destinations[key.destination].body.drain
            self._look_again(claim.owner, max(claim.due_at or self._now + drain, self._now) + timedelta(seconds=1))

    def _has_room(self, key: ClaimKey, move: Move) -> bool:
        room = self._room.get(key.destination)
        if room is None or (move.before and move.before.holds_target):
            return True
        if room <= 0:
            self._findings[no_room(key.destination)] = None
            return False
        self._room[key.destination] = room - 1
        return True

    # Both

    def _after_operation(self, claim: Claim) -> Claim:
        """The claim with the end of its Cloud Map operation, if that has come."""
        succeeded = self._scene.operations.get(claim.operation) if claim.operation else None
        if succeeded is None:
            return claim
        destination = self._scene.destinations[claim.key.destination]
        if not succeeded:
            text = f"a Cloud Map operation on {claim.key.ip}:{claim.key.port} failed while {claim.state}"
            self._findings[Finding(destination=destination.arn, code="operation failed", text=text)] = None
        return claims.concluded(claim, succeeded=succeeded, destination=destination, now=self._now)

    def _is_asynchronous(self, key: ClaimKey) -> bool:
        return self._scene.destinations[key.destination].kind is Kind.CLOUD_MAP

    def _look_again(self, owner: str, when: datetime) -> datetime:
        self._again[owner] = min(when, self._again.get(owner, when))
        return when
