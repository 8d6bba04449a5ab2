"""What AWS says about the things that a document names. None and what is absent: it does not exist."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """An S3 bucket. sends_events: to EventBridge."""

    region: str
    sends_events: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A container of a task definition.

    stop_timeout: seconds between SIGTERM and SIGKILL. memory: MiB of its own limit; 0 if it may use all of the task's.
    """

    name: str
    is_essential: bool
    stop_timeout: int
    memory: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDefinition:
    """The latest revision of a family, or the one that was asked for. roles: of the task and of its execution."""

    family: str
    revision: int
    is_active: bool
    network_mode: str
    compatibilities: tuple[str, ...]
    containers: tuple[Container, ...]
    roles: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """An ECS cluster."""

    name: str
    is_active: bool
    providers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subnet:
    """A subnet. gives_public_ips: to instances, by default, which shows that it is a public one."""

    id: str
    vpc_id: str
    free_addresses: int
    gives_public_ips: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Of one document.

    subnets: those that were named, or the default ones of the default VPC. security_groups: the VPC of each that was
    named; or that of the default group of the subnets' VPC. unread: why something could not be read, by its field.
    is_passing: whether that may well be over soon.
    """

    input_bucket: Bucket | None = None
    output_bucket: Bucket | None = None
    task_definition: TaskDefinition | None = None
    cluster: Cluster | None = None
    subnets: tuple[Subnet, ...] = ()
    security_groups: Mapping[str, str] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)
    is_passing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What the template allows pipelines to use: buckets and families by name, roles by ARN."""

    region: str
    input_buckets: frozenset[str]
    output_buckets: frozenset[str]
    families: frozenset[str]
    roles: frozenset[str]
