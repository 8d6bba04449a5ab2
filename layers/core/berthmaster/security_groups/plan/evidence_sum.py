"""Evidence of many objects, summed up: the same whatever order they come in."""

from collections.abc import Iterable, Iterator
from ipaddress import ip_network
from typing import TYPE_CHECKING

from berthmaster.security_groups.model.evidence import Credits, Seen
from berthmaster.security_groups.model.rules import Network
from berthmaster.security_groups.model.sources import Evidence
from berthmaster.security_groups.plan import coverage, talks
from berthmaster.security_groups.plan.allowed_by import AllowedBySum
from berthmaster.security_groups.plan.credits import MOST_PEERS, joined, united

if TYPE_CHECKING:
    from berthmaster.security_groups.model.documentation import Talk
    from berthmaster.security_groups.model.flows import Coverage

COARSER = ({4: 28, 6: 64}, {4: 24, 6: 56}, {4: 20, 6: 48}, {4: 16, 6: 40}, {4: 12, 6: 32}, {4: 8, 6: 16})
"""Prefix lengths to which peers of a rule are widened, one after the other, while there are too many."""
MOST_TALKS = 100_000
"""That are kept until those that are alike are summed up."""
KINDS = ("conversations", "possible", "knocks")


class EvidenceSum:
    """Evidence of objects, while it comes in."""

    def __init__(self) -> None:
        self._sources: set[str] = set()
        self._seen: dict[tuple[str, str], _Sum] = {}
        self._exclusive: dict[str, int] = {}
        self._coverage: dict[str, Coverage] = {}
        self._talks: list[Talk] = []
        self._different = 0
        self._allowed_by = AllowedBySum()

    @property
    def sources(self) -> frozenset[str]:
        """The objects that are in it."""
        return frozenset(self._sources)

    def add(self, evidence: Evidence) -> None:
        """Add the evidence of objects that are not in it; ValueError if one of them is."""
        if twice := evidence.sources & self._sources:
            raise ValueError(f"is in the sum: {', '.join(sorted(twice))}")
        self._sources |= evidence.sources
        for rule, one in evidence.credits.items():
            self._exclusive[rule] = self._exclusive.get(rule, 0) + one.exclusive
            for kind in KINDS:
                if seen := getattr(one, kind):
                    self._seen.setdefault((rule, kind), _Sum()).add(seen)
        for log, found in evidence.coverage.items():
            self._coverage[log] = coverage.merged(self._coverage[log], found) if log in self._coverage else found
        self._allowed_by.add_all(evidence.allowed_by)
        self._talks += evidence.talks
        if len(self._talks) > 2 * self._different + MOST_TALKS:
            self._talks = talks.merged(self._talks)
            self._different = len(self._talks)

    def evidence(self) -> Evidence:
        """All of it."""
        found: dict[str, dict[str, Seen]] = {rule: {} for rule in self._exclusive}
        for (rule, kind), sums in self._seen.items():
            found[rule][kind] = sums.seen()
        return Evidence(
            sources=self.sources,
            credits={rule: Credits(**seen, exclusive=self._exclusive[rule]) for rule, seen in found.items()},
            coverage=dict(self._coverage),
            talks=tuple(talks.merged(self._talks)),
            allowed_by=self._allowed_by.sum(),
        )


class _Sum:
    def __init__(self) -> None:
        self.records = 0
        self.first, self.last = float("inf"), float("-inf")
        self.peers: set[Network] = set()
        self.ports: set[tuple[int, int]] = set()

    def add(self, seen: Seen) -> None:
        self.records += seen.records
        self.first = min(self.first, seen.first)
        self.last = max(self.last, seen.last)
        self.ports |= seen.ports
        self.peers |= seen.peers
        if len(self.peers) > 2 * MOST_PEERS:
            self.peers = set(_bounded(self.peers))

    def seen(self) -> Seen:
        return Seen(
            records=self.records,
            first=self.first,
            last=self.last,
            peers=_bounded(self.peers),
            ports=joined(self.ports),
        )


def _bounded(peers: Iterable[Network]) -> frozenset[Network]:
    """At most MOST_PEERS blocks that hold all peers, as small as that allows."""
    found = united(peers)
    for lengths in COARSER:
        if len(found) <= MOST_PEERS:
            break
        found = united(_widened(found, lengths))
    return found


def _widened(peers: Iterable[Network], lengths: dict[int, int]) -> Iterator[Network]:
    for peer in peers:
        length = lengths[peer.version]
        yield ip_network((peer.network_address, length), strict=False) if peer.prefixlen > length else peer
