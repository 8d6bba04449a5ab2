"""From a whole destination to a plan: what should be registered, what is claimed, and what is registered.

It repairs what events missed and what others changed, and does not touch what an event has just changed. It removes an
owner only after AWS or Kubernetes was asked about that owner by name, in a second run, unless its destination is
detached. Tasks and pods of which ECS or Kubernetes says that they have stopped are removed in any number. When it would
remove many other targets at once, or leave too few, an operator must approve.
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
    abandoned,
    given_up,
    not_registering,
    of_others,
    quota_reached,
)
from berthmaster.targets.plan import claims

EVENT_EXPECTED = timedelta(seconds=30)
"""A task that started to run no longer ago is registered by its event."""
WAITING_REPORTED_AFTER = timedelta(seconds=30)
WITH_OWNER = frozenset({ClaimState.REGISTERING, ClaimState.REGISTERED, ClaimState.HANDOVER})
"""The states of claims whose owners should exist."""


class OwnerStatus(StrEnum):
    """What is known of an owner that should be there and was not found; the values are reasons of moves."""

    GONE = "it has stopped"
    """ECS or Kubernetes says so of that very task or pod."""
    VANISHED = "nothing is known of it any more"
    """For so long that ECS would have forgotten that it stopped."""
    UNWANTED = "it no longer belongs here"
    ALIVE = "it is still there"
    UNKNOWN = "its state is unknown"


OBSERVED = "In mode observe this is not carried out."
LEFT = frozenset({OwnerStatus.GONE, OwnerStatus.VANISHED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """A destination as it is and as it should be.

    desired: what should be registered. leaving: owners that ECS or Kubernetes lists as leaving. not_ready: those that
    run and are not ready. is_unwatched: whether it was not managed since it was looked at last. limit: how many targets
    AWS allows, None if unknown. taken_over: targets of former owners at addresses that an unknown interface has now.
    registered_by_ecs: those at addresses of tasks that ECS itself registers here. abandoned: unclaimed targets whose
    addresses no interface has, or, where the destination adopts, a task that it does not select. of_others: those whose
    addresses other interfaces have. lost: claimed targets whose addresses other interfaces got while the destination
    was unwatched.
    """

    destination: Destination
    desired: Mapping[ClaimKey, Endpoint]
    leaving: frozenset[str]
    claims: Mapping[ClaimKey, Claim]
    targets: Mapping[ClaimKey, Target]
    not_ready: frozenset[str] = frozenset()
    is_unwatched: bool = False
    limit: int | None = None
    taken_over: frozenset[ClaimKey] = frozenset()
    registered_by_ecs: frozenset[ClaimKey] = frozenset()
    abandoned: frozenset[ClaimKey] = frozenset()
    of_others: frozenset[ClaimKey] = frozenset()
    lost: frozenset[ClaimKey] = frozenset()

    @property
    def is_shared(self) -> bool:
        """Whether others register targets here too."""
        return bool(self.unclaimed())

    def unclaimed(self) -> list[ClaimKey]:
        """The targets that are registered and that nobody claims."""
        return [
            key
            for key, target in self.targets.items()
            if target.state is TargetState.PRESENT and (key not in self.claims or self.claims[key].is_over)
        ]

    @property
    def room(self) -> int | None:
        """How many more targets fit."""
        return None if self.limit is None else max(0, self.limit - len(self.targets))

    def missing(self, now: datetime, policy: Policy, invocation_id: str) -> list[Claim]:
        """Claims whose owners should be there and were not found twice, or are not to be there by the tags."""
        return [
            claim
            for key, claim in self.claims.items()
            if key not in self.desired
            and claim.state in WITH_OWNER
            and (claim.missing_since is not None or self.destination.declaration.detached)
            and claim.owner not in self.leaving
            and not is_left_alone(claim, now, policy, invocation_id)
        ]

    def arriving(self) -> list[Endpoint]:
        """What should be registered and is not known to be."""
        return [one for key, one in self.desired.items() if not self._is_in_place(key, one)]

    def contested(self) -> list[Endpoint]:
        """What should be registered at an address where another target drains."""
        return [one for one in self.arriving() if self._drains(claims.key_of(self.destination, one))]

    def _drains(self, key: ClaimKey) -> bool:
        claim = self.claims.get(key)
        is_left = claim is not None and not claim.is_over and claim.due_at is not None
        return is_left or self.targets.get(key, claims.ABSENT).state is TargetState.DRAINING

    def _is_in_place(self, key: ClaimKey, one: Endpoint) -> bool:
        claim, target = self.claims.get(key), self.targets.get(key, claims.ABSENT)
        is_claimed = claim is not None and claim.owner == one.owner and claim.state is ClaimState.REGISTERED
        return is_claimed and target.state is TargetState.PRESENT


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileInput:
    """What is known beyond the survey.

    invocation_id: of the invocation that plans. fences, address_holders: from the ledger. owners: the status of owners
    that were asked about by name. held_addresses: targets at addresses that their new owners were seen to have, where
    that matters. operations: Cloud Map operations that have ended, and whether they succeeded.
    """

    now: datetime
    invocation_id: str
    policy: Policy
    fences: Mapping[str, Fence] = field(default_factory=dict)
    address_holders: Mapping[tuple[str, str], AddressHolder] = field(default_factory=dict)
    owners: Mapping[str, OwnerStatus] = field(default_factory=dict)
    held_addresses: frozenset[ClaimKey] = frozenset()
    operations: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """What is to be done to one destination.

    held: moves that need an approval, for the reason in `held_because`.
    """

    moves: tuple[Move, ...] = ()
    held: tuple[Move, ...] = ()
    held_because: str = ""
    findings: tuple[Finding, ...] = ()


def is_left_alone(claim: Claim, now: datetime, policy: Policy, invocation_id: str) -> bool:
    """Whether another invocation works on a claim, or an event has just changed it."""
    return claim.is_busy(now, invocation_id) or (claim.by_event and now - claim.changed_at < policy.cool_down)


def reconcile(survey: Survey, evidence: ReconcileInput) -> Reconciliation:
    """Plan for all targets of a destination."""
    run = _Reconciler(survey, evidence)
    unclaimed = survey.unclaimed() if survey.destination.declaration.adopts else ()
    for key in sorted({*survey.desired, *survey.claims, *unclaimed}, key=run.oldest_first):
        run.consider(key)
    return run.finished()


class _Reconciler:
    def __init__(self, survey: Survey, evidence: ReconcileInput) -> None:
        self._survey = survey
        self._evidence = evidence
        self._now = evidence.now
        self._room = survey.room
        self._moves: list[Move] = []
        self._additions: list[Move] = []
        self._departures: list[Move] = []
        self._removals: list[Move] = []
        self._unexplained: set[ClaimKey] = set()
        self._findings: dict[Finding, None] = {}

    def oldest_first(self, key: ClaimKey) -> tuple[float, ClaimKey]:
        """The order in which targets are considered: the oldest come first, in case there is no room for all."""
        one = self._survey.desired.get(key)
        return one.since.timestamp() if one and one.since else 0.0, key

    def consider(self, key: ClaimKey) -> None:
        evidence = self._evidence
        claim = self._survey.claims.get(key)
        if claim is not None and key in self._survey.desired:
            self._report_waiting(claim)
        if claim is not None and is_left_alone(claim, self._now, evidence.policy, evidence.invocation_id):
            return
        current = self._after_operation(claim) if claim else None
        one = self._survey.desired.get(key)
        is_awaited = current is not None and (current.awaits_deregistration or current.awaits_handover)
        if current and is_awaited and self._now - current.changed_at > evidence.policy.cool_down:
            text = f"AWS does not deregister {key.ip}:{key.port}; it is tried again and again"
            self._findings[Finding(destination=key.destination, code="not deregistered", text=text)] = None
        wanted = one if one and not self._is_leaving(one.owner) else None
        move = self._pass_on(key, current, wanted) or self._adopt(key, current, wanted)
        if move is None:
            move = self._keep(key, current, wanted) if wanted else self._remove(current)
        if move is None and current is not None and current is not claim:
            move = Move(before=claim, after=current, reason="the Cloud Map operation has ended")
        if move is not None:
            self._add(replace(move, before=claim))

    def _find_unclaimed(self) -> None:
        destination = self._survey.destination
        if self._survey.abandoned and not destination.declaration.adopts:
            self._findings[abandoned(destination.arn, self._survey.abandoned)] = None
        if self._survey.of_others and destination.declaration.adopts:
            self._findings[of_others(destination.arn, self._survey.of_others)] = None

    def finished(self) -> Reconciliation:
        if not self._evidence.policy.registers and any(one.holds_target for one in self._survey.claims.values()):
            self._findings[not_registering(self._survey.destination.arn)] = None
        self._find_unclaimed()
        held, because = self._held()
        waiting = {move.after.key for move in held}
        moves = (*self._moves, *self._departures, *self._removals, *self._additions)
        return Reconciliation(
            moves=tuple(move for move in moves if move.after.key not in waiting),
            held=tuple(held),
            held_because=because,
            findings=tuple(self._findings),
        )

    # One target

    def _pass_on(self, key: ClaimKey, claim: Claim | None, one: Endpoint | None) -> Move | None:
        """End a claim at an address that others got while nobody looked; if the tags select them, it is theirs."""
        if claim is None or key not in self._survey.lost:
            return None
        target = self._survey.targets.get(key, claims.ABSENT)
        if one and target.state is TargetState.PRESENT:
            return claims.adopt(self._survey.destination, claim, one, target, self._now)
        self._findings[given_up(key, claim.former or claim.owner)] = None
        return claims.give_up(claim, self._now, reason=claims.LOST)

    def _adopt(self, key: ClaimKey, claim: Claim | None, one: Endpoint | None) -> Move | None:
        """Take over a target that is registered and that nobody claims, or remove it if it is abandoned."""
        destination, target = self._survey.destination, self._survey.targets.get(key, claims.ABSENT)
        is_unclaimed = claim is None or claim.state is ClaimState.TOMBSTONE
        if not (destination.declaration.adopts and is_unclaimed and target.state is TargetState.PRESENT):
            return None
        if key in self._survey.abandoned:
            self._unexplained.add(key)
            return claims.remove_abandoned(key, claim, self._now)
        if not self._evidence.policy.registers:
            return None
        if one is None:
            return claims.adopt_instance(destination, key, claim, target, self._now)
        return claims.adopt(self._survey.destination, claim, one, target, self._now)

    def _keep(self, key: ClaimKey, claim: Claim | None, one: Endpoint) -> Move | None:
        """An owner is to be registered there."""
        target = self._survey.targets.get(key, claims.ABSENT)
        if claim is None and self._is_event_expected(one):
            return None
        is_mine = claim is not None and claim.owner == one.owner and not claim.is_over
        if not is_mine and not self._evidence.policy.registers_at_once and not self._is_free(claim, target):
            # An approval for one owner does not pass to the next: the former one is removed, then this one is proposed.
            return self._release(claim)
        if claim and is_mine and self._was_deregistered(claim, target):
            is_certain = self._now - claim.changed_at >= claims.SHOWN
            return claims.give_up(claim, self._now, reason="someone deregistered it") if is_certain else None
        move = claims.register(
            self._survey.destination,
            claim,
            one,
            target,
            self._now,
            by_event=False,
            holds_address=key in self._evidence.held_addresses,
        )
        if move is None and claim and claim.owner == one.owner and claim.missing_since:
            return Move(before=claim, after=replace(claim, missing_since=None), reason=OwnerStatus.ALIVE)
        if move and move.after.state is ClaimState.REGISTERING and not self._has_room(claim):
            self._findings[quota_reached(key.destination)] = None
            if not self._evidence.policy.registers or (claim and claim.state is ClaimState.REFUSED):
                return None
            return replace(move, call=None, after=claims.after_refusal(move, self._now))
        return move

    def _report_waiting(self, claim: Claim) -> None:
        """A task or pod that runs gets no traffic, since AWS does not register it where another target drains."""
        if claim.state is not ClaimState.HANDOVER or claim.due_at is None:
            return
        if claims.is_tried(claim, self._now):
            reason = "AWS does not register it earlier"
        elif self._now - claim.changed_at > WAITING_REPORTED_AFTER:
            reason = "its network interface does not show the address"
        else:
            return
        delay = self._survey.destination.body.drain.total_seconds()
        text = (
            f"{claim.key.ip}:{claim.key.port} of {claim.owner} waits for the end of the drain of the former target at "
            f"its address, at most {delay:.0f} s: {reason}"
        )
        self._findings[Finding(destination=claim.key.destination, code="address drains", text=text)] = None

    def _was_deregistered(self, claim: Claim, target: Target) -> bool:
        """Whether someone deregistered an approved target: registering it again needs another approval.

        One that was registered while another drained may be out because AWS did not do that, or not for long.
        """
        is_out = claim.state is ClaimState.REGISTERED and target.state is not TargetState.PRESENT
        return is_out and claim.early_at is None and not self._evidence.policy.registers_at_once

    def _is_free(self, claim: Claim | None, target: Target) -> bool:
        return (claim is None or claim.is_over) and target.state is TargetState.ABSENT

    def _release(self, claim: Claim | None) -> Move | None:
        """The address has a new owner, which is not approved yet."""
        if claim is not None and claim.holds_target:
            reason = "the address has a new owner"
            return claims.deregister(claim, claim.owner, self._now, reason=reason, by_event=False)
        return self._remove(claim)

    def _is_event_expected(self, one: Endpoint) -> bool:
        has_just_started = one.since is not None and self._now - one.since < EVENT_EXPECTED
        return has_just_started and self._evidence.policy.registers_at_once and not one.pod

    def _has_room(self, claim: Claim | None) -> bool:
        if self._room is None or claims.has_its_place(claim):
            return True
        self._room -= 1
        return self._room >= 0

    def _remove(self, claim: Claim | None) -> Move | None:
        """No owner is to be registered there."""
        if claim is None:
            return None
        target = self._survey.targets.get(claim.key, claims.ABSENT)
        if claim.awaits_deregistration and self._is_registered_by_ecs(claim.key):
            return claims.give_up(claim, self._now, reason=claims.REGISTERED_BY_ECS)
        if claim.state not in WITH_OWNER:
            ended = claims.end_drain(claim, target, self._now)
            return ended or claims.deregister(claim, claim.owner, self._now, reason=claims.UNFINISHED, by_event=False)
        if self._is_leaving(claim.owner):
            return claims.deregister(claim, claim.owner, self._now, reason="it is leaving", by_event=False)
        if claim.missing_since is None and not self._survey.destination.declaration.detached:
            marked = replace(claim, missing_since=self._now)
            return Move(before=claim, after=marked, reason="it was not found")
        return self._apply_status(self._evidence.owners.get(claim.owner, OwnerStatus.UNKNOWN), claim)

    def _apply_status(self, status: OwnerStatus, claim: Claim) -> Move | None:
        match status:
            case OwnerStatus.ALIVE:
                return Move(before=claim, after=replace(claim, missing_since=None), reason=status)
            case OwnerStatus.UNKNOWN:
                return None
            case OwnerStatus.GONE | OwnerStatus.VANISHED if self._is_registered_by_ecs(claim.key):
                return claims.give_up(claim, self._now, reason=claims.REGISTERED_BY_ECS)
            case OwnerStatus.UNWANTED | OwnerStatus.VANISHED:
                self._unexplained.add(claim.key)
        return claims.deregister(claim, claim.owner, self._now, reason=status, by_event=False)

    def _is_registered_by_ecs(self, key: ClaimKey) -> bool:
        """Whether the target is now that of a task which ECS registers; in Cloud Map its instance id would differ."""
        return key in self._survey.registered_by_ecs and self._survey.destination.kind is Kind.TARGET_GROUP

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
        return claims.after_operation(claim, succeeded=succeeded, destination=self._survey.destination, now=self._now)

    # All targets

    def _add(self, move: Move) -> None:
        before = move.before
        if move.call is Call.DEREGISTER and move.after.state is ClaimState.DRAINING:
            (self._removals if move.after.key in self._unexplained else self._departures).append(move)
        elif move.call is not None and (before is None or before.is_over or before.owner != move.after.owner):
            self._additions.append(move)
        else:
            self._moves.append(move)

    def _held(self) -> tuple[list[Move], str]:
        held, because = self._held_removals()
        if not self._evidence.policy.registers:
            doubtful = {move.after.key for move in (*held, *self._removals)}
            moves = (*self._departures, *self._removals, *self._moves, *self._additions)
            return [move for move in moves if move.call is Call.REGISTER or move.after.key in doubtful], OBSERVED
        if self._additions and not self._evidence.policy.registers_at_once:
            return held + self._additions, f"{because} In mode approve, registrations need an approval.".lstrip()
        return held, because

    def _held_removals(self) -> tuple[list[Move], str]:
        if self._survey.destination.declaration.detached:
            return [], ""
        if self._removals and (because := self._too_many()):
            return self._removals, because
        doubtful = [move for move in (*self._departures, *self._removals) if move.after.key in self._survey.taken_over]
        if self._survey.is_shared and doubtful:
            return doubtful, (
                "Unknown network interfaces have taken over the addresses of these targets, and others register "
                "targets here too: only a person can tell whether these targets are theirs."
            )
        return [], ""

    def _too_many(self) -> str:
        """Why the removals that nothing explains need an approval, empty if they do not.

        Only what AWS shows as registered, and what does not leave anyhow, counts as registered.
        """
        policy = self._evidence.policy
        leaving = {move.after.key for move in self._departures}
        leaving |= {key for key, one in self._survey.claims.items() if one.awaits_deregistration or one.awaits_handover}
        present = {key for key, target in self._survey.targets.items() if target.state is TargetState.PRESENT} - leaving
        count = len(self._removals)
        left = len(present - {move.after.key for move in self._removals})
        if count > policy.breaker_floor and count > policy.breaker_share * len(present):
            return (
                f"It would remove {count} of {len(present)} targets at once: "
                f"more than {policy.breaker_floor} and more than {policy.breaker_share:.0%}."
            )
        if left < min(policy.minimum_targets, len(present)):
            return f"It would leave {left} targets registered: fewer than {policy.minimum_targets}."
        return ""


def plan(moves: Iterable[Move], evidence: ReconcileInput) -> Plan:
    """Bundle moves by owner, with the fences and address holders that belong to them."""
    by_owner: dict[str, list[Move]] = {}
    for move in moves:
        by_owner.setdefault(move.after.owner, []).append(move)
    return Plan(bundles=tuple(_bundle(owner, own, evidence) for owner, own in by_owner.items()))


def _bundle(owner: str, moves: list[Move], evidence: ReconcileInput) -> Bundle:
    fence = evidence.fences.get(owner)
    known = fence or Fence(owner=owner, version=0, since=evidence.now, changed_at=evidence.now)
    # No event reports pods, so they need no fence.
    arriving = [move.endpoint for move in moves if move.endpoint is not None and not move.endpoint.pod]
    has_left = evidence.owners.get(owner) in LEFT and not any(move.after.pod for move in moves)
    claimed = {move.after.key for move in moves if move.endpoint is not None and not move.endpoint.pod}
    mine = replace(
        known,
        leaving=known.leaving or has_left,
        claims=known.claims | claimed,
        changed_at=evidence.now,
    )
    return Bundle(
        owner=owner,
        moves=tuple(moves),
        fences=(FenceMove(fence, mine),) if arriving or mine.leaving != known.leaving else (),
        address_holders=_address_holders(arriving[0], evidence) if arriving else (),
    )


def _address_holders(one: Endpoint, evidence: ReconcileInput) -> tuple[AddressHolderMove, ...]:
    """Pods hold no addresses in the ledger: only ECS events report who gets one next."""
    address = one.address
    if not address.subnet_id:
        return ()
    holder = evidence.address_holders.get((address.subnet_id, address.ip))
    if holder is not None and holder.owner == one.owner:
        return ()
    own = AddressHolder(
        subnet_id=address.subnet_id,
        ip=address.ip,
        owner=one.owner,
        since=evidence.now,
        revision=holder.revision if holder else 0,
    )
    return (AddressHolderMove(holder, own),)
