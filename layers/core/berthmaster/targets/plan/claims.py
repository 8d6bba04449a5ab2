"""The life of a claim: what an arrival, a departure, an answer of AWS, and time make of it.

A claim is only ever changed by its owner's arrival or departure, or by the arrival of the next owner at the same
address. So a departure that is told late finds another owner's name and changes nothing.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from berthmaster.targets.model import (
    Call,
    Claim,
    ClaimKey,
    ClaimState,
    Destination,
    Endpoint,
    Move,
    Target,
    TargetState,
    instance_id,
)

ABSENT = Target(TargetState.ABSENT)
RETRY_REFUSED = timedelta(minutes=1)
RETRY_FAILED = timedelta(seconds=15)
ECS_REGISTERS = "ECS itself registers who has the address now"
LOOK_AGAIN = timedelta(seconds=15)
"""When to look again at a drain that should have ended."""


def key_of(destination: Destination, endpoint: Endpoint) -> ClaimKey:
    """The target an endpoint is to be in a destination."""
    return ClaimKey(destination.arn, endpoint.address.ip, endpoint.port)


def arrive(
    key: ClaimKey, claim: Claim | None, endpoint: Endpoint, target: Target, now: datetime, *, by_event: bool
) -> Move | None:
    """An owner is to be registered at an address; None if there is nothing to do, or another's target is there.

    `target` is what the destination shows, ABSENT if it need not be asked.
    """
    fresh = Claim(
        key=key,
        owner=endpoint.owner,
        state=ClaimState.REGISTERING,
        changed_at=now,
        eni_id=endpoint.address.eni_id,
        pod=endpoint.pod,
        version=endpoint.version,
        by_event=by_event,
        revision=claim.revision if claim else 0,
    )
    if claim is None or claim.state is ClaimState.TOMBSTONE:
        return _first(claim, fresh, endpoint, target, now)
    if claim.owner != endpoint.owner:
        return _succeed(claim, fresh, endpoint, target, now)
    return _stay(claim, fresh, endpoint, target, now)


def _stay(claim: Claim, fresh: Claim, endpoint: Endpoint, target: Target, now: datetime) -> Move | None:
    """The owner has the claim already."""
    match claim.state:
        case ClaimState.REGISTERING if claim.operation:
            return None
        case ClaimState.REGISTERING:
            return Move(
                before=claim, after=fresh, reason="finish what was begun", call=Call.REGISTER, endpoint=endpoint
            )
        case ClaimState.REGISTERED if target.state is TargetState.PRESENT:
            return None
        case ClaimState.REGISTERED | ClaimState.DRAINING:
            return _again(claim, fresh, endpoint, target, now)
        case ClaimState.HANDOVER:
            return _inherit(claim, fresh, endpoint, target, now)
        case ClaimState.REFUSED if claim.due_at is None or claim.due_at <= now:
            return _first(claim, fresh, endpoint, target, now)
    return None


def _first(claim: Claim | None, fresh: Claim, endpoint: Endpoint, target: Target, now: datetime) -> Move | None:
    if target.state is TargetState.PRESENT:
        return None
    if target.state is TargetState.DRAINING:
        waiting = replace(fresh, state=ClaimState.HANDOVER, due_at=now + LOOK_AGAIN)
        return Move(before=claim, after=waiting, reason="the address drains for somebody else", endpoint=endpoint)
    return Move(before=claim, after=fresh, reason="it runs", call=Call.REGISTER, endpoint=endpoint)


def _succeed(claim: Claim, fresh: Claim, endpoint: Endpoint, target: Target, now: datetime) -> Move | None:
    """The address has passed on to another owner: what the former left there must drain before."""
    heir = replace(fresh, state=ClaimState.HANDOVER, former=claim.former or claim.owner)
    match claim.state:
        case ClaimState.REFUSED:
            return _first(claim, fresh, endpoint, target, now)
        case ClaimState.HANDOVER | ClaimState.DRAINING if claim.due_at is not None:
            waiting = replace(heir, due_at=claim.due_at)
            return Move(
                before=claim, after=waiting, reason="the address drains for its former owner", endpoint=endpoint
            )
        case _:
            return Move(
                before=claim,
                after=heir,
                reason="the address has a new owner",
                call=Call.DEREGISTER,
                endpoint=endpoint,
            )


def _again(claim: Claim, fresh: Claim, endpoint: Endpoint, target: Target, now: datetime) -> Move:
    """Its target was taken out although it is to be in: by somebody else, or by a wish that has changed."""
    if claim.state is ClaimState.DRAINING and (claim.due_at is None or claim.due_at > now):
        waiting = replace(fresh, state=ClaimState.HANDOVER, former=claim.owner, due_at=claim.due_at)
        return Move(
            before=claim,
            after=waiting,
            reason="it is wanted again when it has drained",
            call=Call.DEREGISTER if claim.due_at is None else None,
            endpoint=endpoint,
        )
    if claim.state is ClaimState.DRAINING and target.state is TargetState.PRESENT:
        return _theirs(claim, target, now)
    if target.state is TargetState.DRAINING:
        waiting = replace(fresh, state=ClaimState.HANDOVER, former=claim.owner, due_at=now + LOOK_AGAIN)
        return Move(before=claim, after=waiting, reason="somebody deregistered it; it drains", endpoint=endpoint)
    return Move(before=claim, after=fresh, reason="somebody deregistered it", call=Call.REGISTER, endpoint=endpoint)


def _inherit(claim: Claim, fresh: Claim, endpoint: Endpoint, target: Target, now: datetime) -> Move | None:
    """The end of a handover: only an address that nobody is registered at is registered for its new owner."""
    if claim.operation:
        return None
    if claim.due_at is None and is_put_off(claim, now):
        return None
    if claim.due_at is None:
        return Move(
            before=claim,
            after=replace(claim, retry_at=None),
            reason="finish what was begun",
            call=Call.DEREGISTER,
            endpoint=endpoint,
        )
    if claim.due_at > now:
        return None
    match target.state:
        case TargetState.ABSENT:
            return Move(before=claim, after=fresh, reason="the drain is over", call=Call.REGISTER, endpoint=endpoint)
        case TargetState.DRAINING:
            longer = replace(claim, due_at=now + LOOK_AGAIN, changed_at=now)
            return Move(before=claim, after=longer, reason="it drains still", endpoint=endpoint)
        case TargetState.PRESENT:
            return _theirs(claim, target, now)


def depart(claim: Claim, owner: str, now: datetime, *, reason: str, by_event: bool) -> Move | None:
    """An owner leaves; None if the claim is another's by now, or nothing is left to do."""
    if claim.owner != owner:
        return None
    left = replace(claim, changed_at=now, by_event=by_event, missing_since=None)
    match claim.state:
        case ClaimState.REGISTERING | ClaimState.REGISTERED:
            return Move(
                before=claim,
                after=replace(left, state=ClaimState.DRAINING, due_at=None, operation=""),
                reason=reason,
                call=Call.DEREGISTER,
            )
        case ClaimState.DRAINING if claim.due_at is None and not claim.operation and not is_put_off(claim, now):
            # Not as if an event had touched it: a reconciliation must be free to see to what fails again and again.
            begun = replace(claim, retry_at=None)
            return Move(before=claim, after=begun, reason="finish what was begun", call=Call.DEREGISTER)
        case ClaimState.HANDOVER:
            # The drain of the former owner goes on; nobody waits for its end any more.
            call = Call.DEREGISTER if claim.due_at is None else None
            return Move(before=claim, after=replace(left, state=ClaimState.DRAINING), reason=reason, call=call)
        case ClaimState.REFUSED:
            return Move(before=claim, after=replace(left, state=ClaimState.TOMBSTONE, due_at=None), reason=reason)
    return None


