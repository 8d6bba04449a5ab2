"""What is known of the use of each rule, and what follows."""

from dataclasses import dataclass, field
from enum import StrEnum

from berthmaster.security_groups.model.rules import Network, Peer, Rule


class Verdict(StrEnum):
    """What can be said of a rule."""

    USED = "used"
    POSSIBLY_USED = "possibly used"
    SCANNED_ONLY = "scanned only"
    UNUSED = "unused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen at one quality of use.

    records: how many. first, last: seconds since the epoch. ports: of TCP and UDP, first and last.
    """

    records: int
    first: float
    last: float
    peers: frozenset[Network]
    ports: frozenset[tuple[int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Credits:
    """What was credited to a rule. exclusive: records that this rule alone allowed, of whatever quality."""

    conversations: Seen | None = None
    possible: Seen | None = None
    knocks: Seen | None = None
    exclusive: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleEvidence:
    """What is said of a rule, why, and what was credited to it in the window."""

    rule: Rule
    verdict: Verdict
    why: str
    credits: Credits = field(default_factory=Credits)

    @property
    def seen(self) -> tuple[Seen, ...]:
        """What first, last, peers and ports are about: use, or knocks if there was no use."""
        use = tuple(seen for seen in (self.credits.conversations, self.credits.possible) if seen)
        return use or tuple(seen for seen in (self.credits.knocks,) if seen)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """What the logs cannot tell, why that matters, and of which groups."""

    what: str
    why: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """A rule that others make redundant."""

    rule: str
    covered_by: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Consolidation:
    """Rules of one group and direction that one rule can replace: it allows exactly what they allow together."""

    rules: tuple[str, ...]
    peer: Peer
    ports: tuple[int, int]
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicates:
    """Rules of several groups that are the same. interfaces: how many have at least two of them."""

    rules: tuple[str, ...]
    groups: tuple[str, ...]
    interfaces: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tightening:
    """A rule that allows more than what was seen, and what would be enough: these peers with these ports."""

    rule: str
    peers: tuple[Peer, ...]
    ports: tuple[tuple[int, int], ...]
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusedGroup:
    """A group that no interface carries. why: what was looked at, and found not to refer to it.

    is_certain: false if something that may refer to it could not be read.
    """

    group: str
    why: str
    is_certain: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentGroup:
    """A group that no interface carries, although something names it that would not start without it."""

    group: str
    named_by: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleRule:
    """A rule that names something that is gone: a group, a peering or a prefix list."""

    rule: str
    names: str
    why: str
