"""Who uses a network interface, by what DescribeNetworkInterfaces says about it."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from berthmaster.capacity.model.holders import (
    CANARIES,
    DETACHED,
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

NAT_GATEWAYS = "NAT gateways"
TRANSIT_GATEWAYS = "transit gateways"
OTHER_AWS_SERVICES = "other AWS services"
OTHER = "others"

_BY_INTERFACE_TYPE = {
    "api_gateway_managed": "API Gateway",
    "aws_codestar_connections_managed": "CodeConnections",
    "ec2_instance_connect_endpoint": "EC2 Instance Connect endpoints",
    "gateway_load_balancer": LOAD_BALANCERS,
    "gateway_load_balancer_endpoint": VPC_ENDPOINTS,
    "global_accelerator_managed": "Global Accelerator",
    "iot_rules_managed": "IoT rules",
    "lambda": LAMBDA,
    "load_balancer": LOAD_BALANCERS,
    "natGateway": NAT_GATEWAYS,
    "nat_gateway": NAT_GATEWAYS,
    "network_load_balancer": LOAD_BALANCERS,
    "quicksight": "QuickSight",
    "transit_gateway": TRANSIT_GATEWAYS,
    "vpc_endpoint": VPC_ENDPOINTS,
}
_BY_REQUESTER = {
    "amazon-elasticache": ELASTICACHE,
    "amazon-elb": LOAD_BALANCERS,
    "amazon-rds": RDS,
    "amazon-redshift": "Redshift",
}
# What services write into the Description of their interfaces; most leave InterfaceType at "interface".
_BY_DESCRIPTION = (
    ("Amazon EKS ", EKS_CONTROL_PLANE),
    ("aws-K8S-", EKS_PODS_AND_NODES),
    ("aws-k8s-", EKS_PODS_AND_NODES),
    ("ELB ", LOAD_BALANCERS),
    ("AWS Lambda VPC ENI", LAMBDA),
    ("Interface for NAT Gateway ", NAT_GATEWAYS),
    ("VPC Endpoint Interface ", VPC_ENDPOINTS),
    ("Network Interface for Transit Gateway Attachment ", TRANSIT_GATEWAYS),
    ("RDSNetworkInterface", RDS),
    ("Network interface for DBProxy", RDS),
    ("ElastiCache", ELASTICACHE),
    ("DAX", "DynamoDB Accelerator"),
    ("EFS mount target", "EFS"),
    ("RedshiftNetworkInterface", "Redshift"),
    ("ES ", "OpenSearch"),
    ("DMSNetworkInterface", "DMS"),
    ("Attached to Glue", "Glue"),
    ("Route 53 Resolver", "Route 53 Resolver"),
    ("AWS created network interface for directory", "Directory Service"),
    ("Created By Amazon Workspaces", "WorkSpaces"),
    ("datasync ", "DataSync"),
    ("ENI managed by APIGateway", "API Gateway"),
)
_ECS_ATTACHMENT = re.compile(r"arn:aws[a-z-]*:ecs:")
# VPC CNI, the VPC resource controller (pods with security groups), EKS Auto Mode and managed node groups.
_KUBERNETES_TAGS = (
    "cluster.k8s.amazonaws.com/",
    "node.k8s.amazonaws.com/",
    "vpcresources.k8s.aws/",
    "kubernetes.io/cluster/",
    "eks:",
    "karpenter.sh/",
)
_BERTHMASTER_TAGS = "berthmaster:"

_CLUSTER_TAGS = ("cluster.k8s.amazonaws.com/name", "eks:eks-cluster-name", "eks:cluster-name")
"""Tags whose value is the name of a cluster: VPC CNI's, EKS Auto Mode's, managed node groups'."""
_CLUSTER_KEY = "kubernetes.io/cluster/"

type Interface = Mapping[str, Any]
"""One entry of DescribeNetworkInterfaces."""


def cluster_of(interface: Interface) -> str:
    """The EKS cluster whose pods or node the interface belongs to; "" if no tag names it."""
    tags = {tag["Key"]: tag["Value"] for tag in interface.get("TagSet", ())}
    named = next((tags[key] for key in _CLUSTER_TAGS if key in tags), "")
    return named or next((key.removeprefix(_CLUSTER_KEY) for key in sorted(tags) if key.startswith(_CLUSTER_KEY)), "")


def holder_of(interface: Interface) -> str:
    """The user of an interface, by the most reliable sign: type, requester, description, tags, attachment."""
    tags = interface.get("TagSet", ())
    if any(tag["Key"].startswith(_BERTHMASTER_TAGS) for tag in tags):
        return CANARIES
    known = _BY_INTERFACE_TYPE.get(interface.get("InterfaceType", "")) or _BY_REQUESTER.get(
        interface.get("RequesterId", "")
    )
    if known:
        return known
    managed_by_aws = interface.get("RequesterManaged", False)
    if interface.get("Status") == "available" and not managed_by_aws:
        return DETACHED
    return (
        _by_description(interface.get("Description", ""))
        or _by_instance(interface, tags)
        or (OTHER_AWS_SERVICES if managed_by_aws else OTHER)
    )


def _by_description(description: str) -> str:
    if _ECS_ATTACHMENT.match(description):
        return ECS_TASKS
    return next((who for beginning, who in _BY_DESCRIPTION if description.startswith(beginning)), "")


def _by_instance(interface: Interface, tags: Iterable[Mapping[str, str]]) -> str:
    # Prefixes are assigned on request only, and only container networks request them.
    if interface.get("Ipv4Prefixes") or any(tag["Key"].startswith(_KUBERNETES_TAGS) for tag in tags):
        return EKS_PODS_AND_NODES
    return EC2_INSTANCES if interface.get("Attachment", {}).get("InstanceId") else ""
