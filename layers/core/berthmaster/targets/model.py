"""The nouns of targets: who is to be reached, where it is registered, and who has claimed which address. All frozen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network

MANAGED_TAG = "berthmaster:targets"


# What receives traffic


class Kind(StrEnum):
    """What a destination is."""

    TARGET_GROUP = "target group"
    CLOUD_MAP = "Cloud Map service"


@dataclass(frozen=True, slots=True)
class EcsSelector:
    """The tasks of a cluster, by its name, that belong to a service or run a task definition family."""

    cluster: str
    service: str = ""
    family: str = ""


@dataclass(frozen=True, slots=True)
class EksSelector:
    """The pods behind a Kubernetes Service."""

    cluster: str
    namespace: str
    service: str


type Selector = EcsSelector | EksSelector


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What the tags of a target group or a Cloud Map service ask for.

    port: a number, the name of a port, or nothing for the only one there is. detached: whoever was registered by
    Berthmaster is to leave.
    """

    arn: str
    selector: Selector
    container: str = ""
    port: str = ""
    detached: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetGroup:
    """A target group of type ip. cross_zone: None where the load balancer decides."""

    vpc_id: str
    vpc_cidrs: tuple[IPv4Network, ...]
    protocol: str
    port: int
    load_balancers: tuple[str, ...] = ()
    cross_zone: bool | None = None
    deregistration_delay: timedelta = timedelta(seconds=300)

    NETWORK_PROTOCOLS = frozenset({"TCP", "UDP", "TCP_UDP", "TLS", "QUIC", "TCP_QUIC"})
    LEAST_DRAIN = timedelta(seconds=5)
    """Until a deregistration is seen everywhere."""
    NETWORK_DRAIN = timedelta(seconds=120)
    """A Network Load Balancer sends new connections for about two minutes more (users' measurements)."""

    @property
    def is_network(self) -> bool:
        """Whether it belongs behind a Network Load Balancer."""
        return self.protocol in self.NETWORK_PROTOCOLS

    @property
    def drain(self) -> timedelta:
        """How long after a deregistration a target may still get traffic."""
        return max(self.deregistration_delay, self.NETWORK_DRAIN if self.is_network else self.LEAST_DRAIN)

    def contains(self, ip: str) -> bool:
        """Whether an address is inside the target group's VPC."""
        return any(IPv4Address(ip) in cidr for cidr in self.vpc_cidrs)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoveryService:
    """A Cloud Map service. ttl: of its DNS records, in seconds, 0 without DNS."""

    service_id: str
    ttl: int = 0
    has_custom_health: bool = False

    CACHE_MARGIN = timedelta(seconds=10)
    """What resolvers and SDKs keep an answer beyond its TTL."""

    @property
    def drain(self) -> timedelta:
        """How long after a deregistration an instance may still get traffic."""
        return timedelta(seconds=self.ttl) + self.CACHE_MARGIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A managed target group or Cloud Map service.

    native: ECS services, as `cluster/service`, whose tasks ECS itself registers here, with their ports.
    """

    arn: str
    name: str
    declaration: Declaration
    body: TargetGroup | DiscoveryService
    native: frozenset[tuple[str, int]] = frozenset()

    @property
    def kind(self) -> Kind:
        """What it is."""
        return Kind.TARGET_GROUP if isinstance(self.body, TargetGroup) else Kind.CLOUD_MAP

    @property
    def selector(self) -> Selector:
        """Who belongs here."""
        return self.declaration.selector


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something a person should know about a destination; nothing is done about it."""

    destination: str
    code: str
    text: str


def no_room(destination: str) -> Finding:
    """Newcomers wait; those that are registered keep their place."""
    return Finding(
        destination=destination,
        code="no room",
        text="a quota on targets is reached: newcomers wait until others leave, or until the quota is raised",
    )


# Who is to be reached


class Phase(StrEnum):
    """Where a task is between birth and death, as far as traffic is concerned."""

    COMING = "coming"
    RUNNING = "running"
    LEAVING = "leaving"


