"""What must list new subnets, or how they must be tagged, so that tasks and pods use them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

from berthmaster.capacity.model.plan import CallerWiring, EniConfig, NewSubnet, ServiceWiring
from berthmaster.capacity.model.tags import SIBLING_TAG
from berthmaster.capacity.model.vpc import Subnet, SubnetGroup, VpcSnapshot
from berthmaster.capacity.model.workloads import MAX_SUBNETS_PER_TASK_NETWORK, Service, TaskCaller
from berthmaster.capacity.plan.consumers import (
    CNI_EXCLUDED,
    CNI_ROLE,
    CNI_SCOPE,
    clusters_in,
    label_of,
    pods_use,
    remedy_for,
    why_no_service,
    why_not_changed,
)

KARPENTER_DISCOVERY = "karpenter.sh/discovery"
NEARLY_FULL = 0.1
"""Share of free addresses below which launches in a subnet are likely to fail."""
_LOAD_BALANCER_ROLES = frozenset({"kubernetes.io/role/elb", "kubernetes.io/role/internal-elb"})
_EKS_TAGS = ("kubernetes.io/cluster/", KARPENTER_DISCOVERY, CNI_SCOPE, CNI_ROLE)
_SHARED = "shared"
"""The value that VPC CNI's documentation and tests give a scope; only its key counts."""

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
        if missing := _missing(service, why_no_service(service), groups, added, warnings):
            yield ServiceWiring(
                cluster=service.cluster,
                service=service.name,
                add_cidrs=missing.cidrs,
                add_ids=missing.ids,
                reason=f"{missing.reason}; the update replaces all tasks of the service",
            )


def _wire_callers(
    snapshot: VpcSnapshot, groups: Sequence[SubnetGroup], added: _Added, caller_roles: str, warnings: list[str]
) -> Iterator[CallerWiring]:
    for caller in snapshot.callers:
        if missing := _missing(caller, why_not_changed(caller, caller_roles), groups, added, warnings):
            yield CallerWiring(
                kind=caller.kind,
                group=caller.group,
                name=caller.name,
                target_id=caller.target_id,
                add_cidrs=missing.cidrs,
                add_ids=missing.ids,
                reason=missing.reason,
            )


def _uneven(groups: Sequence[SubnetGroup], planned: Sequence[NewSubnet]) -> Iterator[str]:
    """ECS documents no preference among the subnets of a zone: it may go on to start tasks in the one that is full."""
    for group in groups:
        origin = group.origin
        largest = max((one.cidr.num_addresses for one in planned if one.sibling_id == origin.id), default=0)
        if largest > origin.cidr.num_addresses or origin.free <= NEARLY_FULL * origin.capacity:
            yield (
                f"{origin.id} has {origin.free} free of {origin.capacity} addresses: as long as services, rules and "
                "schedules list it, some of their tasks fail to start there, and ECS tries again only those of "
                "services; once the added subnet is in use, remove the full one from their lists to end that. "
                "Berthmaster does not remove it"
            )


def admission_tags(
    snapshot: VpcSnapshot, sibling: Subnet, cidr: IPv4Network, *, for_pods: bool = False
) -> Mapping[str, str]:
    """The tags by which Berthmaster, VPC CNI and Karpenter recognise a new subnet as ready for use.

    for_pods: whether pods are to use it in any case. VPC CNI 1.18 and later uses a tagged subnet for its next interface
    (README, ENABLE_SUBNET_DISCOVERY); if the sibling is excluded from that with `0`, so is the new subnet. If several
    clusters are in the VPC, it is for those that use the sibling.
    """
    tags = {key: value for key, value in sibling.tags.items() if key.startswith(_EKS_TAGS)}
    if not _is_in_block_of(sibling, cidr, snapshot):
        tags.pop(KARPENTER_DISCOVERY, None)
    if for_pods or pods_use(snapshot, sibling):
        tags.setdefault(CNI_ROLE, "1")
        if not any(key.startswith(CNI_SCOPE) for key in tags) and len(clusters_in(snapshot, snapshot.subnets)) > 1:
            tags |= {f"{CNI_SCOPE}{cluster}": _SHARED for cluster in clusters_in(snapshot, [sibling])}
    return {**tags, SIBLING_TAG: sibling.id}


