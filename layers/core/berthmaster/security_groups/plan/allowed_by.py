"""Which rules allowed the same conversations, summed up: what is asked whether rules can go together."""

from collections.abc import Iterable

from berthmaster.security_groups.model.sources import AllowedBy

MOST = 20_000
"""Pairs of sets of rules that are kept; of all others it is only known that they needed one of their rules."""

type _Rules = tuple[frozenset[str], frozenset[str]]


type _Found = dict[_Rules, tuple[int, float]]
"""Records, and when they were seen last."""


class AllowedBySum:
    """Records by the rules that allowed them, while they come in."""

    def __init__(self) -> None:
        self._found: _Found = {}

    def add(self, certain: frozenset[str], possible: frozenset[str], records: int, last: float) -> None:
        """Some records were allowed by certain rules or possible ones; those without any say nothing."""
        if certain or possible:
            _add(self._found, (certain, possible), records, last)
            if len(self._found) > 2 * MOST:
                self._found = _bounded(self._found)

    def add_all(self, found: Iterable[AllowedBy]) -> None:
        """Add what another source says."""
        for one in found:
            self.add(one.certain, one.possible, one.records, one.last)

    def sum(self) -> tuple[AllowedBy, ...]:
        """In order of the rules."""
        ordered = sorted(_bounded(self._found).items(), key=lambda one: _order(one[0]))
        return tuple(
            AllowedBy(certain=certain, possible=possible, records=records, last=last)
            for (certain, possible), (records, last) in ordered
        )


def needing_any(rules: Iterable[str], records: int, last: float) -> AllowedBy:
    """Records of which it is not known which of some rules allowed them: none of these can go."""
    return AllowedBy(certain=frozenset(), possible=frozenset(rules), records=records, last=last)


def _add(found: _Found, rules: _Rules, records: int, last: float) -> None:
    known, latest = found.get(rules, (0, last))
    found[rules] = known + records, max(latest, last)


def _bounded(found: _Found) -> _Found:
    """At most MOST pairs. Those of a single rule, which is needed either way, are given up first, then rare ones."""
    if len(found) <= MOST:
        return found
    ordered = sorted(found.items(), key=lambda one: (_is_single(one[0]), -one[1][0], _order(one[0])))
    kept, rest = dict(ordered[: MOST - 1]), ordered[MOST - 1 :]
    rules = frozenset[str]().union(*(certain | possible for (certain, possible), _ in rest))
    for _, (records, last) in rest:
        _add(kept, (frozenset(), rules), records, last)
    return kept


def _is_single(rules: _Rules) -> bool:
    certain, possible = rules
    return len(certain) + len(possible) == 1


def _order(rules: _Rules) -> tuple[list[str], list[str]]:
    certain, possible = rules
    return sorted(certain), sorted(possible)
