"""What objects of flow logs say, one or many of them together."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from berthmaster.security_groups.model.documentation import Talk
from berthmaster.security_groups.model.evidence import Credits
from berthmaster.security_groups.model.flows import Coverage


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """An object of a flow log that there is to read.

    log: id of the flow log. time: of the five minutes that it holds, in seconds since the epoch. file: its name.
    problem: why nothing is credited of it, as far as that is known.
    """

    log: str
    time: float
    file: str
    problem: str = "it was not read yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedBy:
    """Records of conversations that the same rules allowed, or carry the replies of: each of them alone would have.

    certain, possible: ids of rules that certainly did, and of others that may have. If it is not known who opened a
    conversation, each side has its own. last: when it was seen last, in seconds since the epoch.
    """

    certain: frozenset[str]
    possible: frozenset[str]
    records: int
    last: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What some objects of flow logs say, together.

    sources: the names of these objects: what is said of one must not be added twice. credits: by rule. coverage: by
    flow log. talks: who talked to whom. allowed_by: one for each pair of sets of rules.
    """

    sources: frozenset[str] = frozenset()
    credits: Mapping[str, Credits] = field(default_factory=dict)
    coverage: Mapping[str, Coverage] = field(default_factory=dict)
    talks: tuple[Talk, ...] = ()
    allowed_by: tuple[AllowedBy, ...] = ()
