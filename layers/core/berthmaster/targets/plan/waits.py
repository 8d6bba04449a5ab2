"""What waits in a destination, and what people are notified of when it waits for long.

Each run lists what waits; the status of the destination remembers since when. So it does not matter whether a run may
touch what waits, and everything that waits is said after the same time, whatever it waits for. What AWS refuses, and a
drain that a new owner waits for, are findings at once.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from berthmaster.targets.model import Claim, ClaimState, Finding, Move, listed
from berthmaster.targets.plan.reconciliation import OwnerStatus, ReconcileInput, Survey

SAID_AFTER = timedelta(minutes=8)
"""Two runs before ten minutes are over."""


class WaitsFor(StrEnum):
    """What something waits for; the values are the codes of findings."""

    ANSWER = "waits for an answer"
    OPERATION = "waits for an operation"
    DRAIN_END = "drains for long"
    OWNER = "waits for a description"
    READINESS = "waits for readiness"
    APPROVAL = "waits for an approval"
    READING = "waits to be read"


_TEXTS = {
    WaitsFor.ANSWER: "AWS has not answered that it registered them; it is tried again every minute",
    WaitsFor.OPERATION: "Cloud Map has not ended its operation on them",
    WaitsFor.DRAIN_END: "AWS shows them as draining, for longer than the deregistration delay",
    WaitsFor.OWNER: "their tasks or pods are not found, and nothing says that these have stopped: they stay registered",
    WaitsFor.READINESS: "they run and are not registered, since they are not ready: look at their health checks",
    WaitsFor.APPROVAL: "nobody has approved or rejected what was proposed; after a day it is proposed again",
    WaitsFor.READING: "AWS's answers do not allow to reconcile it; the log of targets_reconcile has the errors",
}


@dataclass(frozen=True, slots=True, order=True)
class Wait:
    """Something that waits. subject: a target, a task, a pod, or the destination itself."""

    what: WaitsFor
    subject: str

    def __str__(self) -> str:
        return f"{self.what}: {self.subject}"


def waits(survey: Survey, evidence: ReconcileInput) -> set[Wait]:
    """What waits in a destination; in mode observe nothing waits to be registered."""
    found = set()
    for key, claim in survey.claims.items():
        what = _waits_for(claim, evidence)
        if what and (evidence.policy.registers or what is not WaitsFor.ANSWER):
            found.add(Wait(what, str(key)))
    if evidence.policy.registers:
        found |= {Wait(WaitsFor.READINESS, owner) for owner in survey.not_ready}
    return found


def unanswered(moves: Iterable[Move]) -> set[Wait]:
    """What waits for an operator."""
    return {Wait(WaitsFor.APPROVAL, f"{move.call} {move.after.key}") for move in moves}


def _waits_for(claim: Claim, evidence: ReconcileInput) -> WaitsFor | None:
    if claim.operation:
        return WaitsFor.OPERATION
    if evidence.owners.get(claim.owner) is OwnerStatus.UNKNOWN:
        return WaitsFor.OWNER
    match claim.state:
        case ClaimState.REGISTERING:
            return WaitsFor.ANSWER
        case ClaimState.DRAINING if claim.due_at is not None and claim.due_at <= evidence.now:
            return WaitsFor.DRAIN_END
    return None


def overdue(destination: str, waiting: Iterable[Wait], since: Mapping[str, datetime], now: datetime) -> list[Finding]:
    """What to tell people of that which has waited for long, one finding for each thing that is waited for.

    since: when each began to wait, by its text. Who waits may change without another finding.
    """
    late: dict[WaitsFor, list[str]] = defaultdict(list)
    for wait in sorted(waiting):
        if now - since.get(str(wait), now) >= SAID_AFTER:
            late[wait.what].append(wait.subject)
    return [
        Finding(destination=destination, code=what, text=f"{listed(subjects)}: {_TEXTS[what]}", topic=what)
        for what, subjects in late.items()
    ]