def is_put_off(claim: Claim, now: datetime) -> bool:
    """Whether Cloud Map has failed at its deregistration not long ago."""
    return claim.retry_at is not None and claim.retry_at > now


def settle(claim: Claim, target: Target, now: datetime) -> Move | None:
    """What time has made of a claim whose owner has left; None while it drains."""
    if claim.state is not ClaimState.DRAINING or claim.due_at is None or claim.due_at > now or claim.operation:
        return None
    if target.state is TargetState.PRESENT:
        return _theirs(claim, target, now)
    if target.state is TargetState.DRAINING:
        return None
    gone = replace(claim, state=ClaimState.TOMBSTONE, due_at=None, changed_at=now)
    return Move(before=claim, after=gone, reason="it has drained")


def _theirs(claim: Claim, target: Target, now: datetime) -> Move:
    """AWS has answered the deregistration, and the target is registered: so somebody else has done that since.

    Unless its name says otherwise: a Cloud Map operation that ran when its deregistration was called may end later.
    """
    if target.instance == instance_id(claim.former or claim.owner):
        again = replace(claim, due_at=None, changed_at=now)
        return Move(before=claim, after=again, reason="it was registered late", call=Call.DEREGISTER)
    gone = replace(claim, state=ClaimState.TOMBSTONE, due_at=None, changed_at=now)
    return Move(before=claim, after=gone, reason="somebody else registered the address")


def relinquish(claim: Claim, now: datetime, *, reason: str) -> Move:
    """Give up a claim, and leave its target as it is to whom it belongs now."""
    gone = replace(claim, state=ClaimState.TOMBSTONE, due_at=None, changed_at=now, missing_since=None)
    return Move(before=claim, after=gone, reason=reason)


def concluded(claim: Claim, *, succeeded: bool, destination: Destination, now: datetime) -> Claim:
    """The claim after its Cloud Map operation has ended."""
    if claim.state is ClaimState.REGISTERING:
        state = ClaimState.REGISTERED if succeeded else ClaimState.REFUSED
        due_at = None if succeeded else now + RETRY_REFUSED
        return replace(claim, operation="", changed_at=now, state=state, due_at=due_at)
    if succeeded:
        return replace(claim, operation="", changed_at=now, due_at=now + destination.body.drain)
    return replace(claim, operation="", retry_at=now + RETRY_FAILED)


def answered(move: Move, destination: Destination, now: datetime) -> Claim:
    """The claim after AWS did what its move called for."""
    done = replace(move.after, busy_until=None, operation="")
    if move.call is Call.DEREGISTER:
        return replace(done, due_at=now + destination.body.drain)
    if move.call is Call.REGISTER:
        return replace(done, state=ClaimState.REGISTERED, due_at=None)
    return done


def refused(move: Move, now: datetime) -> Claim:
    """The claim after AWS would not register its target."""
    return replace(move.after, state=ClaimState.REFUSED, busy_until=None, due_at=now + RETRY_REFUSED, operation="")
