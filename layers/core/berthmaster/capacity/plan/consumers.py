"""Who takes addresses in a group of subnets, which of them each can use, and what it takes to give it more.

A new subnet is of use to services, rules and schedules whose list Berthmaster may change, and to pods, whose network
plugin finds it by its tags. Everything else stays where it is until a person or a pipeline changes it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from berthmaster.capacity.model.plan import Obstacle
from berthmaster.capacity.model.tags import IGNORED, MANAGED, MANAGED_TAG
from berthmaster.capacity.model.vpc import Subnet, SubnetGroup, VpcSnapshot
from berthmaster.capacity.model.workloads import (
    MAX_SUBNETS_PER_TASK_NETWORK,
    ROLLING_UPDATE,
    CallerKind,
    Service,
    TaskCaller,
)
from berthmaster.interface_services import (
    EC2_INSTANCES,
    ECS_TASKS,
    EKS_CONTROL_PLANE,
    EKS_PODS_AND_NODES,
    ELASTICACHE,
    LAMBDA,
    LOAD_BALANCERS,
    RDS,
    VPC_ENDPOINTS,
)

CNI_ROLE = "kubernetes.io/role/cni"
CNI_EXCLUDED = "0"
CNI_SCOPE = "cni.networking.k8s.aws/cluster/"
"""VPC CNI leaves out a subnet with such tags unless one names its cluster (amazon-vpc-cni-k8s, `IsSubnetExcluded`)."""
UNTAGGED = f"is not tagged {MANAGED_TAG}"
MOST_HOLDERS = 4
NODES = "EKS nodes"

_MOST_NAMED = 20
_TAG = f"{MANAGED_TAG}={MANAGED}"
_AWSVPC = "NetworkConfiguration.AwsvpcConfiguration.Subnets"
_HELD = {
    ECS_TASKS: f"`{_AWSVPC}` of what runs the tasks without a service: RunTask, Step Functions, schedules of groups "
    f"that are not tagged {MANAGED_TAG}",
    EKS_CONTROL_PLANE: "`ResourcesVpcConfig.SubnetIds` of AWS::EKS::Cluster (Terraform aws_eks_cluster: "
    "vpc_config.subnet_ids)",
    EC2_INSTANCES: "`VPCZoneIdentifier` of AWS::AutoScaling::AutoScalingGroup (Terraform aws_autoscaling_group: "
    "vpc_zone_identifier)",
    LAMBDA: "`VpcConfig.SubnetIds` of AWS::Lambda::Function (Terraform aws_lambda_function: vpc_config.subnet_ids)",
    LOAD_BALANCERS: "`Subnets` of AWS::ElasticLoadBalancingV2::LoadBalancer in the place of this one, since it has one "
    "in a zone (Terraform aws_lb: subnets)",
    VPC_ENDPOINTS: "`SubnetIds` of AWS::EC2::VPCEndpoint in the place of this one, since it has one in a zone "
    "(Terraform aws_vpc_endpoint: subnet_ids)",
    RDS: "`SubnetIds` of AWS::RDS::DBSubnetGroup (Terraform aws_db_subnet_group: subnet_ids)",
    ELASTICACHE: "`SubnetIds` of AWS::ElastiCache::SubnetGroup (Terraform aws_elasticache_subnet_group: subnet_ids)",
}
"""Where a person names the subnets of what Berthmaster does not change, by holder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """What takes addresses in a group of subnets.

    uses: the members of the group that it can use now. has_list: whether a list says so, which can be changed. barrier:
    why Berthmaster cannot give it others; "" if it can, or if it finds them by their tags. remedy: what a person must
    change, with `{subnets}` where they name subnets. is_active: whether it takes addresses; a service without tasks
    does not.
    """

    label: str
    uses: frozenset[str]
    has_list: bool
    barrier: str = ""
    remedy: str = ""
    is_active: bool = True


def consumers_of(snapshot: VpcSnapshot, group: SubnetGroup, caller_roles: str) -> tuple[Consumer, ...]:
    """What takes addresses in a group: what lists its subnets, and pods; if there is neither, whoever holds them.

    caller_roles: of the policy.
    """
    found = [
        *_services(snapshot.services, group.ids),
        *_callers(snapshot.callers, group.ids, caller_roles),
        *_pods(snapshot, group),
        *_unread(snapshot, group),
    ]
    return tuple(found or _holders(snapshot, group))


