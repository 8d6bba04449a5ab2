"""What was seen of the topology, and when."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from berthmaster.security_groups.model.rules import Group, PrefixList, Rule
from berthmaster.security_groups.model.topology import FlowLog, Interface, Vpc

type Subject = Interface | Rule | PrefixList | Group | Vpc | FlowLog
"""EC2's ids differ by their prefixes, so subjects of all kinds go into one mapping by id."""


class Kind(StrEnum):
    """How much an observation says."""

    SURVEY = "survey"
    """All there was."""
    CHANGES = "changes"
    """All that differed from the survey before; everything else was as it had been."""
    SIGHTING = "sighting"
    """Nothing about what it does not name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What was seen between `begun` and `ended`, in seconds since the epoch.

    previous: of surveys and changes, what the survey before is recorded as; "" for the first one. gone: ids of what was
    not there. whole: groups whose rules were all read, so that rules of theirs that are not in `seen` were not there.
    """

    kind: Kind
    begun: float
    ended: float
    previous: str = ""
    seen: Mapping[str, Subject] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()
    whole: frozenset[str] = frozenset()