_LEAVING = frozenset({"DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED", "DELETED"})


@dataclass(frozen=True, slots=True)
class Address:
    """Where a task or pod is. subnet_id and eni_id are empty for a pod."""

    ip: str
    subnet_id: str = ""
    eni_id: str = ""
    zone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """An ECS task as an event or DescribeTasks shows it.

    version: rises with every change. address: None before it has one, and for tasks that share their host's.
    """

    arn: str
    cluster: str
    service: str
    definition: str
    version: int
    last_status: str
    desired_status: str
    seen_at: datetime
    health_status: str = "UNKNOWN"
    stop_code: str = ""
    address: Address | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None

    @property
    def phase(self) -> Phase:
        """LEAVING from the first sign on: a stop that is only wanted, a Spot interruption."""
        if self.desired_status == "STOPPED" or self.stop_code or self.last_status in _LEAVING:
            return Phase.LEAVING
        return Phase.RUNNING if self.last_status == "RUNNING" else Phase.COMING

    @property
    def family(self) -> str:
        """The family of its task definition."""
        return self.definition.rpartition("/")[2].rpartition(":")[0]

    @property
    def id(self) -> str:
        """The last part of its ARN."""
        return self.arn.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Container:
    """A container of a task definition; ports by name, or by their number where they have none."""

    name: str
    ports: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Definition:
    """A revision of a task definition; it never changes."""

    containers: tuple[Container, ...]
    has_health_check: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Whom a destination is to have: an owner (task ARN or pod UID) at an address and port.

    pod: `namespace/name` of a pod. attributes: what ECS would write into Cloud Map.
    """

    owner: str
    address: Address
    port: int
    version: int = 0
    pod: str = ""
    since: datetime | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


# Who has claimed what


class ClaimState(StrEnum):
    """Where a claim stands.

    registering → registered → draining → tombstone
         └→ refused               └→ handover → registering (for the next owner)
    """

    REGISTERING = "registering"
    """The call is about to be made, or a Cloud Map operation runs."""
    REGISTERED = "registered"
    DRAINING = "draining"
    """Deregistered, or about to be; `due_at` is when the drain ends, None until the call was answered."""
    HANDOVER = "handover"
    """As draining, and the owner of the claim is the next one at this address, who waits for the end of it."""
    REFUSED = "refused"
    """AWS would not register it; `due_at` is when it may be tried again."""
    TOMBSTONE = "tombstone"
    """Nothing is registered any more."""


@dataclass(frozen=True, slots=True, order=True)
class ClaimKey:
    """One target: an address and port in one destination."""

    destination: str
    ip: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Berthmaster's title to one target.

    former: whose target drains in a handover. version: of the event it is based on. changed_at, by_event: its last
    transition and what caused it. busy_until: until then the invocation that wrote it may be about to call AWS.
    operation: a Cloud Map operation under way. retry_at: when a deregistration that Cloud Map failed at is tried again.
    missing_since: since when a reconciliation has not found the owner. revision: rises with every write.
    """

    key: ClaimKey
    owner: str
    state: ClaimState
    changed_at: datetime
    eni_id: str = ""
    pod: str = ""
    former: str = ""
    version: int = 0
    by_event: bool = False
    busy_until: datetime | None = None
    due_at: datetime | None = None
    operation: str = ""
    retry_at: datetime | None = None
    missing_since: datetime | None = None
    revision: int = 0

    @property
    def holds_target(self) -> bool:
        """Whether its target is, or may be, registered for its owner."""
        return self.state in {ClaimState.REGISTERING, ClaimState.REGISTERED}

    @property
    def is_to_be_let_go(self) -> bool:
        """Whether its owner has left and AWS has not answered the deregistration."""
        return self.state is ClaimState.DRAINING and self.due_at is None

    @property
    def is_over(self) -> bool:
        """Whether nothing of it is left in AWS that anybody must wait for."""
        return self.state in {ClaimState.TOMBSTONE, ClaimState.REFUSED}

    def is_busy(self, now: datetime, turn: datetime) -> bool:
        """Whether an invocation other than that of this turn may be in the midst of a call about it."""
        return self.busy_until is not None and self.busy_until > now and self.busy_until != turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """What is known of one owner: the newest version seen, and whether it has begun to leave, which is for ever.

    stop: an operator wants the task stopped when its last claim has drained. since: when it was first seen.
    """

    owner: str
    version: int
    since: datetime
    changed_at: datetime
    leaving: bool = False
    stop: bool = False
    claims: frozenset[ClaimKey] = frozenset()
    revision: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressHolder:
    """Who lies at an address of a subnet, as far as claims go."""

    subnet_id: str
    ip: str
    owner: str
    since: datetime
    revision: int = 0

    @property
    def key(self) -> tuple[str, str]:
        """Addresses repeat between VPCs, not within a subnet."""
        return self.subnet_id, self.ip


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationStatus:
    """What a reconciliation found in a destination and an event need not ask again.

    shared: others register targets here too. room: how many more fit; None if no limit is known.
    """

    destination: str
    shared: bool
    room: int | None
    looked_at: datetime
    told: frozenset[str] = frozenset()