def obstacle_of(group: SubnetGroup, consumers: Sequence[Consumer], holders: str, added: Sequence[str]) -> Obstacle:
    """Why nobody would use a new subnet of a group, and the change that a person or a pipeline must make.

    holders: who uses the addresses, for people. added: members that have room.
    """
    origin = group.origin.id
    subnets = " and ".join(added) if added else "a new subnet"
    who = [f"{one.label} {one.barrier}" if one.has_list else one.barrier for one in consumers if one.barrier]
    changes = _some_of(dict.fromkeys(one.remedy.replace("{subnets}", subnets) for one in consumers if one.remedy))
    if not added and consumers:
        changes.append("Expand Requested, with the subnet and how many addresses, creates one for that")
    if all(one.barrier for one in consumers):
        changes.append(f"if it may be full, tag {origin} {MANAGED_TAG}={IGNORED}")
    use = f"; in use: {holders}" if holders else ""
    reason = "; ".join(_some_of(who)) or "nothing that Berthmaster can change takes addresses there"
    return Obstacle(
        candidate=f"a subnet for those in {origin}",
        rule=f"nothing would use it as it is: {reason}{use}",
        remedy="; ".join(changes),
    )


def _some_of(lines: Iterable[str]) -> list[str]:
    """The first lines, and how many more there are: an event has 256 KB."""
    listed = list(lines)
    more = len(listed) - _MOST_NAMED
    return [*listed[:_MOST_NAMED], *([f"{more} more"] if more > 0 else [])]


# What lists subnets


def why_no_service(service: Service) -> str:
    """Why Berthmaster may not change the subnets of a service; "" if it may."""
    if service.controller != ROLLING_UPDATE:
        return f"is deployed by {service.controller}"
    return "" if service.managed else UNTAGGED


def why_not_changed(caller: TaskCaller, caller_roles: str) -> str:
    """Why Berthmaster may not change the subnets of a rule or a schedule; "" if it may."""
    if not caller.managed:
        return UNTAGGED
    if not (caller_roles and fnmatchcase(caller.role, caller_roles)):
        return f"CapacityCallerRoles does not name its role {caller.role}"
    return ""


def label_of(workload: Service | TaskCaller) -> str:
    """A service, a rule or a schedule, for people."""
    if isinstance(workload, Service):
        return f"ECS service {workload.name} in cluster {workload.cluster}"
    return f"{workload.kind} {workload.name}"


def remedy_for(workload: Service | TaskCaller, barrier: str) -> str:
    """What a person or a pipeline must change so that a workload uses subnets; see `Consumer.remedy`."""
    label = label_of(workload)
    tag = f"tag {label} {_TAG}, or " if barrier == UNTAGGED else ""
    if isinstance(workload, Service):
        where = _where_of_service(workload)
    elif workload.kind is CallerKind.RULE:
        where = (
            f"`EcsParameters.{_AWSVPC.replace('Awsvpc', 'AwsVpc')}` of the target in AWS::Events::Rule (Terraform "
            "aws_cloudwatch_event_target: ecs_target.network_configuration.subnets)"
        )
    else:
        where = (
            f"`Target.EcsParameters.{_AWSVPC}` of AWS::Scheduler::Schedule (Terraform aws_scheduler_schedule: "
            "target.ecs_parameters.network_configuration.subnets)"
        )
    return f"{tag}add {{subnets}} to {where} of {label}"


def _where_of_service(service: Service) -> str:
    if service.controller == ROLLING_UPDATE:
        return f"`{_AWSVPC}` of AWS::ECS::Service (Terraform aws_ecs_service: network_configuration.subnets)"
    if service.controller == "CODE_DEPLOY":
        return f"`{_AWSVPC}` in the AppSpec of the next deployment"
    return f"`{_AWSVPC}` of AWS::ECS::TaskSet (Terraform aws_ecs_task_set: network_configuration.subnets)"


def _services(services: Sequence[Service], members: frozenset[str]) -> Iterator[Consumer]:
    for service in services:
        if uses := members & set(service.subnet_ids):
            is_active = bool(service.desired or service.running or service.deploying)
            yield _lister(service, uses, why_no_service(service), is_active=is_active)


def _callers(callers: Sequence[TaskCaller], members: frozenset[str], caller_roles: str) -> Iterator[Consumer]:
    for caller in callers:
        if uses := members & set(caller.subnet_ids):
            yield _lister(caller, uses, why_not_changed(caller, caller_roles), is_active=True)


