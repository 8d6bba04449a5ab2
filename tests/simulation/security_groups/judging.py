"""What is said of rules, held against what really went through them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from berthmaster.security_groups.model.evidence import Verdict
from berthmaster.security_groups.model.topology import Topology
from tests.simulation.security_groups.company import IDLE
from tests.simulation.security_groups.truth import Truth, Use

type Times = tuple[float, float]


@dataclass(frozen=True)
class Judge:
    """Judges verdicts about a window. holes: when the log delivered nothing, for so long that it is a hole."""

    truth: Truth
    window: Times
    holes: Sequence[Times] = ()

    def wrong(self, verdicts: Mapping[str, Verdict]) -> Iterator[str]:
        """What is wrong with what is said of rules, in sentences."""
        for rule, verdict in verdicts.items():
            if problem := self._problem(rule, verdict):
                yield f"{self.truth.company.rules.get(rule, rule)} is called {verdict}, and {problem}"

    def idle(self, topology: Topology) -> Iterator[str]:
        """The rules that were there from beginning to end, and let nothing through."""
        since, until = self.window
        for rule, wanted in self.truth.company.rules.items():
            [span, *changed] = topology.rules[rule]
            was_there = span.since <= since and span.until >= until and not changed
            if was_there and wanted in IDLE and rule not in self.truth.carried and rule not in self.truth.knocked:
                yield rule

    def _problem(self, rule: str, verdict: Verdict) -> str:
        uses = self._in_window(self.truth.carried.get(rule, ()))
        knocks = self._in_window(self.truth.knocked.get(rule, ()))
        visible = [use for use in uses if use.is_visible]
        if verdict is Verdict.UNUSED:
            # What a log loses in a single file, or says to have lost, may have been the only use.
            if found := visible or [use for use in uses if self._is_in_a_hole(use)]:
                return f"carried {found[0]}"
            if any(use.is_visible for use in knocks):
                return "was knocked at"
        elif verdict is Verdict.SCANNED_ONLY:
            if visible:
                return f"carried {visible[0]}"
            if not self.truth.knocked.get(rule):
                return "nobody knocked"
        elif verdict is Verdict.USED and not self.truth.carried.get(rule) and rule not in self.truth.allowed:
            return "carried nothing"
        return ""

    def _in_window(self, uses: Sequence[Use]) -> list[Use]:
        since, until = self.window
        return [use for use in uses if use.connection.opened < until and use.connection.ends > since]

    def _is_in_a_hole(self, use: Use) -> bool:
        return any(since <= use.connection.opened < until for since, until in self.holes)
