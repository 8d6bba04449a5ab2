"""Changes of a destination that need an approval, and what follows from the operator's decisions on them.

What is carried out of an approved change is what the current state still calls for, and nothing that was not approved.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from berthmaster.targets.model import Call, Move

LIFETIME = timedelta(days=1)
"""Tasks come and go: an older approval is about tasks that have been replaced."""
STEPS_PER_CHANGE = 400
"""A DynamoDB item may have 400 KB and an event 256 KB: more steps make another change."""


class ChangeState(StrEnum):
    """The states of a change."""

    REPORTED = "reported"
    """In mode observe: nothing is done, whatever an operator decides."""
    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """One registration or deregistration of one owner at one address."""

    call: Call
    ip: str
    port: int
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Steps in one destination, and why they need an approval.

    id: `targets.<name of the destination>.<time>`. spent: steps that were carried out. by: who decided. unpublished:
    whether the event about it is still to be published. version: how often it was written.
    """

    id: str
    destination: str
    state: ChangeState
    steps: tuple[Step, ...]
    reason: str
    created_at: datetime
    by: str = ""
    spent: frozenset[Step] = frozenset()
    unpublished: bool = False
    version: int = 0

    @property
    def destination_name(self) -> str:
        """The name of its destination."""
        return self.id.partition(".")[2].rpartition(".")[0]

    @property
    def sort_key(self) -> str:
        """The time comes first: runs read the changes of the last day, and the ledger keeps those of months."""
        return sort_key(self.id)

    @property
    def unspent(self) -> tuple[Step, ...]:
        """The steps that were not carried out."""
        return tuple(step for step in self.steps if step not in self.spent)

    def is_current(self, now: datetime) -> bool:
        """Whether decisions on it still count."""
        return now - self.created_at < LIFETIME


def sort_key(change_id: str) -> str:
    """The sort key of a change in the ledger, by its id."""
    name, _, stamp = change_id.rpartition(".")
    return f"{stamp}.{name}"


def step_of(move: Move) -> Step:
    """What a move does to its destination."""
    assert move.call is not None  # noqa: S101 - only calls need an approval
    key = move.after.key
    owner = move.after.former if move.call is Call.DEREGISTER and move.after.former else move.after.owner
    return Step(move.call, key.ip, key.port, owner)


def approved(known: Iterable[Change], moves: Iterable[Move]) -> list[Move]:
    """The moves that an operator has approved."""
    steps = {step for change in known if change.state is ChangeState.APPROVED for step in change.unspent}
    return [move for move in moves if step_of(move) in steps]


def undecided(known: Iterable[Change], moves: Iterable[Move]) -> list[Move]:
    """The moves on which no operator has decided."""
    decided = {
        step
        for change in known
        if change.state in {ChangeState.APPROVED, ChangeState.REJECTED}
        for step in change.unspent
    }
    return [move for move in moves if step_of(move) not in decided]


def spent(known: Iterable[Change], moves: Iterable[Move]) -> list[Change]:
    """The changes that approved moves which were made, with these steps spent: an approval is valid once."""
    made = {step_of(move) for move in moves if move.call is not None}
    return [
        replace(change, spent=change.spent | (made & set(change.steps)))
        for change in known
        if change.state is ChangeState.APPROVED and made & set(change.unspent)
    ]


def unannounced(known: Iterable[Change], moves: Iterable[Move], state: ChangeState) -> tuple[Step, ...]:
    """The steps of moves that no earlier report, or no earlier proposal, contains, whatever was decided on it.

    At most as many as one change may have.
    """
    is_report = state is ChangeState.REPORTED
    known_steps = {
        step for change in known if (change.state is ChangeState.REPORTED) == is_report for step in change.unspent
    }
    return tuple(sorted({step_of(move) for move in moves if move.call is not None} - known_steps)[:STEPS_PER_CHANGE])