def _lister(workload: Service | TaskCaller, uses: frozenset[str], barrier: str, *, is_active: bool) -> Consumer:
    listed = workload.subnet_ids
    if not barrier and len(listed) >= MAX_SUBNETS_PER_TASK_NETWORK:
        barrier = f"lists {len(listed)} subnets, the most that ECS takes: remove some"
    return Consumer(
        label=label_of(workload),
        uses=uses,
        has_list=True,
        barrier=barrier,
        remedy=remedy_for(workload, barrier) if barrier else "",
        is_active=is_active,
    )


def _unread(snapshot: VpcSnapshot, group: SubnetGroup) -> Iterator[Consumer]:
    """What runs the tasks in a group may be among what could not be read, and may be changed when it can be.

    Which subnets it lists is not known: room in any of them counts, so that no second one is built for it.
    """
    has_tasks = any(ECS_TASKS in one.holders for id_, one in snapshot.occupancy.items() if id_ in group.ids)
    if snapshot.unread_workloads and has_tasks:
        yield Consumer(label=ECS_TASKS, uses=group.ids, has_list=True)


# What finds subnets by their tags


def pods_use(snapshot: VpcSnapshot, subnet: Subnet) -> bool:
    """Whether pods get addresses of a subnet: its tags say so, or pods or nodes hold some and no tag forbids it.

    The interfaces of an EKS control plane are no pods, and the tag `kubernetes.io/cluster/` is on its subnets too.
    """
    role = subnet.tags.get(CNI_ROLE)
    if role is not None:
        return role != CNI_EXCLUDED
    occupancy = snapshot.occupancy.get(subnet.id)
    return occupancy is not None and EKS_PODS_AND_NODES in occupancy.holders


def clusters_in(snapshot: VpcSnapshot, subnets: Sequence[Subnet]) -> tuple[str, ...]:
    """The EKS clusters whose pods and nodes are in these subnets, as far as the tags of their interfaces say."""
    found = {one for subnet in subnets if subnet.id in snapshot.occupancy for one in _clusters(snapshot, subnet)}
    return tuple(sorted(found))


def _clusters(snapshot: VpcSnapshot, subnet: Subnet) -> tuple[str, ...]:
    return snapshot.occupancy[subnet.id].clusters


def _pods(snapshot: VpcSnapshot, group: SubnetGroup) -> Iterator[Consumer]:
    if any(pods_use(snapshot, member) for member in group.members):
        for cluster in clusters_in(snapshot, group.members) or ("",):
            uses = frozenset(one.id for one in group.members if _is_open_to(snapshot, one, cluster))
            if uses:
                label = f"pods of EKS cluster {cluster}" if cluster else "EKS pods"
                yield Consumer(label=label, uses=uses, has_list=False)
        return
    holding = frozenset(
        one.id
        for one in group.members
        if one.id in snapshot.occupancy and EKS_PODS_AND_NODES in snapshot.occupancy[one.id].holders
    )
    if holding:
        yield Consumer(
            label=NODES,
            uses=holding,
            has_list=False,
            barrier=f"EKS nodes are there, and pods are not, since it is tagged {CNI_ROLE}={CNI_EXCLUDED}",
            remedy="run nodes in {subnets}: a node group with it in `Subnets` of AWS::EKS::Nodegroup (Terraform "
            "aws_eks_node_group: subnet_ids), or the tag that Karpenter looks for",
        )


def _is_open_to(snapshot: VpcSnapshot, subnet: Subnet, cluster: str) -> bool:
    scopes = [key.removeprefix(CNI_SCOPE) for key in subnet.tags if key.startswith(CNI_SCOPE)]
    return pods_use(snapshot, subnet) and (not scopes or not cluster or cluster in scopes)


# Whoever holds addresses


def _holders(snapshot: VpcSnapshot, group: SubnetGroup) -> Iterator[Consumer]:
    """Those that hold addresses, as one: which subnets each may use is not known.

    Tasks may be run by something that lists all members; whatever else has addresses in some members uses those.
    """
    held = {one.id: snapshot.occupancy[one.id].holders for one in group.members if one.id in snapshot.occupancy}
    total: Counter[str] = sum((Counter(one) for one in held.values()), Counter())
    if not total:
        return
    remedies = [f"add {{subnets}} to {_HELD[one]}" for one, _ in total.most_common(MOST_HOLDERS) if one in _HELD]
    yield Consumer(
        label="",
        uses=group.ids if ECS_TASKS in total else frozenset(one for one, holders in held.items() if holders),
        has_list=False,
        barrier="nothing runs there whose subnets Berthmaster can change",
        remedy="; ".join(remedies) or "move some of what is in it to {subnets}",
    )
