"""Carries out a plan: writes to the ledger what is intended, calls AWS, and writes to the ledger what AWS answered.

A claim is `registering` or `draining` before AWS is called, so the next invocation finishes what a dead one has begun.
It is busy until the end of the invocation that calls AWS about it, so that no other invocation does so meanwhile.

Events do not wait for AWS's rate. A call that it does not allow soon is left: its claim is written and is not busy, and
its owner is checked again when it is its turn. A call that is made meanwhile on the same target group, by whichever
invocation, takes along all that were left.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import chain

from botocore.exceptions import BotoCoreError, ClientError

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.concurrently import Together, concurrently, results_of
from berthmaster.invocation import Invocation
from berthmaster.pace import LAST_CALL, Pace, Rate
from berthmaster.paced_reads import PacedReads
from berthmaster.switch import Stopped, Switch
from berthmaster.targets.act.cloud_map import call_cloud_map
from berthmaster.targets.act.effects import seen_deregistered
from berthmaster.targets.act.permit import Permit
from berthmaster.targets.act.results import CallResults
from berthmaster.targets.act.target_groups import TARGETS_PER_CALL, call_target_group
from berthmaster.targets.act.turns import Moves, calls_of, is_early
from berthmaster.targets.ledger.claims import ClaimLedger, ClaimMove, Item, Write
from berthmaster.targets.model import Bundle, Call, Claim, ClaimKey, Destination, Finding, Kind, Move, Plan, TargetGroup
from berthmaster.targets.plan import claims
from berthmaster.telemetry import logger
from berthmaster.token_bucket import TokenBucket

INSTANCES = Rate(calls=50.0, burst=100.0)
"""RegisterInstance, and DeregisterInstance: AWS has a limit for each."""
SOON = {Kind.TARGET_GROUP: timedelta(seconds=0.5), Kind.CLOUD_MAP: timedelta(seconds=4)}
"""How long an event may wait for AWS's rate within an invocation: others cannot join it there."""
QUEUE_DELAY = timedelta(seconds=1)
"""The batching window of the queue, in which a message waits before it is received again."""
AT_ONCE = 5
"""Calls on target groups. boto3 holds ten connections, and what is verified meanwhile takes four."""


@dataclass(slots=True)
class Outcome:
    """What came of a plan.

    owners: of the bundle that each claim was in. done: moves without a call, and those whose calls AWS answered; a
    deregistration only if a target group shows it. retry_at: when deregistrations that are not shown are tried again,
    by the owner in the claim. left: when it is the turn of calls that AWS's rate did not allow yet, by the owner in the
    claim. answered_at: when AWS had done what a call asked for. conflicts: owners whose bundles another invocation
    conflicted with. failed: owners for whom something must be tried again, because of `errors`.
    """

    owners: dict[ClaimKey, str] = field(default_factory=dict)
    done: list[Move] = field(default_factory=list)
    answered_at: dict[ClaimKey, datetime] = field(default_factory=dict)
    retry_at: dict[str, datetime] = field(default_factory=dict)
    left: dict[str, datetime] = field(default_factory=dict)
    conflicts: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)

    @property
    def is_stopped(self) -> bool:
        """Whether the automation was paused meanwhile, so that some calls were not made."""
        return any(isinstance(error, Stopped) for error in self.errors)