def eks_warnings(snapshot: VpcSnapshot, planned: Sequence[NewSubnet]) -> Iterator[str]:
    """What people should know about the tags of new subnets that EKS clusters would use."""
    for one in planned:
        sibling = snapshot.subnet(one.sibling_id)
        discovery = sibling.tags.get(KARPENTER_DISCOVERY)
        if discovery is not None and KARPENTER_DISCOVERY not in one.admission_tags:
            yield (
                f"{one.cidr} does not get the tag {KARPENTER_DISCOVERY}={discovery} of {sibling.id}: it is in another "
                "block, and nodes there would leave the VPC with addresses of it, which on-premises networks and peers "
                "may not route. Pods use it without the tag; add the tag if nodes are to use it too"
            )
        if is_for_pods(one) and not any(key.startswith(CNI_SCOPE) for key in one.admission_tags):
            clusters = clusters_in(snapshot, snapshot.subnets)
            if len(clusters) > 1:
                yield (
                    f"pods of each of the clusters {', '.join(clusters)} may use {one.cidr}, since it is not known "
                    f"which of them use {sibling.id}: a tag {CNI_SCOPE}<name>={_SHARED} leaves it to one of them"
                )


def _is_in_block_of(sibling: Subnet, cidr: IPv4Network, snapshot: VpcSnapshot) -> bool:
    """Whether a block of the VPC has both the sibling and the new subnet, so that both are routed alike."""
    return any(sibling.cidr.subnet_of(block) and cidr.subnet_of(block) for block in snapshot.cidrs)


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


def is_for_pods(planned: NewSubnet) -> bool:
    """Whether VPC CNI finds a new subnet by its tags."""
    return planned.admission_tags.get(CNI_ROLE, CNI_EXCLUDED) != CNI_EXCLUDED


def eni_configs(planned: Sequence[NewSubnet]) -> tuple[EniConfig, ...]:
    """What custom networking would need: an ENIConfig names exactly one subnet, and only new nodes use it."""
    return tuple(
        EniConfig(
            zone=one.zone,
            cidr=one.cidr,
            reason="only for custom networking (AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG=true), which ignores the cni tag; "
            "used by nodes that are launched after it was applied",
        )
        for one in planned
        if is_for_pods(one)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Missing:
    """Subnets that are missing in a list of subnets: existing ones by id, planned ones by CIDR."""

    cidrs: tuple[IPv4Network, ...]
    ids: tuple[str, ...]
    reason: str


def _missing(
    workload: Service | TaskCaller, barrier: str, groups: Sequence[SubnetGroup], added: _Added, warnings: list[str]
) -> _Missing | None:
    """What to add to the list of a workload; None if nothing is missing, or if it cannot be added, which is a warning.

    Of more subnets than ECS takes, those that exist come first, and then those of the groups that come first.
    """
    listed = workload.subnet_ids
    touched = [group for group in groups if group.ids & set(listed)]
    ids = tuple(_unlisted(touched, listed))
    cidrs = tuple(cidr for group in touched for cidr in added[group.origin.id])
    if not ids and not cidrs:
        return None
    label = label_of(workload)
    if barrier:
        subnets = " and ".join([*ids, *map(str, cidrs)])
        change = remedy_for(workload, barrier).replace("{subnets}", subnets)
        warnings.append(f"{label} runs in a subnet that is short of addresses, but {barrier}: {change}")
        return None
    room = MAX_SUBNETS_PER_TASK_NETWORK - len(listed)
    if len(ids) + len(cidrs) > room:
        warnings.append(
            f"{label} would list more than {MAX_SUBNETS_PER_TASK_NETWORK} subnets, the most that ECS takes: remove some"
        )
    if room <= 0:
        return None
    return _Missing(
        cidrs=cidrs[: max(0, room - len(ids))],
        ids=ids[:room],
        reason=f"it runs in {', '.join(sorted(group.origin.id for group in touched))}",
    )


def _unlisted(groups: Sequence[SubnetGroup], listed: Sequence[str]) -> Iterator[str]:
    """Added subnets only: a person may have removed the first one from the list because it is full."""
    for group in groups:
        for member in group.members:
            if member.is_added and member.id not in listed and member.state == "available":
                yield member.id
