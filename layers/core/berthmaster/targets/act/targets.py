"""Carrying out a plan: write what is intended, call AWS, write what came of it.

A claim says `registering` or `draining` before AWS is called, so a dead invocation leaves nothing behind that the next
one would not finish; and it is marked busy until the invocation's end, so that nobody else calls meanwhile.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.pace import Pace
from berthmaster.targets.act.cloud_map import call_cloud_map
from berthmaster.targets.act.results import CallResults
from berthmaster.targets.act.target_groups import call_target_group
from berthmaster.targets.ledger.claims import ClaimMove, Ledger, Write
from berthmaster.targets.model import Bundle, Call, Claim, ClaimKey, Destination, Finding, Kind, Move, Plan
from berthmaster.targets.plan import claims
from berthmaster.telemetry import logger
from berthmaster.token_bucket import TokenBucket

TARGETS_RATE, TARGETS_BURST = 4.0, 20.0
"""RegisterTargets and DeregisterTargets share a bucket of AWS's; this is what its own controller keeps to."""
INSTANCES_RATE, INSTANCES_BURST = 50.0, 100.0


@dataclass(slots=True)
class Outcome:
    """What came of a plan.

    owners: of the bundle that each claim was in. done: moves whose calls AWS answered, and those that needed none.
    answered: when AWS had done what was called for. conflicts: owners that somebody else was faster with.
    failed: owners of whom a part must be tried again, with `errors`.
    """

    owners: dict[ClaimKey, str] = field(default_factory=dict)
    done: list[Move] = field(default_factory=list)
    answered: dict[ClaimKey, datetime] = field(default_factory=dict)
    conflicts: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)


class Act:
    """Writes to the ledger and to destinations. urgent: an event's, which need not leave room for others."""

    def __init__(self, clients: Clients, clock: Clock, ledger: Ledger, table: str, *, urgent: bool) -> None:
        self._clients = clients
        self._clock = clock
        self._ledger = ledger
        self._reserve = 0.0 if urgent else TARGETS_BURST / 2
        self._targets = TokenBucket(clients.dynamodb, table, clock, "targets", rate=TARGETS_RATE, burst=TARGETS_BURST)
        self._instances = TokenBucket(
            clients.dynamodb, table, clock, "instances", rate=INSTANCES_RATE, burst=INSTANCES_BURST
        )

    def carry_out(self, plan: Plan, destinations: Mapping[str, Destination], turn: datetime) -> Outcome:
        """Do all of a plan that can be done before the end of the turn."""
        outcome = Outcome(findings=list(plan.findings))
        outcome.owners |= {move.after.key: bundle.owner for bundle in plan.bundles for move in bundle.moves}
        begun = self._intend(plan.bundles, turn, outcome)
        # Cloud Map takes a call for each instance: nobody who waits for a target group should wait for that, too.
        for kind in (Kind.TARGET_GROUP, Kind.CLOUD_MAP):
            for call in (Call.DEREGISTER, Call.REGISTER):
                for arn, moves in _by_destination(begun, call).items():
                    if destinations[arn].kind is kind:
                        self._call(destinations[arn], call, moves, turn, outcome)
        return outcome

    def _intend(self, bundles: Sequence[Bundle], turn: datetime, outcome: Outcome) -> list[Move]:
        """Write the claims down; returns the moves that a call is due for, with their claims as written."""
        marked = [replace(bundle, moves=tuple(_marked(move, turn) for move in bundle.moves)) for bundle in bundles]
        written, conflicts = self._ledger.write([_writes(bundle) for bundle in marked])
        outcome.conflicts |= {bundles[index].owner for index in conflicts}
        if conflicts:
            logger.info("others were faster", owners=sorted(outcome.conflicts))
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
        self, destination: Destination, call: Call, moves: Sequence[Move], turn: datetime, outcome: Outcome
    ) -> None:
        logger.info("calling", call=call, destination=destination.name, targets=_in_words(moves))
        answers = self._ask(destination, call, moves, turn)
        now = self._clock.now()
        after = [(move, claims.answered(move, destination, now)) for move in answers.done]
        after += [
            (one.move, replace(one.move.after, operation=one.operation, busy_until=None)) for one in answers.begun
        ]
        after += [(move, replace(move.after, busy_until=None)) for move in answers.busy]
        after += [(move, claims.refused(move, now)) for move in answers.refused]
        self._conclude(after, outcome)
        outcome.done += answers.done + [one.move for one in answers.begun]
        outcome.answered |= {move.after.key: now for move in answers.done}
        outcome.findings += answers.findings
        outcome.failed |= {outcome.owners[move.after.key] for move in answers.failed}
        outcome.errors += answers.errors
        logger.info(
            "called",
            call=call,
            destination=destination.name,
            done=len(answers.done) + len(answers.begun),
            refused=len(answers.refused),
            failed=len(answers.failed),
        )

    def _ask(self, destination: Destination, call: Call, moves: Sequence[Move], turn: datetime) -> CallResults:
        if destination.kind is Kind.CLOUD_MAP:
            pace = Pace(self._clock, self._instances, turn)
            return call_cloud_map(self._clients.discovery, destination, call, moves, pace)
        pace = Pace(self._clock, self._targets, turn, reserve=self._reserve)
        return call_target_group(self._clients.elbv2, destination, call, moves, pace)

    def _conclude(self, after: Sequence[tuple[Move, Claim]], outcome: Outcome) -> None:
        groups = [[ClaimMove(move.after, claim)] for move, claim in after]
        _, conflicts = self._ledger.write(groups)
        outcome.conflicts |= {outcome.owners[after[index][0].after.key] for index in conflicts}


def _marked(move: Move, turn: datetime) -> Move:
    return replace(move, after=replace(move.after, busy_until=turn if move.call else None))


def _writes(bundle: Bundle) -> list[Write]:
    """Fences first: a claim never stands without its owner's fence."""
    return [*bundle.fences, *bundle.address_holders, *(ClaimMove(move.before, move.after) for move in bundle.moves)]


def _by_destination(moves: Sequence[Move], call: Call) -> dict[str, list[Move]]:
    found = defaultdict(list)
    for move in moves:
        if move.call is call:
            found[move.after.key.destination].append(move)
    return found


def _in_words(moves: Sequence[Move]) -> list[str]:
    return [f"{move.after.key.ip}:{move.after.key.port} of {move.after.owner}: {move.reason}" for move in moves]