class Act:
    """Writes to the ledger and to destinations.

    rate: of RegisterTargets and DeregisterTargets, which share one bucket of AWS. urgent: whether it may use all of it;
    others leave half of the burst to those who may. waits: for the rate, as long as there is time; else what exceeds it
    is left, and whoever carries out the plan must check its owners again. reread: what a refusal contradicts is read
    again; None for a destination that cannot be managed any more.
    """

    def __init__(
        self,
        clients: Clients,
        clock: Clock,
        ledger: ClaimLedger,
        switch: Switch,
        reads: PacedReads,
        *,
        table: str,
        rate: Rate,
        urgent: bool,
        waits: bool,
        reread: Callable[[Destination], Destination | None],
    ) -> None:
        self._clients = clients
        self._clock = clock
        self._reads = reads
        self._ledger = ledger
        self._switch = switch
        self._urgent = urgent
        self._waits = waits
        self._reread = reread
        self._buckets = {
            kind: TokenBucket(clients.dynamodb, table, clock, name, rate=one.calls, burst=one.burst)
            for kind, name, one in (
                (Kind.TARGET_GROUP, "targets", rate),
                (Kind.CLOUD_MAP, "instances", INSTANCES),
            )
        }

    def carry_out(self, plan: Plan, destinations: Mapping[str, Destination], invocation: Invocation) -> Outcome:
        """Do all of a plan that the invocation has time for, and, unless it waits, that AWS's rate allows soon."""
        outcome = Outcome(findings=list(plan.findings))
        outcome.owners |= {move.after.key: bundle.owner for bundle in plan.bundles for move in bundle.moves}
        permits = {kind: self._permit(kind, invocation) for kind in Kind}
        lots = {kind: self._lot(kind, calls_of(plan.moves, kind), permits[kind], outcome) for kind in Kind}
        called = {move.after.key for move in chain.from_iterable(chain(*lots.values()))}
        due = self._intend(plan.bundles, called, invocation, outcome)
        groups, instances = (list(_due(lots[kind], due)) for kind in (Kind.TARGET_GROUP, Kind.CLOUD_MAP))
        if groups and outcome.left:
            permits[Kind.TARGET_GROUP].until_ready()
            groups = self._joined(groups, invocation, outcome)
        # Cloud Map takes a call for each instance, so the target groups come first.
        if groups:
            self._call_target_groups(groups, destinations, permits[Kind.TARGET_GROUP], invocation, outcome)
        if instances:
            self._call_cloud_map(instances, destinations, permits[Kind.CLOUD_MAP], outcome)
        return outcome

    def _permit(self, kind: Kind, invocation: Invocation) -> Permit:
        bucket = self._buckets[kind]
        reserve = 0.0 if self._urgent or kind is Kind.CLOUD_MAP else bucket.capacity / 2
        return Permit(self._switch, Pace(self._clock, bucket, invocation.deadline, reserve=reserve), self._clock)

    def _lot(self, kind: Kind, calls: Sequence[Moves], permit: Permit, outcome: Outcome) -> Sequence[Moves]:
        """The calls that are made now, those that have waited longest; the others are left."""
        if self._waits or not calls:
            return calls
        count = permit.ahead(len(calls), within=SOON[kind])
        for number, moves in enumerate(calls[count:], 1):
            when = permit.turn(number) - QUEUE_DELAY
            for move in moves:
                outcome.left.setdefault(move.after.owner, when)
        if count < len(calls):
            logger.info("calls left to their turn", kind=kind, made=count, left=len(calls) - count)
        return calls[:count]

    def _joined(
        self,
        calls: Sequence[Moves],
        invocation: Invocation,
        outcome: Outcome,
    ) -> list[Moves]:
        """The calls, with what others have left on the same target groups until now."""
        left: dict[tuple[str, Call | None], list[Move]] = defaultdict(list)
        now, arns = self._clock.now(), list(dict.fromkeys(moves[0].after.key.destination for moves in calls))
        may_begin = partial(self._may_begin, invocation)
        for one in concurrently(self._ledger.claims_of, arns, at_once=AT_ONCE, may_begin=may_begin):
            if one.error is not None:
                logger.warning("calls left by others not read", destination=one.item, error=repr(one.error))
                continue
            for claim in one.result:
                move = claims.awaited_call(claim, now)
                if move:
                    left[one.item, move.call].append(move)
        joined: list[Moves] = []
        for moves in calls:
            waiting = left[moves[0].after.key.destination, moves[0].call]
            room = 0 if is_early(moves[0]) else TARGETS_PER_CALL - len(moves)
            joined.append(tuple(waiting[:room]))
            del waiting[:room]
        bundles = [Bundle(owner=move.after.owner, moves=(move,)) for move in chain.from_iterable(joined)]
        keys = {move.after.key for move in chain.from_iterable(joined)}
        due = self._intend(bundles, keys, invocation, outcome)
        outcome.owners |= {key: move.after.owner for key, move in due.items()}
        return [(*moves, *chain.from_iterable(_due([more], due))) for moves, more in zip(calls, joined, strict=True)]

    def _intend(
        self, bundles: Sequence[Bundle], called: set[ClaimKey], invocation: Invocation, outcome: Outcome
    ) -> dict[ClaimKey, Move]:
        """Write the claims; returns the moves that need a call, with their claims as written."""
        marked = [
            replace(bundle, moves=tuple(_marked(move, called, invocation) for move in bundle.moves))
            for bundle in bundles
        ]
        written, conflicts = self._ledger.write([_writes(bundle) for bundle in marked])
        outcome.conflicts |= {bundles[index].owner for index in conflicts}
        if conflicts:
            logger.info("claim conflict", owners=sorted(outcome.conflicts))
        due = {}
        for index, items in written.items():
            for move in _as_written(marked[index], items):
                if move.call is None:
                    outcome.done.append(move)
                else:
                    due[move.after.key] = move
        return due

    def _call_target_groups(
        self,
        calls: Sequence[Moves],
        destinations: Mapping[str, Destination],
        permit: Permit,
        invocation: Invocation,
        outcome: Outcome,
    ) -> None:
        """Deregister, then register while AWS is asked whether the deregistrations had an effect."""
        departures, arrivals = (
            [moves for moves in calls if moves[0].call is call] for call in (Call.DEREGISTER, Call.REGISTER)
        )
        gone = self._make_calls(departures, destinations, permit)
        answered, gone.done = gone.done, []
        with Together(at_once=2) as both:
            reading = both.begin(
                seen_deregistered,
                self._clients.elbv2,
                self._reads,
                answered,
                may_begin=partial(self._may_begin, invocation),
            )
            calling = both.begin(self._make_calls, arrivals, destinations, permit)
        come, seen, now = calling.result(), reading.result(), self._clock.now()
        outcome.answered_at |= gone.answered_at | come.answered_at
        gone.done = [move for move in answered if move.after.key in seen and claims.is_conclusive(move, now)]
        unseen = [move for move in answered if move not in gone.done]
        again = [(move, claims.after_no_effect(move, now)) for move in unseen]
        outcome.retry_at |= {claim.owner: claim.retry_at for _, claim in again if claim.retry_at}
        if unseen:
            logger.warning("deregistration not seen", targets=_in_words(unseen))
        gone.add(come)
        self._conclude(gone, destinations, outcome, again)

    def _make_calls(
        self, calls: Sequence[Moves], destinations: Mapping[str, Destination], permit: Permit
    ) -> CallResults:
        def make(moves: Moves) -> CallResults:
            destination, call = destinations[moves[0].after.key.destination], moves[0].call
            assert call is not None  # noqa: S101 - of a call
            logger.info("calling", call=call, destination=destination.name, targets=_in_words(moves))
            found = call_target_group(self._clients.elbv2, destination, call, moves, permit)
            if found.refused:
                self._call_again(found, destination, permit)
            now = self._clock.now()
            found.answered_at |= {move.after.key: now for move in found.done}
            return found

        results = CallResults()
        for one in results_of(concurrently(make, calls, at_once=AT_ONCE)):
            results.add(one)
        return results

    def _call_again(self, results: CallResults, destination: Destination, permit: Permit) -> None:
        """Zones follow from what is remembered of a group and its VPC: that is read again, and zones are corrected."""
        fresh = self._read_again(destination)
        group = fresh.body if fresh else None
        if fresh is None or not isinstance(group, TargetGroup):
            return
        bundles = [
            Bundle(owner=move.after.owner, moves=(replace(move, before=move.after, after=corrected),))
            for move in results.refused
            if (corrected := _in_zone(move, group)) != move.after
        ]
        # Before the call, so that whoever deregisters the target knows its zone.
        written, _ = self._ledger.write([_writes(bundle) for bundle in bundles])
        moves = [move for index, items in written.items() for move in _as_written(bundles[index], items)]
        if moves:
            logger.info("calling again with another zone", destination=destination.name, targets=_in_words(moves))
            results.retract({move.after.key for move in moves})
            results.add(call_target_group(self._clients.elbv2, fresh, Call.REGISTER, moves, permit))

    def _read_again(self, destination: Destination) -> Destination | None:
        try:
            return self._reread(destination)
        except (BotoCoreError, ClientError, TimeoutError) as error:
            logger.warning("destination not read again", destination=destination.arn, error=repr(error))
            return None

    def _call_cloud_map(
        self, calls: Sequence[Moves], destinations: Mapping[str, Destination], permit: Permit, outcome: Outcome
    ) -> None:
        moves = list(chain.from_iterable(calls))
        logger.info("calling Cloud Map", instances=_in_words(moves))
        results = call_cloud_map(self._clients.discovery, destinations, moves, permit)
        for arn in dict.fromkeys(move.after.key.destination for move in results.refused):
            self._read_again(destinations[arn])
        self._conclude(results, destinations, outcome)

    def _conclude(
        self,
        results: CallResults,
        destinations: Mapping[str, Destination],
        outcome: Outcome,
        others: Sequence[tuple[Move, Claim]] = (),
    ) -> None:
        """Write what AWS answered, all together."""
        now = self._clock.now()
        after = [
            (move, claims.after_call(move, destinations[move.after.key.destination], now)) for move in results.done
        ]
        after += [(one.move, claims.released(one.move.after, one.operation)) for one in results.begun]
        after += [(move, claims.released(move.after)) for move in results.busy]
        after += [(move, claims.after_refusal(move, now)) for move in results.refused]
        after += others
        _, conflicts = self._ledger.write([[ClaimMove(move.after, claim)] for move, claim in after])
        outcome.conflicts |= {outcome.owners[after[index][0].after.key] for index in conflicts}
        outcome.done += results.done + [one.move for one in results.begun]
        outcome.findings += results.findings
        outcome.failed |= {outcome.owners[move.after.key] for move in results.failed}
        outcome.errors += results.errors
        logger.info(
            "called",
            done=len(results.done),
            begun=len(results.begun),
            refused=len(results.refused),
            failed=len(results.failed),
        )

    def _may_begin(self, invocation: Invocation) -> bool:
        return invocation.time_left(self._clock.now()) > LAST_CALL


