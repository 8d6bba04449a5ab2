"""The types of targets: destinations, tasks, claims on addresses, and plans. All frozen."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network

from berthmaster.arn import Arn

AUTOMATION = "targets"
MANAGED_TAG = "berthmaster:targets"


# Destinations: what receives traffic


class Kind(StrEnum):
    """The kind of a destination."""

    TARGET_GROUP = "target group"
    CLOUD_MAP = "Cloud Map service"


def kind_of(destination: str) -> Kind:
    """The kind of a destination, by its ARN."""
    return Kind.TARGET_GROUP if Arn.parse(destination).service == "elasticloadbalancing" else Kind.CLOUD_MAP


@dataclass(frozen=True, slots=True)
class EcsSelector:
    """The tasks of a cluster, by its name, that belong to one of some services or run one of some families.

    services, families: by name; one of the two is empty.
    """

    cluster: str
    services: tuple[str, ...] = ()
    families: tuple[str, ...] = ()

    @property
    def single(self) -> "tuple[EcsSelector, ...]":
        """A selector for each service and family, as ListTasks takes them."""
        return tuple(
            [EcsSelector(self.cluster, services=(name,)) for name in self.services]
            + [EcsSelector(self.cluster, families=(name,)) for name in self.families]
        )

    def includes(self, cluster: str, service: str, family: str) -> bool:
        """Whether it selects the tasks of a cluster, a service and a family; service: empty without one."""
        return cluster == self.cluster and (service in self.services or family in self.families)


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

    port: a number, the name of a port, or empty if there is only one. detached: everything that Berthmaster registered
    is to be deregistered. adopts: targets that others registered are taken over, or removed if their tasks are gone.
    """

    arn: str
    selector: Selector
    container: str = ""
    port: str = ""
    detached: bool = False
    adopts: bool = False

    @property
    def kind(self) -> Kind:
        """The kind of the destination."""
        return kind_of(self.arn)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupAttributes:
    """What DescribeTargetGroupAttributes says. cross_zone: None if the load balancer's own setting applies."""

    cross_zone: bool | None
    deregistration_delay: timedelta
    read_at: datetime


