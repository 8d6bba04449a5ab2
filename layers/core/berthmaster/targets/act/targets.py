"""Carries out a plan: writes to the ledger what is intended, calls AWS, and writes to the ledger what AWS answered.

A claim is `registering` or `draining` before AWS is called, so the next invocation finishes what a dead one has begun.
It is busy until the end of the invocation, so that no other invocation calls AWS about it meanwhile.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.invocation import Invocation
from berthmaster.pace import LAST_CALL, Pace
from berthmaster.paced_reads import PacedReads
from berthmaster.switch import Stopped, Switch
from berthmaster.targets.act.cloud_map import call_cloud_map
from berthmaster.targets.act.effects import seen_deregistered
from berthmaster.targets.act.permit import Permit
from berthmaster.targets.act.results import CallResults
from berthmaster.targets.act.target_groups import call_target_group
from berthmaster.targets.ledger.claims import ClaimLedger, ClaimMove, Write
from berthmaster.targets.model import Bundle, Call, Claim, ClaimKey, Destination, Finding, Kind, Move, Plan
from berthmaster.targets.plan import claims
from berthmaster.telemetry import logger
from berthmaster.token_bucket import TokenBucket

TARGETS_RATE, TARGETS_BURST = 4.0, 20.0
"""RegisterTargets and DeregisterTargets share one bucket of AWS; AWS's own controller uses these figures."""
INSTANCES_RATE, INSTANCES_BURST = 50.0, 100.0


@dataclass(slots=True)
class Outcome:
    """What came of a plan.

    owners: of the bundle that each claim was in. done: moves without a call, and those whose calls AWS answered; a
    deregistration only if a target group shows it. retry_at: when deregistrations that are not shown are tried again,
    by the owner in the claim.
    answered_at: when AWS had done what a call asked for. conflicts: owners whose bundles another invocation conflicted
    with. failed: owners for whom something must be tried again, because of `errors`.
    """

    owners: dict[ClaimKey, str] = field(default_factory=dict)
    done: list[Move] = field(default_factory=list)
    answered_at: dict[ClaimKey, datetime] = field(default_factory=dict)
    retry_at: dict[str, datetime] = field(default_factory=dict)
    conflicts: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)

    @property
    def is_stopped(self) -> bool:
        """Whether the automation was paused meanwhile, so that some calls were not made."""
        return any(isinstance(error, Stopped) for error in self.errors)


