"""The results of the calls on one destination."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from berthmaster.targets.model import ClaimKey, Finding, Move


@dataclass(frozen=True, slots=True)
class Begun:
    """A Cloud Map operation that runs."""

    move: Move
    operation: str


@dataclass(slots=True)
class CallResults:
    """Every move that was called for is in exactly one of these lists.

    done: AWS has done it. begun: AWS has begun it. busy: AWS is doing something else with that instance; call again.
    refused: AWS will not do it, for the reason in `findings`. failed: no answer, or an error that a retry may avoid.
    answered_at: when AWS had done it, by target.
    """

    done: list[Move] = field(default_factory=list)
    begun: list[Begun] = field(default_factory=list)
    busy: list[Move] = field(default_factory=list)
    refused: list[Move] = field(default_factory=list)
    failed: list[Move] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    answered_at: dict[ClaimKey, datetime] = field(default_factory=dict)

    def add(self, other: "CallResults") -> None:
        """Add the results of other calls."""
        self.done += other.done
        self.begun += other.begun
        self.busy += other.busy
        self.refused += other.refused
        self.failed += other.failed
        for finding in other.findings:
            self._find(finding)
        self.errors += other.errors
        self.answered_at |= other.answered_at

    def fail(self, moves: Sequence[Move], error: Exception) -> None:
        """Add moves that a retry may carry out."""
        self.failed += moves
        self.errors.append(error)

    def refuse(self, moves: Sequence[Move], finding: Finding) -> None:
        """Add moves that AWS refuses."""
        self.refused += moves
        self._find(finding)

    def _find(self, finding: Finding) -> None:
        """Each finding is listed once, however many moves it is about."""
        if finding not in self.findings:
            self.findings.append(finding)
