"""What follows from a look at a whole destination: desired against claimed against actual.

It heals what events missed and what others changed. It leaves alone what an event has just touched. It lets go of
an owner only when asked about that very one, in a second pass; and when much would go at once, it asks a person.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from berthmaster.targets.model import (
    AddressHolder,
    AddressHolderMove,
    Bundle,
    Call,
    Claim,
    ClaimKey,
    ClaimState,
    Destination,
    Endpoint,
    Fence,
    FenceMove,
    Finding,
    Kind,
    Move,
    Plan,
    Policy,
    Target,
    TargetState,
    no_room,
)
from berthmaster.targets.plan import claims

EVENT_ON_ITS_WAY = timedelta(seconds=30)
"""A task that has just begun to run is registered by its event."""
REGISTERED_ANYHOW = frozenset({ClaimState.REGISTERING, ClaimState.REGISTERED, ClaimState.HANDOVER})


class OwnerStatus(StrEnum):
    """What came of asking about one owner that should be there and was not found."""

    GONE = "it is gone"
    UNWANTED = "it no longer belongs here"
    ALIVE = "it is there after all"
    UNKNOWN = "nobody can say"


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """A destination as it is and as it should be.

    desired: who is to be there. leaving: owners that their source itself calls leaving. limit: how many targets it
    takes, None if unknown. passed_on: addresses that somebody unknown has by now. natives: addresses of tasks that ECS
    registers here itself.
    """

    destination: Destination
    desired: Mapping[ClaimKey, Endpoint]
    leaving: frozenset[str]
    claims: Mapping[ClaimKey, Claim]
    targets: Mapping[ClaimKey, Target]
    limit: int | None = None
    passed_on: frozenset[ClaimKey] = frozenset()
    natives: frozenset[ClaimKey] = frozenset()

    @property
    def is_shared(self) -> bool:
        """Whether somebody else registers targets here, too."""
        return any(
            target.state is TargetState.PRESENT and (key not in self.claims or self.claims[key].is_over)
            for key, target in self.targets.items()
        )

    @property
    def room(self) -> int | None:
        """How many more targets it takes."""
        return None if self.limit is None else max(0, self.limit - len(self.targets))

    def missing(self, now: datetime, policy: Policy, turn: datetime) -> list[Claim]:
        """Claims whose owners should be there and are not found, for the second time."""
        return [
            claim
            for key, claim in self.claims.items()
            if key not in self.desired
            and claim.state in REGISTERED_ANYHOW
            and claim.missing_since is not None
            and claim.owner not in self.leaving
            and not is_left_alone(claim, now, policy, turn)
        ]

    def arriving(self) -> list[Endpoint]:
        """Who is to be there and is not known to be registered."""
        return [one for key, one in self.desired.items() if not self._is_in_place(key, one)]

    def _is_in_place(self, key: ClaimKey, one: Endpoint) -> bool:
        claim, target = self.claims.get(key), self.targets.get(key, claims.ABSENT)
        is_claimed = claim is not None and claim.owner == one.owner and claim.state is ClaimState.REGISTERED
        return is_claimed and target.state is TargetState.PRESENT


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileInput:
    """What is known beyond the survey."""

    now: datetime
    turn: datetime
    policy: Policy
    fences: Mapping[str, Fence] = field(default_factory=dict)
    address_holders: Mapping[tuple[str, str], AddressHolder] = field(default_factory=dict)
    verdicts: Mapping[str, OwnerStatus] = field(default_factory=dict)
    operations: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """What is to be done to one destination.

    held: moves that wait for a person's word, for the reason in `held_because`.
    """

    moves: tuple[Move, ...] = ()
    held: tuple[Move, ...] = ()
    held_because: str = ""
    findings: tuple[Finding, ...] = ()


def is_left_alone(claim: Claim, now: datetime, policy: Policy, turn: datetime) -> bool:
    """Whether an event has just touched a claim, or another invocation is at work on it."""
    return claim.is_busy(now, turn) or (claim.by_event and now - claim.changed_at < policy.cool_down)


def reconcile(survey: Survey, evidence: ReconcileInput) -> Reconciliation:
    """Decide about every target of a destination."""
    run = _Reconciler(survey, evidence)
    for key in sorted({*survey.desired, *survey.claims}, key=run.seniority):
        run.consider(key)
    return run.finished()


class _Reconciler:
    def __init__(self, survey: Survey, evidence: ReconcileInput) -> None:
        self._survey = survey
        self._evidence = evidence
        self._now = evidence.now
        self._room = survey.room
        self._moves: list[Move] = []
        self._arrivals: list[Move] = []
        self._removals: list[Move] = []
        self._findings: dict[Finding, None] = {}

    def seniority(self, key: ClaimKey) -> tuple[float, ClaimKey]:
        """The oldest first: they keep their place when there is no room for all."""
        one = self._survey.desired.get(key)
        return one.since.timestamp() if one and one.since else 0.0, key

    def consider(self, key: ClaimKey) -> None:
        claim = self._survey.claims.get(key)
        if claim is not None and is_left_alone(claim, self._now, self._evidence.policy, self._evidence.turn):
            return
        current = self._after_operation(claim) if claim else None
        one = self._survey.desired.get(key)
        if current and current.is_to_be_let_go and self._now - current.changed_at > self._evidence.policy.cool_down:
            text = f"AWS does not take {key.ip}:{key.port} out; it is tried again and again"
            self._findings[Finding(destination=key.destination, code="not deregistered", text=text)] = None
        move = self._keep(key, current, one) if one and not self._is_leaving(one.owner) else self._let_go(current)
        if move is None and current is not None and current is not claim:
            move = Move(before=claim, after=current, reason="Cloud Map has answered")
        if move is not None:
            self._sort(replace(move, before=claim))

    def finished(self) -> Reconciliation:
        held, because = self._held()
        waiting = {move.after.key for move in held}
        moves = (*self._moves, *self._removals, *self._arrivals)
        return Reconciliation(
            moves=tuple(move for move in moves if move.after.key not in waiting),
            held=tuple(held),
            held_because=because,
            findings=tuple(self._findings),
        )

    # One target

    def _keep(self, key: ClaimKey, claim: Claim | None, one: Endpoint) -> Move | None:
        """Somebody is to be there."""
        target = self._survey.targets.get(key, claims.ABSENT)
        if claim is None and self._is_announced(one):
            return None
        is_mine = claim is not None and claim.owner == one.owner and not claim.is_over
        if not is_mine and not self._evidence.policy.registers_at_once and not self._is_free(claim, target):
            # Nobody inherits what was approved for another: who was there goes, and then somebody is asked.
            return self._release(claim)
        if claim and is_mine and self._was_taken_out(claim, target):
            return claims.relinquish(claim, self._now, reason="somebody took it out")
        move = claims.arrive(key, claim, one, target, self._now, by_event=False)
        if move is None and claim and claim.owner == one.owner and claim.missing_since:
            return Move(before=claim, after=replace(claim, missing_since=None), reason="it is there after all")
        if move and move.after.state is ClaimState.REGISTERING and not self._has_room(claim):
            self._findings[no_room(key.destination)] = None
            if claim and claim.state is ClaimState.REFUSED:
                return None
            return replace(move, call=None, after=claims.refused(move, self._now))
        return move

    def _was_taken_out(self, claim: Claim, target: Target) -> bool:
        """Whether somebody deregistered what was approved; putting it back is asked about like any arrival."""
        is_out = claim.state is ClaimState.REGISTERED and target.state is not TargetState.PRESENT
        return is_out and not self._evidence.policy.registers_at_once

    def _is_free(self, claim: Claim | None, target: Target) -> bool:
        return (claim is None or claim.is_over) and target.state is TargetState.ABSENT

    def _release(self, claim: Claim | None) -> Move | None:
        """The address has a new owner, who has no leave yet."""
        if claim is not None and claim.holds_target:
            return claims.depart(claim, claim.owner, self._now, reason="the address has a new owner", by_event=False)
        return self._let_go(claim)

    def _is_announced(self, one: Endpoint) -> bool:
        has_just_begun = one.since is not None and self._now - one.since < EVENT_ON_ITS_WAY
        return has_just_begun and self._evidence.policy.registers_at_once and not one.pod

    def _has_room(self, claim: Claim | None) -> bool:
        if self._room is None or (claim and claim.holds_target):
            return True
        self._room -= 1
        return self._room >= 0

    def _let_go(self, claim: Claim | None) -> Move | None:
        """Nobody is to be there."""
        if claim is None:
            return None
        target = self._survey.targets.get(claim.key, claims.ABSENT)
        if claim.is_to_be_let_go and self._is_registered_by_ecs(claim.key):
            return claims.relinquish(claim, self._now, reason=claims.ECS_REGISTERS)
        if claim.state not in REGISTERED_ANYHOW:
            settled = claims.settle(claim, target, self._now)
            return settled or claims.depart(
                claim, claim.owner, self._now, reason="finish what was begun", by_event=False
            )
        if self._is_leaving(claim.owner):
            return claims.depart(claim, claim.owner, self._now, reason="it is leaving", by_event=False)
        if claim.missing_since is None:
            marked = replace(claim, missing_since=self._now)
            return Move(before=claim, after=marked, reason="it was not found")
        return self._apply_status(self._evidence.verdicts.get(claim.owner, OwnerStatus.UNKNOWN), claim)

    def _apply_status(self, verdict: OwnerStatus, claim: Claim) -> Move | None:
        match verdict:
            case OwnerStatus.ALIVE:
                return Move(before=claim, after=replace(claim, missing_since=None), reason=verdict)
            case OwnerStatus.UNKNOWN:
                return None
            case OwnerStatus.GONE if self._is_registered_by_ecs(claim.key):
                return claims.relinquish(claim, self._now, reason=claims.ECS_REGISTERS)
        return claims.depart(claim, claim.owner, self._now, reason=verdict, by_event=False)

    def _is_registered_by_ecs(self, key: ClaimKey) -> bool:
        """Whether the target is by now that of a task which ECS registers; in Cloud Map its id would be another."""
        return key in self._survey.natives and self._survey.destination.kind is Kind.TARGET_GROUP

    def _is_leaving(self, owner: str) -> bool:
        fence = self._evidence.fences.get(owner)
        return owner in self._survey.leaving or (fence is not None and fence.leaving)

    def _after_operation(self, claim: Claim) -> Claim:
        succeeded = self._evidence.operations.get(claim.operation) if claim.operation else None
        if succeeded is None:
            return claim
        if not succeeded and claim.state is ClaimState.REGISTERING:
            text = f"Cloud Map failed to register {claim.key.ip}:{claim.key.port}; it is tried again"
            self._findings[Finding(destination=claim.key.destination, code="operation failed", text=text)] = None
        return claims.concluded(claim, succeeded=succeeded, destination=self._survey.destination, now=self._now)

    # All of them

    def _sort(self, move: Move) -> None:
        before = move.before
        if move.call is Call.DEREGISTER and move.after.state is ClaimState.DRAINING:
            self._removals.append(move)
        elif move.call is not None and (before is None or before.is_over or before.owner != move.after.owner):
            self._arrivals.append(move)
        else:
            self._moves.append(move)

    def _held(self) -> tuple[list[Move], str]:
        held, because = self._held_removals()
        if self._arrivals and not self._evidence.policy.registers_at_once:
            return held + self._arrivals, f"{because} In mode approve nobody is registered unasked.".lstrip()
        return held, because

    def _held_removals(self) -> tuple[list[Move], str]:
        policy = self._evidence.policy
        present = sum(1 for target in self._survey.targets.values() if target.state is TargetState.PRESENT)
        count = len(self._removals)
        if self._survey.destination.declaration.detached:
            return [], ""
        if count > policy.breaker_floor and count > policy.breaker_share * present:
            return self._removals, (
                f"It would remove {count} of {present} targets at once: "
                f"more than {policy.breaker_floor} and more than {policy.breaker_share:.0%}."
            )
        if self._survey.is_shared and (passed := [m for m in self._removals if m.after.key in self._survey.passed_on]):
            return passed, (
                "The addresses of these targets have passed on to somebody unknown, and others register targets here, "
                "too: whether they are theirs, only a person can say."
            )
        return [], ""


def plan(moves: Iterable[Move], evidence: ReconcileInput) -> Plan:
    """Bundle moves per owner, with the fences and address_holders that belong to them."""
    by_owner: dict[str, list[Move]] = {}
    for move in moves:
        by_owner.setdefault(move.after.owner, []).append(move)
    return Plan(bundles=tuple(_bundle(owner, own, evidence) for owner, own in by_owner.items()))


def _bundle(owner: str, moves: list[Move], evidence: ReconcileInput) -> Bundle:
    fence = evidence.fences.get(owner)
    known = fence or Fence(owner=owner, version=0, since=evidence.now, changed_at=evidence.now)
    # Nobody but a reconciliation knows pods, so that nothing is to be fenced off.
    arriving = [move for move in moves if move.endpoint is not None and not move.endpoint.pod]
    has_left = evidence.verdicts.get(owner) is OwnerStatus.GONE and not any(move.after.pod for move in moves)
    mine = replace(
        known,
        leaving=known.leaving or has_left,
        claims=known.claims | {move.after.key for move in arriving},
        changed_at=evidence.now,
    )
    is_new = arriving or mine.leaving != known.leaving
    return Bundle(
        owner=owner,
        moves=tuple(moves),
        fences=(FenceMove(fence, mine),) if is_new else (),
        address_holders=tuple(_address_holders(arriving[0].endpoint, evidence))
        if arriving and arriving[0].endpoint
        else (),
    )


def _address_holders(one: Endpoint, evidence: ReconcileInput) -> Iterable[AddressHolderMove]:
    """Addresses of pods are not address_holders: only an ECS event tells who comes to one."""
    address = one.address
    if not address.subnet_id:
        return
    holder = evidence.address_holders.get((address.subnet_id, address.ip))
    if holder is None or holder.owner != one.owner:
        own = AddressHolder(
            subnet_id=address.subnet_id,
            ip=address.ip,
            owner=one.owner,
            since=evidence.now,
            revision=holder.revision if holder else 0,
        )
        yield AddressHolderMove(holder, own)