ALL_ZONES = "all"
"""The Availability Zone of a target outside the VPC of its group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetGroup:
    """A target group of type ip.

    subnet_cidrs: of the subnets of its VPC. cross_zone: None if the load balancer's own setting applies.
    has_attributes: whether its attributes were read, which takes a call for each group; until then `cross_zone` and
    `deregistration_delay` are AWS's defaults.
    """

    vpc_id: str
    subnet_cidrs: tuple[IPv4Network, ...]
    protocol: str
    port: int
    load_balancers: tuple[str, ...] = ()
    cross_zone: bool | None = None
    deregistration_delay: timedelta = timedelta(seconds=300)
    has_attributes: bool = True

    NETWORK_PROTOCOLS = frozenset({"TCP", "UDP", "TCP_UDP", "TLS", "QUIC", "TCP_QUIC"})
    SHORTEST_DRAIN = timedelta(seconds=5)
    """The time until all load balancer nodes know of a deregistration."""
    NETWORK_DRAIN = timedelta(seconds=120)
    """A Network Load Balancer opens new connections for about two minutes more (measured by users)."""

    @property
    def is_network(self) -> bool:
        """Whether it can only be used by a Network Load Balancer."""
        return self.protocol in self.NETWORK_PROTOCOLS

    @property
    def routing(self) -> timedelta:
        """How long after a deregistration a target may still receive new requests."""
        return self.NETWORK_DRAIN if self.is_network else self.SHORTEST_DRAIN

    @property
    def drain(self) -> timedelta:
        """How long after a deregistration a target may still receive traffic."""
        return max(self.deregistration_delay, self.routing)

    def contains(self, ip: str) -> bool:
        """Whether an address is in the target group's VPC; a block of the VPC that has no subnet does not count."""
        return any(IPv4Address(ip) in cidr for cidr in self.subnet_cidrs)

    def zone_for(self, address: "Address") -> str:
        """The Availability Zone that RegisterTargets requires outside the VPC, and only there; empty inside.

        An Application Load Balancer without cross-zone load balancing needs the real zone; AWS refuses "all" there.
        """
        if self.contains(address.ip):
            return ""
        is_zonal = not self.is_network and self.cross_zone is False
        return (address.zone if is_zonal else "") or ALL_ZONES

    def having(self, attributes: GroupAttributes) -> "TargetGroup":
        """The same group with its attributes."""
        return replace(
            self,
            cross_zone=attributes.cross_zone,
            deregistration_delay=attributes.deregistration_delay,
            has_attributes=True,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoveryService:
    """A Cloud Map service. ttl: of its DNS records in seconds, 0 without DNS."""

    service_id: str
    ttl: int = 0
    has_custom_health: bool = False

    CACHE_MARGIN = timedelta(seconds=10)
    """Resolvers and SDKs use an answer for this much longer than its TTL."""

    @property
    def routing(self) -> timedelta:
        """How long after a deregistration an instance may still receive new requests."""
        return self.drain

    @property
    def drain(self) -> timedelta:
        """How long after a deregistration an instance may still receive traffic."""
        return timedelta(seconds=self.ttl) + self.CACHE_MARGIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A managed target group or Cloud Map service.

    registered_by_ecs: the ECS services, as `cluster/service`, whose tasks ECS itself registers here, with the ports.
    """

    arn: str
    name: str
    declaration: Declaration
    body: TargetGroup | DiscoveryService
    registered_by_ecs: frozenset[tuple[str, int]] = frozenset()

    @property
    def kind(self) -> Kind:
        """Its kind."""
        return Kind.TARGET_GROUP if isinstance(self.body, TargetGroup) else Kind.CLOUD_MAP

    @property
    def selector(self) -> Selector:
        """Which tasks or pods are registered here."""
        return self.declaration.selector


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something about a destination that a person should know and that Berthmaster cannot change.

    topic: what it is recognised by while it lasts, if its text changes meanwhile.
    """

    destination: str
    code: str
    text: str
    topic: str = ""


LISTED = 5
"""Targets, tasks or pods that a text names."""


def listed(names: Iterable[str]) -> str:
    """Some names in words; of many, the first."""
    all_ = sorted(names)
    rest = len(all_) - LISTED
    return ", ".join(all_[:LISTED]) + (f" and {rest} more" if rest > 0 else "")


def quota_reached(destination: str) -> Finding:
    """New tasks wait; those that are registered stay registered."""
    return Finding(
        destination=destination,
        code="quota reached",
        text="a quota on targets is reached: new tasks wait until others leave or the quota is raised",
    )


def not_registering(destination: str) -> Finding:
    """Targets that are registered leave one by one, since the mode has become observe."""
    return Finding(
        destination=destination,
        code="not registering",
        text=(
            "TargetsMode is observe, and Berthmaster has registered targets here: each is deregistered when its task "
            "or pod stops, and nothing is registered in its place, so that nothing is left when all of them have been "
            "replaced. Set TargetsMode to approve or enforce, or register the tasks in another way."
        ),
    )


def abandoned(destination: str, targets: "Iterable[ClaimKey]") -> Finding:
    """Targets that get traffic which nobody answers, and that Berthmaster may not remove."""
    return Finding(
        destination=destination,
        code="abandoned",
        text=(
            f"no network interface has the addresses of {listed(map(str, targets))}, which are registered and which "
            "Berthmaster does not know. Deregister them, or tag the destination berthmaster:adopt=true: then "
            "Berthmaster removes such targets, and takes over those of the tasks and pods that the other tags select."
        ),
        topic="abandoned",
    )


def of_others(destination: str, targets: "Iterable[ClaimKey]") -> Finding:
    """Targets that an adoption leaves alone."""
    return Finding(
        destination=destination,
        code="not adopted",
        text=(
            f"{listed(map(str, targets))} are not those of a task or pod that the tags select, and network interfaces "
            "that are not known to belong to a task have their addresses: they stay until others deregister them."
        ),
        topic="not adopted",
    )


def given_up(target: "ClaimKey", owner: str) -> Finding:
    """While nobody looked, others may have registered the target: it is not Berthmaster's any more."""
    return Finding(
        destination=target.destination,
        code="given up",
        text=(
            f"{target} was registered for {owner}. While the destination was not managed, another "
            "network interface got that address, so that the target may be that of others: it stays registered."
        ),
    )


def deleted(destination: str) -> Finding:
    """The destination does not exist any more."""
    return Finding(destination=destination, code="deleted", text="it does not exist any more")


# Tasks and pods


class Phase(StrEnum):
    """What the state of a task means for its traffic."""

    STARTING = "starting"
    RUNNING = "running"
    LEAVING = "leaving"


_LEAVING = frozenset({"DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED", "DELETED"})


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a task or pod. subnet_id and eni_id are empty for a pod."""

    ip: str
    subnet_id: str = ""
    eni_id: str = ""
    zone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """An ECS task as an event or DescribeTasks shows it.

    version: rises with every change. started_by: for a task of a service, the id of its deployment or task set.
    address: None before it has one, and for tasks that use their host's address.
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
    started_by: str = ""
    address: Address | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None

    @property
    def phase(self) -> Phase:
        """LEAVING from the first sign: a desired status of STOPPED, a Spot interruption."""
        if self.desired_status == "STOPPED" or self.stop_code or self.last_status in _LEAVING:
            return Phase.LEAVING
        return Phase.RUNNING if self.last_status == "RUNNING" else Phase.STARTING

    @property
    def family(self) -> str:
        """The family of its task definition."""
        return family_of(self.definition)


def family_of(definition: str) -> str:
    """The family of a task definition, by its ARN."""
    return Arn.parse(definition).name.rpartition(":")[0]


def cluster_of(task: str) -> str:
    """The name of the cluster of a task, by its ARN."""
    return Arn.parse(task).path[1]


@dataclass(frozen=True, slots=True)
class Container:
    """A container of a task definition.

    ports: by name, or by their number if they have none. stop_timeout: from SIGTERM to SIGKILL; ECS's default unless
    the definition gives one.
    """

    name: str
    ports: Mapping[str, int] = field(default_factory=dict)
    stop_timeout: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Definition:
    """A revision of a task definition; it never changes."""

    containers: tuple[Container, ...]
    has_health_check: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """What a destination is to contain: an owner (task ARN or pod UID) at an address and port.

    pod: `namespace/name` of a pod. attributes: what ECS would write into Cloud Map.
    """

    owner: str
    address: Address
    port: int
    version: int = 0
    pod: str = ""
    since: datetime | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


# Claims: which owner has which address


class ClaimState(StrEnum):
    """The states of a claim.

    registering → registered → draining → tombstone
         └→ refused               └→ handover ⇄ registering (for the next owner)
    """

    REGISTERING = "registering"
    """The call is about to be made, or a Cloud Map operation runs."""
    REGISTERED = "registered"
    DRAINING = "draining"
    """Deregistered, or about to be; `due_at` is when the drain ends, None until AWS shows that it has begun."""
    HANDOVER = "handover"
    """As draining, but the claim already belongs to the next owner of the address, who waits until it may register."""
    REFUSED = "refused"
    """AWS refused to register it; `due_at` is when it may be tried again."""
    TOMBSTONE = "tombstone"
    """Nothing is registered any more."""


@dataclass(frozen=True, slots=True, order=True)
class ClaimKey:
    """One target: an address and port in one destination."""

    destination: str
    ip: str
    port: int

    def __str__(self) -> str:
        return f"{self.ip}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Berthmaster's record that it registered, or is about to register, one target for one owner.

    zone: with which its target was registered, as `TargetGroup.zone_for` returns it. former: the owner whose target
    drains during a handover, or drained when the claim's owner was registered. version: of the event it is based on.
    changed_at, by_event: its last transition, and whether an event caused it. busy_until, busy_by: until then the
    invocation with that id, which wrote the claim, may call AWS about it. deregistered_at: when AWS was last seen to
    have deregistered its target. early_at: when its owner was registered while the target of the former one drained;
    then `due_at` is when that must be looked at again. unshown_until: until when AWS may show the drain of that former
    target in the place of the one registered since, so that no deregistration is believed. operation: a running Cloud
    Map operation. retry_at: when a deregistration that failed in Cloud Map, or had no effect, is tried again, or a
    registration that AWS refused while another target drained. missing_since: since when reconciliations do not find
    the owner. revision: rises with every write.
    """

    key: ClaimKey
    owner: str
    state: ClaimState
    changed_at: datetime
    eni_id: str = ""
    zone: str = ""
    pod: str = ""
    former: str = ""
    version: int = 0
    by_event: bool = False
    busy_until: datetime | None = None
    busy_by: str = ""
    due_at: datetime | None = None
    deregistered_at: datetime | None = None
    early_at: datetime | None = None
    unshown_until: datetime | None = None
    operation: str = ""
    retry_at: datetime | None = None
    missing_since: datetime | None = None
    revision: int = 0

    @property
    def holds_target(self) -> bool:
        """Whether its target is, or may be, registered for its owner."""
        return self.state in {ClaimState.REGISTERING, ClaimState.REGISTERED}

    @property
    def awaits_deregistration(self) -> bool:
        """Whether its owner has left and AWS has not yet shown that it was deregistered."""
        return self.state is ClaimState.DRAINING and self.due_at is None

    @property
    def awaits_handover(self) -> bool:
        """Whether AWS has not yet shown that the former owner of its address was deregistered."""
        return self.state is ClaimState.HANDOVER and self.due_at is None

    @property
    def is_over(self) -> bool:
        """Whether AWS has nothing left of it that anyone must wait for."""
        return self.state in {ClaimState.TOMBSTONE, ClaimState.REFUSED}

    def is_busy(self, now: datetime, invocation_id: str) -> bool:
        """Whether another invocation than this one may be calling AWS about it."""
        return self.busy_until is not None and self.busy_until > now and self.busy_by != invocation_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """What is known of one owner: the newest version seen, and whether it is leaving, which never ends.

    stop: an operator asked to stop the task when its last claim has drained. since: when it was first seen.
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
    """The owner that was last seen at an address of a subnet."""

    subnet_id: str
    ip: str
    owner: str
    since: datetime
    revision: int = 0

    @property
    def key(self) -> tuple[str, str]:
        """Addresses repeat between VPCs, but not within a subnet."""
        return self.subnet_id, self.ip


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationStatus:
    """What the last reconciliation found in a destination, so that events need not ask AWS again.

    shared: others register targets here too. room: how many more targets fit; None if no limit is known. checked_at:
    when it was looked at. reported: fingerprints of the findings that people have been notified of. unfound_since:
    since when runs that looked did not find some of these. waiting_since: since when something waits, by its text.
    unmanaged: whether its tags were missing or wrong, and no run has looked at it since. version: how often it was
    written.
    """

    destination: str
    shared: bool
    room: int | None
    checked_at: datetime
    reported: frozenset[str] = frozenset()
    unfound_since: Mapping[str, datetime] = field(default_factory=dict)
    waiting_since: Mapping[str, datetime] = field(default_factory=dict)
    unmanaged: bool = False
    version: int = 0

    @property
    def sort_key(self) -> str:
        """The ledger finds it by its destination."""
        return self.destination


# Plans


class Call(StrEnum):
    """A change of a destination."""

    REGISTER = "register"
    DEREGISTER = "deregister"


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A transition of one claim, the AWS call that it needs, and the reason."""

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
    """A new owner at an address."""

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
    """What is to be done.

    stops: tasks that have drained and that an operator asked to stop. recheck_at: owners to check again, and when.
    """

    bundles: tuple[Bundle, ...] = ()
    findings: tuple[Finding, ...] = ()
    stops: tuple[str, ...] = ()
    recheck_at: Mapping[str, datetime] = field(default_factory=dict)

    @property
    def moves(self) -> tuple[Move, ...]:
        """All transitions of claims."""
        return tuple(move for bundle in self.bundles for move in bundle.moves)


INSTANCE_PREFIX = "berthmaster-"
"""A Cloud Map instance with such an id is Berthmaster's; ECS uses the id of the task."""


def instance_id(owner: str) -> str:
    """The id of an owner's Cloud Map instance, at most 64 characters; an owner is a task ARN or a pod UID."""
    return f"{INSTANCE_PREFIX}{owner.rpartition('/')[2]}"[:64]


class TargetState(StrEnum):
    """What a destination shows of a target; anything but the first two means registered."""

    ABSENT = "absent"
    DRAINING = "draining"
    PRESENT = "present"


@dataclass(frozen=True, slots=True)
class Target:
    """A target as its destination shows it.

    health, reason, zone: as Elastic Load Balancing returns them; zone is `all` for an address outside the VPC.
    instance: its id in Cloud Map.
    """

    state: TargetState
    health: str = ""
    reason: str = ""
    zone: str = ""
    instance: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the operator allows.

    registers: whether anything is registered at all. registers_at_once: whether without approval. wait_for_health: a
    task with a container health check is registered when it is healthy. breaker_share, breaker_floor: a reconciliation
    that would remove more targets of a destination than both, without an explanation of ECS or Kubernetes, needs an
    approval; so does one that would leave fewer than minimum_targets. cool_down: for how long it does not touch what an
    event has changed.
    """

    registers: bool = True
    registers_at_once: bool = True
    wait_for_health: bool = True
    breaker_share: float = 0.3
    breaker_floor: int = 5
    minimum_targets: int = 1
    cool_down: timedelta = timedelta(seconds=120)
