"""What the documentation of groups is made of: who uses them, who talks to whom, and what is said of each rule."""

from dataclasses import dataclass
from enum import StrEnum

from berthmaster.security_groups.model.evidence import (
    Consolidation,
    Cover,
    Duplicates,
    Gap,
    LatentGroup,
    RuleEvidence,
    StaleRule,
    Tightening,
    UnusedGroup,
)
from berthmaster.security_groups.model.removals import Removal
from berthmaster.security_groups.model.rules import Group
from berthmaster.security_groups.model.topology import Vpc


class Tier(StrEnum):
    """Where a group stands on the way from clients to data."""

    ENTRY = "entry"
    COMPUTE = "compute"
    DATA = "data"
    UNATTACHED = "no interface"


@dataclass(frozen=True, slots=True, order=True)
class User:
    """What has an interface: an ECS service, a load balancer, a database. name: empty if the interface does not tell.

    cluster: what it is shown with, such as the ECS or EKS cluster, else all of its kind.
    """

    kind: str
    name: str
    cluster: str
    tier: Tier


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentedGroup:
    """A group and who uses it, each with the number of its interfaces, most first."""

    group: Group
    users: tuple[tuple[User, int], ...] = ()
    interfaces: int = 0

    @property
    def tier(self) -> Tier:
        """That of its largest user."""
        return self.users[0][0].tier if self.users else Tier.UNATTACHED

    @property
    def cluster(self) -> str:
        """That of its largest user."""
        return self.users[0][0].cluster if self.users else "No interface"


class PartyKind(StrEnum):
    """What an end of a conversation is known as."""

    GROUP = "group"
    INTERFACE = "interface"
    """One without groups, or one that nobody recorded."""
    PREFIX_LIST = "prefix list"
    NETWORK = "network"
    INTERNET = "internet"


@dataclass(frozen=True, slots=True, order=True)
class Party:
    """An end of conversations.

    ids: of the groups of its interface, of the prefix list, the CIDR, or who has the interface; empty for the internet.
    """

    kind: PartyKind
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """Conversations of one party with another, which they opened, on ports of one protocol.

    is_certain: false if who opened them is not known: `source` and `target` may be the other way round. logged_at_*:
    records of the interfaces of either side. first, last: seconds since the epoch.
    """

    source: Party
    target: Party
    protocol: int
    ports: tuple[int, int]
    is_certain: bool
    logged_at_source: int = 0
    logged_at_target: int = 0
    first: float
    last: float

    @property
    def records(self) -> int:
        """As the side logged them that logged more: both log the same conversations."""
        return max(self.logged_at_source, self.logged_at_target)


@dataclass(frozen=True, slots=True, kw_only=True)
class Documentation:
    """All that is known of the groups of an account and Region in a window. Times are seconds since the epoch.

    notes: what a reader must know of the window, such as that it saw no end of a quarter. removals: the open ones,
    and those that ended in the window.
    """

    written: float
    since: float
    until: float
    account: str = ""
    region: str = ""
    vpcs: tuple[Vpc, ...] = ()
    groups: tuple[DocumentedGroup, ...] = ()
    rules: tuple[RuleEvidence, ...] = ()
    talks: tuple[Talk, ...] = ()
    redundant: tuple[Cover, ...] = ()
    conditional: tuple[Cover, ...] = ()
    duplicates: tuple[Duplicates, ...] = ()
    consolidations: tuple[Consolidation, ...] = ()
    tightenings: tuple[Tightening, ...] = ()
    unused_groups: tuple[UnusedGroup, ...] = ()
    latent_groups: tuple[LatentGroup, ...] = ()
    stale: tuple[StaleRule, ...] = ()
    removals: tuple[Removal, ...] = ()
    gaps: tuple[Gap, ...] = ()
    notes: tuple[str, ...] = ()
