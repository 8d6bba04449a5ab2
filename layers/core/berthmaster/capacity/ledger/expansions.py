"""The ledger of expansions: what was proposed, carried out and undone, one DynamoDB item each."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any

from berthmaster import approval
from berthmaster.capacity.model.plan import NewSubnet, Plan
from berthmaster.capacity.model.tags import AUTOMATION, BLOCK_TAG, EXPANSION_TAG, SIBLING_TAG
from berthmaster.capacity.model.updates import ServiceUpdate
from berthmaster.capacity.model.vpc import Association, Subnet
from berthmaster.failures import Failures
from berthmaster.items import Items

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PARTITION = "expansion"
PROPOSAL_LIFETIME = timedelta(days=7)
KEPT_WITHOUT_EFFECT = timedelta(days=90)
"""How long the record of an expansion stays that has nothing in AWS."""
REFUSAL_LIFETIME = timedelta(days=7)
"""How long a block is not tried again that AWS refused for an unknown reason."""
LOOKED_AT_WITHIN = timedelta(minutes=15)
"""Subnets that are being drained are looked at every five minutes."""
NOT_ON_RECORD = "not on record"
"""The state of an expansion that only the tags of its subnets show."""
_PREFIX = f"{AUTOMATION}."
_FOUND = "the ledger had no record of it, and the tags of its subnets show it"
_BLOCK_UNKNOWN = "; no tag shows which block it added, so that retiring it deletes the subnets and leaves the block"


class ExpansionState(StrEnum):
    """The state of an expansion.

    reported | impossible                     (for people to know; nothing will be done)
    proposed → running → wiring → done → retiring ⇄ draining
        │         └────────┴→ failed       └→ retired
        └→ rejected | expired | superseded

    running: block and subnets are added, and the VPC is kept from other plans. wiring: the subnets are proved, and
    workloads are given them, while the VPC may be expanded again.
    """

    REPORTED = "reported"
    IMPOSSIBLE = "impossible"
    PROPOSED = "proposed"
    RUNNING = "running"
    WIRING = "wiring"
    DONE = "done"
    FAILED = "failed"
    REJECTED = "rejected"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    RETIRING = "retiring"
    DRAINING = "draining"
    """Services deploy without its subnets, or tasks are left in them. The VPC is free for other work."""
    RETIRED = "retired"

    @property
    def is_unfinished(self) -> bool:
        """Whether it must be continued."""
        return self.keeps_vpc or self is ExpansionState.WIRING

    @property
    def keeps_vpc(self) -> bool:
        """Whether the VPC is kept from other plans until it ends."""
        return self in {ExpansionState.RUNNING, ExpansionState.RETIRING}

    @property
    def is_being_undone(self) -> bool:
        """Whether a retirement is in progress."""
        return self in {ExpansionState.RETIRING, ExpansionState.DRAINING}

    @property
    def left_nothing(self) -> bool:
        """Whether no subnet in AWS needs the record; one that was retired may still have its block."""
        return self in {
            ExpansionState.REPORTED,
            ExpansionState.IMPOSSIBLE,
            ExpansionState.REJECTED,
            ExpansionState.EXPIRED,
            ExpansionState.SUPERSEDED,
            ExpansionState.RETIRED,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Expansion:
    """One plan, and what became of it.

    changed_at: when it last made progress. begun_at: when its first write was due; None if it never was. by: who asked
    for it. request_id: of the request that it was made for, if it was. requested_subnet, requested_addresses: of that
    request. asked: whether a person asked for it, by a request or an approval. association_id: of the block that it
    made; the block belongs to the expansion as long as that is on record. associations_before: the VPC's associations
    when it was about to associate its block; empty before. subnet_ids: planned CIDR to the id of the subnet created for
    it. tested: subnets in which an interface could be created. proved: whether all were wired and tested. updates: of
    services, one each. wired: workloads that were given the subnets. left_out: what could not be wired;
    left_out_because: why, of rules and schedules. refused: blocks that AWS would not associate. kept_because: why it
    was not retired when that was last requested. in_use, can_drain: as `InUse` said then. drain: whether it is to be
    drained. draining_since: when that began. is_emptying: whether nothing places tasks in it any more. withheld: the
    tags of its subnets that were taken away meanwhile, by subnet. unwired: services that were deployed without its
    subnets, or may have been. deployed_before: what they deployed before that, by service. stopped_because: the pause
    by which it was last reported to have stopped. unpublished: whether the event about its state is still to be
    published. unnotified: whether that is published, and people are still to be notified of it. found: whether the
    ledger had no record of it, and only tags show it.
    """

    id: str
    vpc_id: str
    state: ExpansionState
    plan: Plan
    created_at: datetime
    changed_at: datetime
    begun_at: datetime | None = None
    by: str = ""
    request_id: str = ""
    requested_subnet: str = ""
    requested_addresses: int = 0
    asked: bool = False
    note: str = ""
    association_id: str = ""
    associations_before: tuple[str, ...] = ()
    subnet_ids: Mapping[str, str] = field(default_factory=dict)
    tested: tuple[str, ...] = ()
    proved: bool = False
    updates: tuple[ServiceUpdate, ...] = ()
    wired: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    left_out_because: Mapping[str, str] = field(default_factory=dict)
    refused: tuple[IPv4Network, ...] = ()
    kept_because: str = ""
    in_use: tuple[str, ...] = ()
    can_drain: bool = False
    drain: bool = False
    draining_since: datetime | None = None
    is_emptying: bool = False
    withheld: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    unwired: tuple[str, ...] = ()
    deployed_before: Mapping[str, str] = field(default_factory=dict)
    stopped_because: str = ""
    unpublished: bool = False
    unnotified: bool = False
    found: bool = False
    version: int = 0

    @property
    def is_pending(self) -> bool:
        """Whether it must be continued, or is still to be reported."""
        return self.state.is_unfinished or self.is_unreported

    def is_overdue(self, now: datetime) -> bool:
        """Whether its subnets should have been looked at again, to see whether they are empty."""
        return self.state is ExpansionState.DRAINING and now - self.changed_at > LOOKED_AT_WITHIN

    @property
    def is_unreported(self) -> bool:
        """Whether the bus or people still do not know its state."""
        return self.unpublished or self.unnotified

    @property
    def left_nothing(self) -> bool:
        """Whether there is nothing in AWS for which the record is needed."""
        return self.state.left_nothing and not self.association_id

    @property
    def sort_key(self) -> str:
        """Of its item."""
        return self.id

    @property
    def lease(self) -> str:
        """What the lease is of that work on it needs; a retirement needs that of the VPC's workloads too."""
        return workloads_of(self.vpc_id) if self.state is ExpansionState.WIRING else self.vpc_id

    @property
    def proposal(self) -> str:
        """Its id in proposals and in decisions about them."""
        return f"{_PREFIX}{self.id}"

    @property
    def fingerprint(self) -> str:
        """What an approval is bound to."""
        return fingerprint(self.plan)

    def moved(self, state: ExpansionState, now: datetime, **changes: Any) -> "Expansion":
        """The same expansion in another state, about which nothing is to be reported yet."""
        begun_at = self.begun_at or (now if state is ExpansionState.RUNNING else None)
        reported: dict[str, Any] = {"unpublished": False, "unnotified": False, "found": False}
        return replace(self, state=state, changed_at=now, begun_at=begun_at, **reported, **changes)


