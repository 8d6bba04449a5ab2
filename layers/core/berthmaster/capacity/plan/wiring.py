"""Who must be told of new subnets, so that tasks and pods use them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import IPv4Network

from berthmaster.capacity.model import (
    MANAGED_TAG,
    MAX_SUBNETS_PER_TASK_NETWORK,
    SIBLING_TAG,
    UPDATED_BY_SERVICE,
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """What to wire, and what a person has to."""

    services: tuple[ServiceWiring, ...]
    callers: tuple[CallerWiring, ...]
    warnings: tuple[str, ...]


def wire(
    snapshot: VpcSnapshot, groups: Sequence[SubnetGroup], planned: Sequence[NewSubnet], caller_roles: str
) -> Wiring:
    """Every managed service, rule and schedule that lists one subnet of a group is to list all of them.

    groups: those short of room; planned: the subnets to be made, by sibling; caller_roles: the policy's. Services come
    smallest surge first: each gives the next one more of the new room.
    """
    added = {
        group.origin.id: tuple(one.cidr for one in planned if one.sibling_id == group.origin.id) for group in groups
    }
    services: list[ServiceWiring] = []
    callers: list[CallerWiring] = []
    warnings: list[str] = []
    for service in sorted(snapshot.services, key=lambda one: (one.ceiling - one.desired, one.cluster, one.name)):
        lacking = _lacking(service.subnet_ids, groups, added)
        label = f"ECS service {service.name} in {_short(service.cluster)}"
        if lacking and service.controller != UPDATED_BY_SERVICE:
            warnings.append(f"{label} is deployed by {service.controller}: its subnets are for that to change")
        elif problem := _problem(label, service.subnet_ids, lacking, "" if service.managed else UNTAGGED):
            warnings.append(problem)
        elif lacking:
            services.append(
                ServiceWiring(
                    cluster=service.cluster,
                    service=service.name,
                    add_cidrs=lacking.cidrs,
                    add_ids=lacking.ids,
                    reason=lacking.reason,
                )
            )
    for caller in snapshot.callers:
        lacking = _lacking(caller.subnet_ids, groups, added)
        barrier = why_not_changed(caller, caller_roles)
        if problem := _problem(f"{caller.kind} {caller.name}", caller.subnet_ids, lacking, barrier):
            warnings.append(problem)
        elif lacking:
            callers.append(
                CallerWiring(
                    kind=caller.kind,
                    group=caller.group,
                    name=caller.name,
                    target_id=caller.target_id,
                    add_cidrs=lacking.cidrs,
                    add_ids=lacking.ids,
                    reason=lacking.reason,
                )
            )
    if services or callers:
        warnings += _uneven(groups, planned)
    return Wiring(services=tuple(services), callers=tuple(callers), warnings=tuple(warnings))


def why_not_changed(caller: TaskCaller, caller_roles: str) -> str:
    """Why the subnets of a rule or a schedule are not for Berthmaster to change; "" if they are."""
    if not caller.managed:
        return UNTAGGED
    if not (caller_roles and fnmatchcase(caller.role, caller_roles)):
        return f"CapacityCallerRoles does not name its role {caller.role}"
    return ""


def _uneven(groups: Sequence[SubnetGroup], planned: Sequence[NewSubnet]) -> Iterator[str]:
    """ECS documents no preference among the subnets of a zone: if it takes them in turn, the smallest is full first."""
    for group in groups:
        largest = max((one.cidr.num_addresses for one in planned if one.sibling_id == group.origin.id), default=0)
        if largest > group.origin.cidr.num_addresses:
            yield (
                f"{group.origin.id} is smaller than what is added beside it and may fill up first: once the new subnet "
                "is in use, take the old one off the lists of services that are to grow"
            )


def admission_tags(sibling: Subnet, *, runs_eks: bool) -> Mapping[str, str]:
    """The tags by which Berthmaster, VPC CNI and Karpenter take a new subnet for one that may be used.

    VPC CNI 1.18 and later takes a tagged subnet for its next interface (README, ENABLE_SUBNET_DISCOVERY); a sibling
    that is excluded from that with `0` stays the pattern for what is added beside it.
    """
    tags = {key: value for key, value in sibling.tags.items() if key.startswith(_EKS_TAGS)}
    if runs_eks:
        tags.setdefault(CNI_ROLE, "1")
    return {**tags, SIBLING_TAG: sibling.id}


def borrowed_tags(sibling: Subnet) -> Mapping[str, str]:
    """The sibling's other tags: without AWS's own, without those that would put load balancers into the new subnet."""
    tags = {
        key: value
        for key, value in sibling.tags.items()
        if not key.startswith(("aws:", "berthmaster:", *_EKS_TAGS)) and key not in _LOAD_BALANCER_ROLES
    }
    if "Name" in tags:
        tags["Name"] = f"{tags['Name']} berth"
    return tags


def runs_eks(snapshot: VpcSnapshot, sibling: Subnet) -> bool:
    """Whether pods take addresses in this subnet, by its tags and by who holds its addresses."""
    if any(key.startswith(_EKS_TAGS) for key in sibling.tags):
        return True
    occupancy = snapshot.occupancy.get(sibling.id)
    return occupancy is not None and any("EKS" in holder for holder in occupancy.holders)


def eni_configs(snapshot: VpcSnapshot, planned: Sequence[NewSubnet]) -> tuple[EniConfig, ...]:
    """What custom networking would need: an ENIConfig takes exactly one subnet, and nodes must be made anew."""
    return tuple(
        EniConfig(
            zone=one.zone,
            cidr=one.cidr,
            reason="only for custom networking (AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG=true), which ignores the cni tag; "
            "used by nodes launched after it was applied",
        )
        for one in planned
        if runs_eks(snapshot, snapshot.subnet(one.sibling_id))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lacking:
    """Subnets that a list of subnets should have and has not: planned ones by CIDR, existing ones by id."""

    cidrs: tuple[IPv4Network, ...]
    ids: tuple[str, ...]
    reason: str

    def __len__(self) -> int:
        return len(self.cidrs) + len(self.ids)


def _lacking(
    listed: Sequence[str], groups: Sequence[SubnetGroup], added: Mapping[str, tuple[IPv4Network, ...]]
) -> _Lacking:
    touched = [group for group in groups if group.ids & set(listed)]
    return _Lacking(
        cidrs=tuple(cidr for group in touched for cidr in added[group.origin.id]),
        ids=tuple(_unlisted(touched, listed)),
        reason=f"it runs in {', '.join(sorted(group.origin.id for group in touched))}",
    )


def _problem(label: str, listed: Sequence[str], lacking: _Lacking, barrier: str) -> str:
    """Why what is lacking cannot be added; "" if it can, or if nothing is lacking."""
    if lacking and barrier:
        return f"{label} runs in a subnet that is short, but {barrier}: add the new subnets yourself"
    if len(listed) + len(lacking) > MAX_SUBNETS_PER_TASK_NETWORK:
        return f"{label} would list more than {MAX_SUBNETS_PER_TASK_NETWORK} subnets, the most ECS takes: remove some"
    return ""


def _unlisted(groups: Sequence[SubnetGroup], listed: Sequence[str]) -> Iterator[str]:
    for group in groups:
        for member in group.members:
            if member.id not in listed and member.state == "available":
                yield member.id


def _short(arn: str) -> str:
    return arn.rpartition("/")[2]
