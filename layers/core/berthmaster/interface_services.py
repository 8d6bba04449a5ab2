"""Which service a network interface belongs to, by what EC2 says of it."""

import re
from collections.abc import Mapping

ECS_TASKS = "ECS tasks"
EC2_INSTANCES = "EC2 instances"
EKS_PODS_AND_NODES = "EKS pods and nodes"
EKS_CONTROL_PLANE = "EKS control plane"
LAMBDA = "Lambda"
LOAD_BALANCERS = "load balancers"
VPC_ENDPOINTS = "VPC endpoints"
RDS = "RDS"
ELASTICACHE = "ElastiCache"
EFS = "EFS"
REDSHIFT = "Redshift"
OPENSEARCH = "OpenSearch"
DAX = "DynamoDB Accelerator"
NAT_GATEWAYS = "NAT gateways"
TRANSIT_GATEWAYS = "transit gateways"

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
    "amazon-redshift": REDSHIFT,
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
    ("DAX", DAX),
    ("EFS mount target", EFS),
    ("RedshiftNetworkInterface", REDSHIFT),
    ("ES ", OPENSEARCH),
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
KUBERNETES_TAGS = (
    "cluster.k8s.amazonaws.com/",
    "node.k8s.amazonaws.com/",
    "vpcresources.k8s.aws/",
    "kubernetes.io/cluster/",
    "eks:",
    "karpenter.sh/",
)
_CLUSTER_TAGS = ("cluster.k8s.amazonaws.com/name", "eks:eks-cluster-name", "eks:cluster-name")
"""Tags whose value is the name of a cluster: VPC CNI's, EKS Auto Mode's, managed node groups'."""
_CLUSTER_KEY = "kubernetes.io/cluster/"


def service_by_type(interface_type: str, requester: str) -> str:
    """By the most reliable signs, InterfaceType and RequesterId; "" if they do not tell."""
    return _BY_INTERFACE_TYPE.get(interface_type, "") or _BY_REQUESTER.get(requester, "")


def service_by_description(description: str) -> str:
    """By what services write into the Description; "" if it does not tell."""
    if _ECS_ATTACHMENT.match(description):
        return ECS_TASKS
    return next((who for beginning, who in _BY_DESCRIPTION if description.startswith(beginning)), "")


def eks_cluster(tags: Mapping[str, str]) -> str:
    """The EKS cluster whose pods or node the interface belongs to; "" if no tag names it."""
    named = next((tags[key] for key in _CLUSTER_TAGS if key in tags), "")
    return named or next((key.removeprefix(_CLUSTER_KEY) for key in sorted(tags) if key.startswith(_CLUSTER_KEY)), "")