def fingerprint(plan: Plan) -> str:
    """A short hash of what a plan would change, or of what prevents it; reasons, figures and order do not count."""
    prevented_by = [obstacle.candidate for obstacle in plan.obstacles]
    services = sorted(plan.services, key=lambda one: (one.cluster, one.service))
    callers = sorted(plan.callers, key=lambda one: (one.kind, one.group, one.name, one.target_id))
    return approval.fingerprint((plan.vpc_id, plan.block, plan.subnets, services, callers, prevented_by))


def refused_of(expansions: Iterable[Expansion], now: datetime) -> list[IPv4Network]:
    """Blocks that AWS refused recently."""
    return [cidr for one in expansions if now - one.created_at < REFUSAL_LIFETIME for cidr in one.refused]


def workloads_of(vpc_id: str) -> str:
    """What the lease is of under which workloads of a VPC are changed."""
    return f"{vpc_id} workloads"


def updates_of(expansions: Iterable[Expansion]) -> list[ServiceUpdate]:
    """The accounts of all updates of services, oldest expansion first."""
    return [update for one in sorted(expansions, key=lambda one: one.id) for update in one.updates]


def new_id(vpc_id: str, now: datetime) -> str:
    """An id that sorts by VPC and time: `vpc-….20261122T113000Z`."""
    return f"{vpc_id}.{approval.stamp(now)}"


