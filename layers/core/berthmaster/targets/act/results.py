"""What came of the calls on one destination."""

from dataclasses import dataclass, field

from berthmaster.targets.model import Finding, Move


@dataclass(frozen=True, slots=True)
class Begun:
    """A Cloud Map operation that runs."""

    move: Move
    operation: str


@dataclass(slots=True)
class CallResults:
    """Every move that was called for ends in exactly one of these lists.

    done: AWS did it. begun: AWS is at it. busy: AWS is at something else with that instance; call again. refused: AWS
    will not do it, for the reason in `findings`. failed: no answer, or one that a retry may mend.
    """

    done: list[Move] = field(default_factory=list)
    begun: list[Begun] = field(default_factory=list)
    busy: list[Move] = field(default_factory=list)
    refused: list[Move] = field(default_factory=list)
    failed: list[Move] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)

    def add(self, other: "CallResults") -> None:
        """Take in what came of other calls."""
        self.done += other.done
        self.begun += other.begun
        self.busy += other.busy
        self.refused += other.refused
        self.failed += other.failed
        for finding in other.findings:
            self.find(finding)
        self.errors += other.errors

    def find(self, finding: Finding) -> None:
        """DestinationStatus a finding, once however many moves it is about."""
        if finding not in self.findings:
            self.findings.append(finding)