def _due(lot: Sequence[Moves], due: Mapping[ClaimKey, Move]) -> Iterator[Moves]:
    """The calls of a lot with the claims as they were written, without what another invocation conflicted with."""
    for moves in lot:
        if written := tuple(due[move.after.key] for move in moves if move.after.key in due):
            yield written


def _marked(move: Move, called: set[ClaimKey], invocation: Invocation) -> Move:
    if move.after.key not in called:
        return replace(move, after=claims.released(move.after))
    return replace(move, after=replace(move.after, busy_until=invocation.deadline, busy_by=invocation.id))


def _writes(bundle: Bundle) -> list[Write]:
    """Fences come first: a claim never exists without the fence of its owner."""
    return [*bundle.fences, *bundle.address_holders, *(ClaimMove(move.before, move.after) for move in bundle.moves)]


def _as_written(bundle: Bundle, items: Sequence[Item]) -> Iterator[Move]:
    """The moves of a bundle with their claims as the ledger has them now."""
    stored = {item.key: item for item in items if isinstance(item, Claim)}
    for move in bundle.moves:
        yield replace(move, after=stored[move.after.key])


def _in_zone(move: Move, group: TargetGroup) -> Claim:
    """The claim with the zone that its group requires; as it is if its address is not known in full."""
    return replace(move.after, zone=group.zone_for(move.endpoint.address)) if move.endpoint else move.after


def _in_words(moves: Sequence[Move]) -> list[str]:
    return [f"{move.after.key.ip}:{move.after.key.port} of {move.after.owner}: {move.reason}" for move in moves]