def expansion_of(proposal: str) -> str:
    """The id of the expansion that a proposal is about."""
    return proposal.removeprefix(_PREFIX)


def vpc_of(expansion_id: str) -> str:
    """The VPC in the id of an expansion."""
    return expansion_id.partition(".")[0]


def by_expansion(vpc_id: str, subnets: Iterable[Subnet]) -> Mapping[str, list[Subnet]]:
    """The subnets that Berthmaster added to a VPC, by the id of their expansion."""
    found: dict[str, list[Subnet]] = {}
    for subnet in subnets:
        expansion_id = subnet.tags.get(EXPANSION_TAG, "")
        if vpc_of(expansion_id) == vpc_id and _began(expansion_id):
            found.setdefault(expansion_id, []).append(subnet)
    return found


def found_by_tags(
    expansion_id: str, subnets: Iterable[Subnet], associations: Iterable[Association], owned: Collection[str]
) -> Expansion:
    """A record of an expansion that only its subnets show: done, or failed if not all of them are ready for use.

    It counts as begun when its id says, for the limit of a day. A block that its subnets are in, and by their tags
    Berthmaster has made, becomes its own.
    associations: of the VPC. owned: those of them that are on the record of another expansion.
    """
    own = sorted(subnets, key=lambda one: one.cidr)
    tagged = {(one.tags.get(BLOCK_TAG, ""), one.cidr) for one in own}
    blocks = [
        one.id
        for one in associations
        if one.id not in owned and any(one.id == tag and cidr.subnet_of(one.cidr) for tag, cidr in tagged)
    ]
    note = _FOUND if any(tag for tag, _ in tagged) else f"{_FOUND}{_BLOCK_UNKNOWN}"
    is_done = all(SIBLING_TAG in one.tags for one in own)
    began = _began(expansion_id)
    if began is None:
        raise ValueError(f"{expansion_id!r} is not the id of an expansion")
    return Expansion(
        id=expansion_id,
        vpc_id=vpc_of(expansion_id),
        state=ExpansionState.DONE if is_done else ExpansionState.FAILED,
        plan=Plan(
            vpc_id=vpc_of(expansion_id),
            needs=(),
            subnets=tuple(
                NewSubnet(
                    cidr=one.cidr,
                    zone=one.zone,
                    sibling_id=one.origin,
                    route_table_id="",
                    network_acl_id="",
                    attributes=one.attributes,
                    tags={},
                    admission_tags={},
                    reason="its tags show it",
                )
                for one in own
            ),
        ),
        created_at=began,
        changed_at=began,
        begun_at=began,
        note=note if is_done else f"{note}. It was not completed: its subnets are not used",
        association_id=next(iter(blocks), ""),
        subnet_ids={str(one.cidr): one.id for one in own},
        proved=is_done,
        found=True,
    )


def _began(expansion_id: str) -> datetime | None:
    """The time in the id of an expansion; None if it is none."""
    try:
        return datetime.strptime(expansion_id.partition(".")[2], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


class Expansions:
    """The expansions of one account and Region."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._items = Items(dynamodb, table, PARTITION, Expansion)

    def of_vpc(self, vpc_id: str) -> list[Expansion]:
        """All expansions of one VPC, newest first; Unreadable if that is not known of one of them."""
        return self._items.query(prefix=f"{vpc_id}.", newest_first=True)

    def of_all(self, failures: Failures) -> list[Expansion]:
        """All expansions of all VPCs; those that cannot be read are added to the failures."""
        return self._items.query(newest_first=True, failures=failures)

    def get(self, expansion_id: str) -> Expansion | None:
        """One expansion, read consistently; None if there is none."""
        return self._items.get(expansion_id)

    def save(self, expansion: Expansion) -> Expansion:
        """Write it; Conflict if another invocation has written it since it was read."""
        expires = expansion.changed_at + KEPT_WITHOUT_EFFECT if expansion.left_nothing else None
        return self._items.save(expansion, expires=expires)