# What is to be done


class Call(StrEnum):
    """A change of a destination."""

    REGISTER = "register"
    DEREGISTER = "deregister"


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A transition of one claim, the call it needs, and why."""

    before: Claim | None
    after: Claim
    reason: str
    call: Call | None = None
    endpoint: Endpoint | None = None


@dataclass(frozen=True, slots=True)
class FenceMove:
    """A new version of a fence."""

    before: Fence | None
    after: Fence


@dataclass(frozen=True, slots=True)
class AddressHolderMove:
    """Another owner at an address."""

    before: AddressHolder | None
    after: AddressHolder


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """What is written together for one owner, all or nothing."""

    owner: str
    moves: tuple[Move, ...] = ()
    fences: tuple[FenceMove, ...] = ()
    address_holders: tuple[AddressHolderMove, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be done, and what people should know.

    stops: tasks whose drain is over and that an operator wants stopped. again: owners to be looked at once more, with
    the time.
    """

    bundles: tuple[Bundle, ...] = ()
    findings: tuple[Finding, ...] = ()
    stops: tuple[str, ...] = ()
    again: Mapping[str, datetime] = field(default_factory=dict)

    @property
    def moves(self) -> tuple[Move, ...]:
        """Every transition of a claim."""
        return tuple(move for bundle in self.bundles for move in bundle.moves)


INSTANCE_PREFIX = "berthmaster-"
"""A Cloud Map instance is Berthmaster's if its id begins so; ECS takes the id of the task."""


def instance_id(owner: str) -> str:
    """The id of an owner's Cloud Map instance, at most 64 characters."""
    return f"{INSTANCE_PREFIX}{owner.rpartition('/')[2]}"[:64]


class TargetState(StrEnum):
    """What a destination itself says of a target; anything but these two means registered."""

    ABSENT = "absent"
    DRAINING = "draining"
    PRESENT = "present"


@dataclass(frozen=True, slots=True)
class Target:
    """A target as its destination shows it.

    health, reason, zone: elbv2's words; zone is `all` for an address outside of the VPC. instance: its id in Cloud Map.
    """

    state: TargetState
    health: str = ""
    reason: str = ""
    zone: str = ""
    instance: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the operator allows.

    registers_at_once: whether an arrival is registered without asking. wait_for_health: a task with a container health
    check is registered when healthy. breaker_share, breaker_floor: a reconciliation that would remove more than both
    from a destination asks a person. cool_down: how long it leaves alone what an event has touched.
    """

    registers_at_once: bool = True
    wait_for_health: bool = True
    breaker_share: float = 0.3
    breaker_floor: int = 5
    cool_down: timedelta = timedelta(seconds=120)
