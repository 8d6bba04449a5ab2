"""Rules that go together: each may go, and conversations need none of them."""

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from berthmaster.security_groups.model.removals import Candidate

if TYPE_CHECKING:
    from berthmaster.security_groups.plan.situation import Situation


class Batch:
    """The rules that count as gone, and those that join them."""

    def __init__(self, situation: "Situation", gone: Iterable[str]) -> None:
        """gone: ids."""
        self._situation = situation
        self._gone = frozenset(gone)

    def why_not(self, candidates: Collection[Candidate]) -> str:
        """Why these cannot all go with the others, empty if they can."""
        gone = self._gone - {one.rule.id for one in candidates}
        for one in candidates:
            if reason := self._situation.hold(one, gone):
                return reason
            gone |= {one.rule.id}
        needed = {one.rule.id for one in candidates}.intersection(self._situation.needed(gone))
        return f"conversations of the window needed {', '.join(sorted(needed))}" if needed else ""

    def add(self, candidates: Iterable[Candidate]) -> None:
        """They go too."""
        self._gone |= {one.rule.id for one in candidates}
