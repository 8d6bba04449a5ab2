"""From task events to a plan: the registrations and deregistrations of the tasks that were seen.

Tasks that leave come first, so that new ones can use their room. The transitions of an owner are bundled. If two
owners touch the same item of the ledger, the second is checked again after the first bundle is carried out.
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
    quota_reached,
)
from berthmaster.targets.plan import claims, mapping
from berthmaster.targets.plan.mapping import Unclear, endpoint, selects
from berthmaster.targets.plan.traffic_shift import Traffic, next_check

RECHECK_AFTER = timedelta(seconds=3)
"""When to check again a claim that another invocation works on, or a Cloud Map operation."""
NOT_HELD = frozenset({ClaimState.DRAINING, ClaimState.TOMBSTONE})
"""An owner of such a claim that is wanted again is registered like a new one."""
LEFT_TO_RECONCILIATION = frozenset({ClaimState.REGISTERED, ClaimState.REFUSED})
"""It repairs what others changed, and tries again what was refused."""
CLOUD_MAP_ANSWERED = "the Cloud Map operation has ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """All that a batch of events is judged by.

    invocation_id: of the invocation that plans. definitions: by task definition ARN. fences, address_holders, claims,
    statuses: from the ledger. unwatched: destinations that no reconciliation has looked at since their tags are back.
    targets: what destinations show, where they had to be asked. held_addresses: targets at addresses that the
    interfaces of their new owners were seen to have, where that matters. traffic: whether new tasks may take production
    traffic, if their service shifts it. operations: Cloud Map operations that have ended, and whether they succeeded.
    unread: destinations that are missing because they could not be read. undecided: owners of which too little is known
    to do anything. failed: owners about which something could not be read, with AWS's error; includes the undecided
    ones.
    """

    now: datetime
    invocation_id: str
    destinations: Mapping[str, Destination]
    definitions: Mapping[str, Definition]
    policy: Policy
    fences: Mapping[str, Fence] = field(default_factory=dict)
    address_holders: Mapping[tuple[str, str], AddressHolder] = field(default_factory=dict)
    claims: Mapping[ClaimKey, Claim] = field(default_factory=dict)
    statuses: Mapping[str, DestinationStatus] = field(default_factory=dict)
    unwatched: frozenset[str] = frozenset()
    targets: Mapping[ClaimKey, Target] = field(default_factory=dict)
    held_addresses: frozenset[ClaimKey] = frozenset()
    traffic: Mapping[str, Traffic] = field(default_factory=dict)
    operations: Mapping[str, bool] = field(default_factory=dict)
    unread: frozenset[str] = frozenset()
    undecided: frozenset[str] = frozenset()
    failed: Mapping[str, Exception] = field(default_factory=dict)


def endpoints_of(
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
    """Whether a task may be registered for the first time. Later, the destination's own health check decides."""
    if task.phase is not Phase.RUNNING:
        return False
    return not (policy.wait_for_health and definition.has_health_check) or task.health_status == "HEALTHY"


def plan_events(tasks: Iterable[Task], scene: Scene) -> Plan:
    """Plan for tasks that were seen; each task appears once, in its newest state."""
    plan = _Planner(scene)
    for task in sorted(tasks, key=_leaving_first):
        if task.arn not in scene.undecided:
            plan.consider(task)
    return plan.finished()


def _leaving_first(task: Task) -> tuple[bool, float, str]:
    return task.phase is not Phase.LEAVING, task.started_at.timestamp() if task.started_at else 0.0, task.arn


