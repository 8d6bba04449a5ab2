"""What must list new subnets, or how they must be tagged, so that tasks and pods use them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import IPv4Network

from berthmaster.capacity.model import (
    MANAGED_TAG,
    MAX_SUBNETS_PER_TASK_NETWORK,
    ROLLING_UPDATE,
    SIBLING_TAG,
    CallerWiring,
    EniConfig,
    NewSubnet,
    ServiceWiring,
    Subnet,
    SubnetGroup,
    TaskCaller,
    VpcSnapshot,
)

CNI_ROLE = "kubernetes.io/role/cni"
_LOAD_BALANCER_ROLES = frozenset({"kubernetes.io/role/elb", "kubernetes.io/role/internal-elb"})
UNTAGGED = f"is not tagged {MANAGED_TAG}"
_EKS_TAGS = (
    "kubernetes.io/cluster/",
    "karpenter.sh/discovery",
    "cni.networking.k8s.aws/cluster/",
    CNI_ROLE,
)

type _Added = Mapping[str, tuple[IPv4Network, ...]]
"""The CIDRs of planned subnets, by the origin of their group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """Which services and callers get the new subnets, and warnings about those that do not."""

    services: tuple[ServiceWiring, ...]
    callers: tuple[CallerWiring, ...]
    warnings: tuple[str, ...]


def wire(
    snapshot: VpcSnapshot, groups: Sequence[SubnetGroup], planned: Sequence[NewSubnet], caller_roles: str
) -> Wiring:
    """Every managed service, rule and schedule that lists one subnet of a group must list all of them.

    groups: those that are short of addresses. planned: the subnets to create. caller_roles: of the policy.
    Services come smallest surge first: each leaves the next one more free addresses.
    """
    added = {
        group.origin.id: tuple(one.cidr for one in planned if one.sibling_id == group.origin.id) for group in groups
    }
    warnings: list[str] = []
    services = tuple(_wire_services(snapshot, groups, added, warnings))
    callers = tuple(_wire_callers(snapshot, groups, added, caller_roles, warnings))
    if services or callers:
        warnings += _uneven(groups, planned)
    return Wiring(services=services, callers=callers, warnings=tuple(warnings))


def _wire_services(
    snapshot: VpcSnapshot, groups: Sequence[SubnetGroup], added: _Added, warnings: list[str]
) -> Iterator[ServiceWiring]:
    for service in sorted(snapshot.services, key=lambda one: (one.ceiling - one.desired, one.cluster, one.name)):
        missing = _missing(service.subnet_ids, groups, added)
        label = f"ECS service {service.name} in cluster {service.cluster}"
        if missing and service.controller != ROLLING_UPDATE:
            warnings.append(f"{label} is deployed by {service.controller}: add the new subnets there")
        elif problem := _problem(label, service.subnet_ids, missing, "" if service.managed else UNTAGGED):
            warnings.append(problem)
        elif missing:
            yield ServiceWiring(
                cluster=service.cluster,
                service=service.name,
                add_cidrs=missing.cidrs,
                add_ids=missing.ids,
                reason=missing.reason,
            )


def _wire_callers(
    snapshot: VpcSnapshot, groups: Sequence[SubnetGroup], added: _Added, caller_roles: str, warnings: list[str]
) -> Iterator[CallerWiring]:
    for caller in snapshot.callers:
        missing = _missing(caller.subnet_ids, groups, added)
        barrier = why_not_changed(caller, caller_roles)
        if problem := _problem(f"{caller.kind} {caller.name}", caller.subnet_ids, missing, barrier):
            warnings.append(problem)
        elif missing:
            yield CallerWiring(
                kind=caller.kind,
                group=caller.group,
                name=caller.name,
                target_id=caller.target_id,
                add_cidrs=missing.cidrs,
                add_ids=missing.ids,
                reason=missing.reason,
            )


def why_not_changed(caller: TaskCaller, caller_roles: str) -> str:
    """Why Berthmaster may not change the subnets of a rule or a schedule; "" if it may."""
    if not caller.managed:
        return UNTAGGED
    if not (caller_roles and fnmatchcase(caller.role, caller_roles)):
        return f"CapacityCallerRoles does not name its role {caller.role}"
    return ""


