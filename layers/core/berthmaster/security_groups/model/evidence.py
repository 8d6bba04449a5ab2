"""What is known of the use of each rule, and what follows."""

from dataclasses import dataclass
from enum import StrEnum

from berthmaster.security_groups.model.rules import Network


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
