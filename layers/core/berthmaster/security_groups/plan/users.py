"""Interface → who uses it, as its type, requester, description and tags tell."""

import re

from berthmaster.interface_services import (
    DAX,
    EC2_INSTANCES,
    ECS_TASKS,
    EFS,
    EKS_CONTROL_PLANE,
    EKS_PODS_AND_NODES,
    ELASTICACHE,
    KUBERNETES_TAGS,
    LAMBDA,
    LOAD_BALANCERS,
    NAT_GATEWAYS,
    OPENSEARCH,
    RDS,
    REDSHIFT,
    TRANSIT_GATEWAYS,
    VPC_ENDPOINTS,
    eks_cluster,
    service_by_description,
    service_by_type,
)
from berthmaster.security_groups.model.documentation import Tier, User
from berthmaster.security_groups.model.topology import Interface

OTHERS = "others"

_ENTRIES = frozenset({LOAD_BALANCERS, NAT_GATEWAYS, TRANSIT_GATEWAYS})
_DATA = frozenset({RDS, ELASTICACHE, EFS, REDSHIFT, OPENSEARCH, DAX, VPC_ENDPOINTS, "DMS"})
_ENTRY_KINDS = frozenset({"EC2 Instance Connect endpoints", "Global Accelerator", "API Gateway", "Route 53 Resolver"})

_LOAD_BALANCER_KINDS = {
    "app": "Application Load Balancer",
    "net": "Network Load Balancer",
    "gwy": "Gateway Load Balancer",
}
_LOAD_BALANCER = re.compile(r"ELB (?:(app|net|gwy)/)?([^/\s]+)")
_UUID = r"-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
# What of a Description names the one that has the interface.
_NAMES = {
    LAMBDA: re.compile(rf"AWS Lambda VPC ENI-(.+?)(?:{_UUID})?$"),
    EFS: re.compile(r"EFS mount target for (fs-\w+)"),
    ELASTICACHE: re.compile(r"ElastiCache[ +]([\w.-]+)"),
    OPENSEARCH: re.compile(r"ES ([\w.-]+)"),
    DAX: re.compile(r"DAX ([\w.-]+)"),
    VPC_ENDPOINTS: re.compile(r".*?(vpce-\w+)"),
    NAT_GATEWAYS: re.compile(r".*?(nat-\w+)"),
    TRANSIT_GATEWAYS: re.compile(r".*?(tgw-attach-\w+)"),
    RDS: re.compile(r"Network interface for DBProxy[:\s]+([\w.-]+)"),
}
_SINGULAR = {
    LAMBDA: "Lambda function",
    EFS: "EFS file system",
    ELASTICACHE: "ElastiCache node",
    OPENSEARCH: "OpenSearch domain",
    DAX: "DAX cluster",
    VPC_ENDPOINTS: "VPC endpoint",
    NAT_GATEWAYS: "NAT gateway",
    TRANSIT_GATEWAYS: "transit gateway attachment",
    RDS: "RDS Proxy",
}
_CLUSTER, _SERVICE = "aws:ecs:clusterName", "aws:ecs:serviceName"
"""ECS's managed tags."""
_GROUP_OF_INSTANCES = "aws:autoscaling:groupName"


def user_of(interface: Interface) -> User:
    """Who uses an interface."""
    tags = dict(interface.tags)
    service = service_by_type(interface.kind, interface.requester) or service_by_description(interface.description)
    if service in {"", EKS_PODS_AND_NODES} and (found := _of_kubernetes(interface, tags, service)):
        return found
    if service == EKS_CONTROL_PLANE:
        cluster = interface.description.removeprefix("Amazon EKS ")
        return User(service, cluster, f"EKS {cluster}", Tier.COMPUTE)
    if service == ECS_TASKS:
        return _of_ecs(tags)
    if service == LOAD_BALANCERS and (parts := _LOAD_BALANCER.match(interface.description)):
        kind = _LOAD_BALANCER_KINDS.get(parts[1] or "", "Classic Load Balancer")
        return User(kind, parts[2], LOAD_BALANCERS, Tier.ENTRY)
    if service:
        return _of_service(service, interface.description)
    if interface.instance:
        of = tags.get(_GROUP_OF_INSTANCES, "")
        return User("EC2 instance", tags.get("Name", "") or of or interface.instance, of or EC2_INSTANCES, Tier.COMPUTE)
    return User(OTHERS, tags.get("Name", "") or interface.description, OTHERS, Tier.COMPUTE)


def _of_kubernetes(interface: Interface, tags: dict[str, str], service: str) -> User | None:
    # Prefixes are assigned on request only, and only container networks request them.
    if not service and not interface.prefixes and not any(key.startswith(KUBERNETES_TAGS) for key in tags):
        return None
    cluster = eks_cluster(tags)
    return User(EKS_PODS_AND_NODES, cluster, f"EKS {cluster}".rstrip(), Tier.COMPUTE)


def _of_ecs(tags: dict[str, str]) -> User:
    cluster, service = tags.get(_CLUSTER, ""), tags.get(_SERVICE, "")
    if not cluster:
        return User(ECS_TASKS, service, ECS_TASKS, Tier.COMPUTE)
    return User("ECS service" if service else ECS_TASKS, service or cluster, f"ECS {cluster}", Tier.COMPUTE)


def _of_service(service: str, description: str) -> User:
    pattern = _NAMES.get(service)
    named = pattern.match(description) if pattern else None
    tier = Tier.ENTRY if service in _ENTRIES | _ENTRY_KINDS else Tier.DATA if service in _DATA else Tier.COMPUTE
    if named is None:
        return User(service, "", service, tier)
    return User(_SINGULAR[service], named[1], service, tier)