def _uneven(groups: Sequence[SubnetGroup], planned: Sequence[NewSubnet]) -> Iterator[str]:
    """ECS documents no preference among the subnets of a zone: if it uses them in turn, the smallest is full first."""
    for group in groups:
        largest = max((one.cidr.num_addresses for one in planned if one.sibling_id == group.origin.id), default=0)
        if largest > group.origin.cidr.num_addresses:
            yield (
                f"{group.origin.id} is smaller than the subnet added for it and may fill up first: once the new subnet "
                "is in use, remove the old one from services that will grow"
            )


def admission_tags(sibling: Subnet, *, runs_eks: bool) -> Mapping[str, str]:
    """The tags by which Berthmaster, VPC CNI and Karpenter recognise a new subnet as ready for use.

    VPC CNI 1.18 and later uses a tagged subnet for its next interface (README, ENABLE_SUBNET_DISCOVERY); if the sibling
    is excluded from that with `0`, so is the new subnet.
    """
    tags = {key: value for key, value in sibling.tags.items() if key.startswith(_EKS_TAGS)}
    if runs_eks:
        tags.setdefault(CNI_ROLE, "1")
    return {**tags, SIBLING_TAG: sibling.id}


def copied_tags(sibling: Subnet) -> Mapping[str, str]:
    """The sibling's other tags: without AWS's own, and without those that would place load balancers in the subnet."""
    tags = {
        key: value
        for key, value in sibling.tags.items()
        if not key.startswith(("aws:", "berthmaster:", *_EKS_TAGS)) and key not in _LOAD_BALANCER_ROLES
    }
    if "Name" in tags:
        tags["Name"] = f"{tags['Name']} berthmaster"
    return tags


def runs_eks(snapshot: VpcSnapshot, sibling: Subnet) -> bool:
    """Whether pods use addresses of this subnet, judged by its tags and by who uses its addresses."""
    if any(key.startswith(_EKS_TAGS) for key in sibling.tags):
        return True
    occupancy = snapshot.occupancy.get(sibling.id)
    return occupancy is not None and any("EKS" in holder for holder in occupancy.holders)


def eni_configs(snapshot: VpcSnapshot, planned: Sequence[NewSubnet]) -> tuple[EniConfig, ...]:
    """What custom networking would need: an ENIConfig names exactly one subnet, and only new nodes use it."""
    return tuple(
        EniConfig(
            zone=one.zone,
            cidr=one.cidr,
            reason="only for custom networking (AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG=true), which ignores the cni tag; "
            "used by nodes that are launched after it was applied",
        )
        for one in planned
        if runs_eks(snapshot, snapshot.subnet(one.sibling_id))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Missing:
    """Subnets that are missing in a list of subnets: planned ones by CIDR, existing ones by id."""

    cidrs: tuple[IPv4Network, ...]
    ids: tuple[str, ...]
    reason: str

    def __len__(self) -> int:
        return len(self.cidrs) + len(self.ids)


def _missing(listed: Sequence[str], groups: Sequence[SubnetGroup], added: _Added) -> _Missing:
    touched = [group for group in groups if group.ids & set(listed)]
    return _Missing(
        cidrs=tuple(cidr for group in touched for cidr in added[group.origin.id]),
        ids=tuple(_unlisted(touched, listed)),
        reason=f"it runs in {', '.join(sorted(group.origin.id for group in touched))}",
    )


def _problem(label: str, listed: Sequence[str], missing: _Missing, barrier: str) -> str:
    """Why the missing subnets cannot be added; "" if they can, or if none is missing."""
    if missing and barrier:
        return f"{label} runs in a subnet that is short of addresses, but {barrier}: add the new subnets yourself"
    if len(listed) + len(missing) > MAX_SUBNETS_PER_TASK_NETWORK:
        return (
            f"{label} would list more than {MAX_SUBNETS_PER_TASK_NETWORK} subnets, the most that ECS takes: remove some"
        )
    return ""


def _unlisted(groups: Sequence[SubnetGroup], listed: Sequence[str]) -> Iterator[str]:
    for group in groups:
        for member in group.members:
            if member.id not in listed and member.state == "available":
                yield member.id