@dataclass(slots=True)
class _Draft:
    """The bundle of an owner while it is being made."""

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
        self._recheck_at: dict[str, datetime] = {}
        self._touched: set[object] = set()
        self._room = {arn: status.room for arn, status in scene.statuses.items() if status.room is not None}

    def finished(self) -> Plan:
        return Plan(
            bundles=tuple(self._bundles),
            findings=tuple(self._findings),
            stops=tuple(self._stops),
            recheck_at=self._recheck_at,
        )

    def consider(self, task: Task) -> None:
        fence = self._scene.fences.get(task.arn)
        draft = _Draft(task.arn)
        if task.phase is Phase.LEAVING or (fence and fence.leaving):
            self._remove(task, fence, draft)
        elif self._is_superseded(task):
            self._recheck(task.arn, self._now + RECHECK_AFTER)
        elif fence is None or task.version >= fence.version:
            endpoints = self._endpoints(task) if task.phase is Phase.RUNNING else {}
            ready = bool(endpoints) and is_ready(task, self._scene.definitions[task.definition], self._scene.policy)
            if ready and self._scene.traffic.get(task.arn, Traffic.PRODUCTION) is not Traffic.PRODUCTION:
                ready = False
                self._recheck(task.arn, next_check(task, self._now))
            takes_over = ready and self._scene.policy.registers_at_once
            self._remove_previous(task, endpoints if takes_over else (), draft)
            if self._scene.policy.registers:
                self._add(task, fence, endpoints, draft, ready=ready)
        touched = draft.touched()
        if touched & self._touched:
            self._recheck(task.arn, self._now)
        elif touched:
            self._touched |= touched
            self._bundles.append(draft.bundle())

    # Tasks that leave

    def _remove(self, task: Task, fence: Fence | None, draft: _Draft) -> None:
        known = fence or Fence(owner=task.arn, version=task.version, since=self._now, changed_at=self._now)
        is_selected = any(selects(one, task) for one in self._scene.destinations.values())
        if fence is None and not (is_selected and self._scene.policy.registers):
            return
        left = replace(
            known,
            leaving=True,
            version=max(known.version, task.version),
            changed_at=self._now if not fence or not fence.leaving else known.changed_at,
        )
        if left != fence:
            draft.fences[task.arn] = FenceMove(fence, left)
        drains = [self._deregister(key, task.arn, "it is leaving", draft) for key in sorted(known.claims)]
        if known.stop and task.desired_status != "STOPPED":
            self._stop(task.arn, [end for end in drains if end is not None])

    def _claim_of(self, owner: str, key: ClaimKey) -> Claim | None:
        """A claim of an owner; None if it has another owner by now, or if its destination is no longer managed."""
        claim = self._scene.claims.get(key)
        is_managed = key.destination in self._scene.destinations or key.destination in self._scene.unread
        return claim if claim is not None and claim.owner == owner and is_managed else None

    def _deregister(self, key: ClaimKey, owner: str, reason: str, draft: _Draft) -> datetime | None:
        """Remove an owner from one destination; returns when its target will have drained, None if it has."""
        claim = self._claim_of(owner, key)
        if claim is None:
            return None
        if key.destination in self._scene.unread | self._scene.unwatched:
            return self._now + RECHECK_AFTER
        if claim.is_busy(self._now, self._scene.invocation_id):
            return self._recheck(owner, self._now + RECHECK_AFTER)
        current = self._after_operation(claim)
        move = claims.deregister(current, owner, self._now, reason=reason, by_event=True)
        if move is None and current is not claim:
            move = Move(before=claim, after=current, reason=CLOUD_MAP_ANSWERED)
        if move is not None:
            draft.moves.append(replace(move, before=claim))
            current = move.after
            if move.call and key.destination in self._room:
                self._room[key.destination] += 1
        if current.operation or (move and move.call and self._is_asynchronous(key)):
            self._recheck(owner, self._now + RECHECK_AFTER)
        if current.retry_at:
            self._recheck(owner, current.retry_at)
        if current.is_over or (current.due_at is not None and current.due_at <= self._now):
            return None
        return current.due_at or current.retry_at or self._now + RECHECK_AFTER

    def _stop(self, owner: str, drains: Sequence[datetime]) -> None:
        if drains:
            self._recheck(owner, max(drains))
        else:
            self._stops.append(owner)

    def _other_holder(self, task: Task) -> AddressHolder | None:
        if task.address is None:
            return None
        holder = self._scene.address_holders.get((task.address.subnet_id, task.address.ip))
        return holder if holder and holder.owner != task.arn else None

    def _is_superseded(self, task: Task) -> bool:
        """Whether another owner was seen at the task's address after it: then ECS must be asked about the task."""
        holder = self._other_holder(task)
        return holder is not None and holder.since >= task.seen_at

    def _remove_previous(self, task: Task, taken_over: Collection[ClaimKey], draft: _Draft) -> None:
        """Remove the former owner of the task's address: it must be gone, since no two interfaces share an address."""
        holder = self._other_holder(task)
        former = self._scene.fences.get(holder.owner) if holder else None
        if holder is None or former is None:
            return
        for key in sorted(former.claims):
            if key.ip == holder.ip and key not in taken_over:
                self._release(key, holder.owner, task, draft)
        if not former.leaving:
            draft.fences[holder.owner] = FenceMove(former, replace(former, leaving=True, changed_at=self._now))

    def _release(self, key: ClaimKey, former: str, task: Task, draft: _Draft) -> None:
        """Deregister the former owner of an address, or leave its target to ECS if ECS registers the new task there.

        In Cloud Map each of the two has an instance of its own.
        """
        claim, destination = self._scene.claims.get(key), self._scene.destinations.get(key.destination)
        is_held = claim is not None and (claim.holds_target or claim.awaits_deregistration) and claim.owner == former
        is_group = destination is not None and destination.kind is Kind.TARGET_GROUP
        if claim and is_held and destination and is_group and mapping.is_registered_by_ecs(destination, task, key.port):
            draft.moves.append(claims.give_up(claim, self._now, reason=claims.REGISTERED_BY_ECS))
        else:
            self._deregister(key, former, "its address has a new owner", draft)

    # Tasks that run

    def _endpoints(self, task: Task) -> dict[ClaimKey, Endpoint]:
        endpoints, findings = endpoints_of(task, self._scene.destinations.values(), self._scene.definitions)
        self._findings |= dict.fromkeys(findings)
        return endpoints

    def _add(
        self,
        task: Task,
        fence: Fence | None,
        endpoints: Mapping[ClaimKey, Endpoint],
        draft: _Draft,
        *,
        ready: bool,
    ) -> None:
        claimed = [key for key, one in endpoints.items() if self._register(key, one, draft, ready=ready)]
        if not claimed:
            return
        known = fence or Fence(owner=task.arn, version=task.version, since=self._now, changed_at=self._now)
        mine = replace(known, version=task.version, claims=known.claims | set(claimed), changed_at=self._now)
        # Written with every call, so that it conflicts with a concurrent invocation that sees the task leave.
        if fence is None or mine.claims != fence.claims or any(move.call for move in draft.moves):
            draft.fences[task.arn] = FenceMove(fence, mine)
        self._hold_address(task, draft)

    def _hold_address(self, task: Task, draft: _Draft) -> None:
        assert task.address is not None  # noqa: S101 - endpoints have addresses
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

    def _register(self, key: ClaimKey, one: Endpoint, draft: _Draft, *, ready: bool) -> bool:
        """Register a running task in one destination; returns whether the claim is the task's now."""
        claim = self._scene.claims.get(key)
        is_mine = claim is not None and claim.owner == one.owner and claim.state not in NOT_HELD
        if claim is not None and claim.is_busy(self._now, self._scene.invocation_id):
            self._recheck(one.owner, self._now + RECHECK_AFTER)
            return is_mine
        if claim is not None and not claim.is_over and key.destination in self._scene.unwatched:
            return is_mine
        if not is_mine and not (ready and self._scene.policy.registers_at_once):
            return False
        current = self._after_operation(claim) if claim else None
        if current is not None and is_mine and current is not claim and current.state is not ClaimState.HANDOVER:
            draft.moves.append(Move(before=claim, after=current, reason=CLOUD_MAP_ANSWERED))
            self._wait(key, current, None)
            return True
        if current is not None and is_mine and current.state in LEFT_TO_RECONCILIATION and current.early_at is None:
            return True
        move = claims.register(
            self._scene.destinations[key.destination],
            current,
            one,
            self._scene.targets.get(key, claims.ABSENT),
            self._now,
            by_event=True,
            holds_address=key in self._scene.held_addresses,
        )
        if move is None and current is not claim and current is not None:
            move = Move(before=claim, after=current, reason=CLOUD_MAP_ANSWERED)
        if move is not None and move.after.state is ClaimState.REGISTERING and not self._has_room(key, move):
            move = replace(move, call=None, after=claims.after_refusal(move, self._now))
        if move is not None:
            draft.moves.append(replace(move, before=claim))
            current = move.after
        if current is not None and current.owner == one.owner:
            self._wait(key, current, move)
        return move is not None or is_mine

    def _wait(self, key: ClaimKey, claim: Claim, move: Move | None) -> None:
        if claim.operation or (move and move.call and self._is_asynchronous(key)):
            self._recheck(claim.owner, self._now + RECHECK_AFTER)
        elif claim.state is ClaimState.HANDOVER or claim.early_at is not None:
            self._recheck(claim.owner, claims.next_look(claim, self._now) + timedelta(seconds=1))

    def _has_room(self, key: ClaimKey, move: Move) -> bool:
        room = self._room.get(key.destination)
        if room is None or claims.has_its_place(move.before):
            return True
        if room <= 0:
            self._findings[quota_reached(key.destination)] = None
            return False
        self._room[key.destination] = room - 1
        return True

    # Both

    def _after_operation(self, claim: Claim) -> Claim:
        """The claim, after its Cloud Map operation if that has ended."""
        succeeded = self._scene.operations.get(claim.operation) if claim.operation else None
        if succeeded is None:
            return claim
        destination = self._scene.destinations[claim.key.destination]
        if not succeeded:
            text = f"a Cloud Map operation on {claim.key.ip}:{claim.key.port} failed in state {claim.state}"
            self._findings[Finding(destination=destination.arn, code="operation failed", text=text)] = None
        return claims.after_operation(claim, succeeded=succeeded, destination=destination, now=self._now)

    def _is_asynchronous(self, key: ClaimKey) -> bool:
        return self._scene.destinations[key.destination].kind is Kind.CLOUD_MAP

    def _recheck(self, owner: str, when: datetime) -> datetime:
        self._recheck_at[owner] = min(when, self._recheck_at.get(owner, when))
        return when