class Act:
    """Writes to the ledger and to destinations. urgent: for events, which may use the whole rate of AWS."""

    def __init__(
        self,
        clients: Clients,
        clock: Clock,
        ledger: ClaimLedger,
        switch: Switch,
        reads: PacedReads,
        *,
        table: str,
        urgent: bool,
    ) -> None:
        self._clients = clients
        self._clock = clock
        self._reads = reads
        self._ledger = ledger
        self._switch = switch
        self._reserve = 0.0 if urgent else TARGETS_BURST / 2
        self._targets = TokenBucket(clients.dynamodb, table, clock, "targets", rate=TARGETS_RATE, burst=TARGETS_BURST)
        self._instances = TokenBucket(
            clients.dynamodb, table, clock, "instances", rate=INSTANCES_RATE, burst=INSTANCES_BURST
        )

    def carry_out(self, plan: Plan, destinations: Mapping[str, Destination], invocation: Invocation) -> Outcome:
        """Do all of a plan that the invocation has time for."""
        outcome = Outcome(findings=list(plan.findings))
        outcome.owners |= {move.after.key: bundle.owner for bundle in plan.bundles for move in bundle.moves}
        due = self._intend(plan.bundles, invocation, outcome)
        # Cloud Map takes a call for each instance, so the target groups come first.
        for kind in (Kind.TARGET_GROUP, Kind.CLOUD_MAP):
            unverified: list[Move] = []
            for call in (Call.DEREGISTER, Call.REGISTER):
                for arn, moves in _by_destination(due, call).items():
                    if destinations[arn].kind is kind:
                        unverified += self._call(destinations[arn], call, moves, invocation, outcome)
            self._verify(unverified, destinations, invocation, outcome)
        return outcome

    def _intend(self, bundles: Sequence[Bundle], invocation: Invocation, outcome: Outcome) -> list[Move]:
        """Write the claims; returns the moves that need a call, with their claims as written."""
        marked = [replace(bundle, moves=tuple(_busy(move, invocation) for move in bundle.moves)) for bundle in bundles]
        written, conflicts = self._ledger.write([_writes(bundle) for bundle in marked])
        outcome.conflicts |= {bundles[index].owner for index in conflicts}
        if conflicts:
            logger.info("claim conflict", owners=sorted(outcome.conflicts))
        due = []
        for index, items in written.items():
            stored = {item.key: item for item in items if isinstance(item, Claim)}
            for move in marked[index].moves:
                if move.call is None:
                    outcome.done.append(move)
                else:
                    due.append(replace(move, after=stored[move.after.key]))
        return due

    def _call(
        self, destination: Destination, call: Call, moves: Sequence[Move], invocation: Invocation, outcome: Outcome
    ) -> list[Move]:
        """Make calls and write their answers; returns the deregistrations whose effect must be looked at."""
        logger.info("calling", call=call, destination=destination.name, targets=_in_words(moves))
        results = self._make_calls(destination, call, moves, invocation)
        now = self._clock.now()
        outcome.answered_at |= {move.after.key: now for move in results.done}
        unverified: list[Move] = []
        if call is Call.DEREGISTER and destination.kind is Kind.TARGET_GROUP:
            unverified, results.done = results.done, []
        after = [(move, claims.after_call(move, destination, now)) for move in results.done]
        after += [(one.move, claims.released(one.move.after, one.operation)) for one in results.begun]
        after += [(move, claims.released(move.after)) for move in results.busy]
        after += [(move, claims.after_refusal(move, now)) for move in results.refused]
        self._conclude(after, outcome)
        outcome.done += results.done + [one.move for one in results.begun]
        outcome.findings += results.findings
        outcome.failed |= {outcome.owners[move.after.key] for move in results.failed}
        outcome.errors += results.errors
        logger.info(
            "called",
            call=call,
            destination=destination.name,
            done=len(results.done) + len(results.begun) + len(unverified),
            refused=len(results.refused),
            failed=len(results.failed),
        )
        return unverified

    def _verify(
        self, moves: Sequence[Move], destinations: Mapping[str, Destination], invocation: Invocation, outcome: Outcome
    ) -> None:
        """Conclude from what target groups show; a deregistration whose effect they do not show is tried again."""
        if not moves:
            return
        seen = seen_deregistered(
            self._clients.elbv2,
            self._reads,
            moves,
            may_begin=lambda: invocation.time_left(self._clock.now()) > LAST_CALL,
        )
        now = self._clock.now()
        done = [move for move in moves if move.after.key in seen]
        again = [(move, claims.after_no_effect(move, now)) for move in moves if move.after.key not in seen]
        after = [(move, claims.after_call(move, destinations[move.after.key.destination], now)) for move in done]
        self._conclude([*after, *again], outcome)
        outcome.done += done
        outcome.retry_at |= {claim.owner: claim.retry_at for _, claim in again if claim.retry_at}
        if again:
            logger.warning("deregistration not seen", targets=_in_words([move for move, _ in again]))

    def _make_calls(
        self, destination: Destination, call: Call, moves: Sequence[Move], invocation: Invocation
    ) -> CallResults:
        if destination.kind is Kind.CLOUD_MAP:
            pace = Pace(self._clock, self._instances, invocation.deadline)
            permit = Permit(self._switch, pace)
            return call_cloud_map(self._clients.discovery, destination, call, moves, permit)
        pace = Pace(self._clock, self._targets, invocation.deadline, reserve=self._reserve)
        return call_target_group(self._clients.elbv2, destination, call, moves, Permit(self._switch, pace))

    def _conclude(self, after: Sequence[tuple[Move, Claim]], outcome: Outcome) -> None:
        groups = [[ClaimMove(move.after, claim)] for move, claim in after]
        _, conflicts = self._ledger.write(groups)
        outcome.conflicts |= {outcome.owners[after[index][0].after.key] for index in conflicts}


def _busy(move: Move, invocation: Invocation) -> Move:
    if move.call is None:
        return replace(move, after=claims.released(move.after))
    return replace(move, after=replace(move.after, busy_until=invocation.deadline, busy_by=invocation.id))


def _writes(bundle: Bundle) -> list[Write]:
    """Fences come first: a claim never exists without the fence of its owner."""
    return [*bundle.fences, *bundle.address_holders, *(ClaimMove(move.before, move.after) for move in bundle.moves)]


def _by_destination(moves: Sequence[Move], call: Call) -> dict[str, list[Move]]:
    found = defaultdict(list)
    for move in moves:
        if move.call is call:
            found[move.after.key.destination].append(move)
    return found


def _in_words(moves: Sequence[Move]) -> list[str]:
    return [f"{move.after.key.ip}:{move.after.key.port} of {move.after.owner}: {move.reason}" for move in moves]
