"""Who holds the addresses of a subnet, and how many whole /28 blocks are left in it.

EC2 tells the number of free addresses but not the number of free prefixes, and a subnet with thousands of free
addresses may have no free /28 block. Both are counted here from DescribeNetworkInterfaces as it comes, page by page:
an account has tens of thousands of interfaces, so none of them becomes an object.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from socket import inet_aton
from typing import Any

from berthmaster.capacity.model import PREFIX_SIZE, Occupancy, Reservation, Subnet

ECS_TASKS = "ECS tasks"
EKS_PODS_AND_NODES = "EKS pods and nodes"
EKS_CONTROL_PLANE = "EKS control plane"
EC2_INSTANCES = "EC2 instances"
LAMBDA = "Lambda"
LOAD_BALANCERS = "load balancers"
NAT_GATEWAYS = "NAT gateways"
VPC_ENDPOINTS = "VPC endpoints"
TRANSIT_GATEWAYS = "transit gateways"
RDS = "RDS"
ELASTICACHE = "ElastiCache"
DETACHED = "detached interfaces"
CANARIES = "Berthmaster's canaries"
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
# What services write into the Description of the interfaces they make; most leave InterfaceType at "interface".
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

type Interface = Mapping[str, Any]
"""One entry of DescribeNetworkInterfaces."""


def occupancy(
    subnets: Iterable[Subnet], interfaces: Iterable[Interface], reservations: Iterable[Reservation] = ()
) -> dict[str, Occupancy]:
    """Count the interfaces of each subnet in one pass; interfaces of other subnets are passed over.

    A free prefix is an aligned /28 block that no private address, no prefix and no `explicit` reservation touches.
    The first and the last block never are: they hold the addresses AWS keeps for itself.
    """
    tallies = {subnet.id: _Tally.of(subnet) for subnet in subnets}
    for reservation in reservations:
        tally = tallies.get(reservation.subnet_id)
        if tally and reservation.kind == "explicit":
            tally.take_range(int(reservation.cidr.network_address), reservation.cidr.num_addresses)
    instances: Counter[tuple[str, str]] = Counter()
    nodes: set[str] = set()
    for interface in interfaces:
        tally = tallies.get(interface.get("SubnetId", ""))
        if tally is None:
            continue
        taken = tally.take(interface)
        who = holder(interface)
        instance = interface.get("Attachment", {}).get("InstanceId", "")
        if who == EC2_INSTANCES:
            instances[interface["SubnetId"], instance] += taken
        else:
            tally.holders[who] += taken
            if who == EKS_PODS_AND_NODES:
                nodes.add(instance)
    # VPC CNI marks what it makes; a node's first interface comes with the instance and is unmarked.
    for (subnet_id, instance), taken in instances.items():
        tallies[subnet_id].holders[EKS_PODS_AND_NODES if instance in nodes else EC2_INSTANCES] += taken
    return {subnet_id: tally.result(subnet_id) for subnet_id, tally in tallies.items()}


def holder(interface: Interface) -> str:
    """Whose interface it is, by the surest sign it carries: type, requester, description, tags, attachment."""
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
        _described(interface.get("Description", ""))
        or _on_instance(interface, tags)
        or (OTHER_AWS_SERVICES if managed_by_aws else OTHER)
    )


def _described(description: str) -> str:
    if _ECS_ATTACHMENT.match(description):
        return ECS_TASKS
    return next((who for beginning, who in _BY_DESCRIPTION if description.startswith(beginning)), "")


def _on_instance(interface: Interface, tags: Iterable[Mapping[str, str]]) -> str:
    # Prefixes are assigned on request only, and it is container networks that ask for them.
    if interface.get("Ipv4Prefixes") or any(tag["Key"].startswith(_KUBERNETES_TAGS) for tag in tags):
        return EKS_PODS_AND_NODES
    return EC2_INSTANCES if interface.get("Attachment", {}).get("InstanceId") else ""


@dataclass(slots=True)
class _Tally:
    """The count of one subnet; `blocks` has one byte per /28, 1 once something touches it."""

    first_address: int
    blocks: bytearray
    interfaces: int = 0
    prefixes: int = 0
    holders: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, subnet: Subnet) -> "_Tally":
        tally = cls(int(subnet.cidr.network_address), bytearray(subnet.cidr.num_addresses // PREFIX_SIZE))
        tally.blocks[0] = tally.blocks[-1] = 1
        return tally

    def take_range(self, first: int, addresses: int) -> None:
        start = (first - self.first_address) // PREFIX_SIZE
        end = (first + addresses - 1 - self.first_address) // PREFIX_SIZE + 1
        self.blocks[start:end] = b"\1" * (end - start)

    def take(self, interface: Interface) -> int:
        """Count the interface in; the number of its addresses, 16 for a prefix."""
        self.interfaces += 1
        addresses = interface.get("PrivateIpAddresses", ())
        for address in addresses:
            self._touch(address["PrivateIpAddress"])
        prefixes = interface.get("Ipv4Prefixes", ())
        for prefix in prefixes:
            self._touch(prefix["Ipv4Prefix"].partition("/")[0])
        self.prefixes += len(prefixes)
        return len(addresses) + PREFIX_SIZE * len(prefixes)

    def result(self, subnet_id: str) -> Occupancy:
        return Occupancy(
            subnet_id=subnet_id,
            interfaces=self.interfaces,
            held_prefixes=self.prefixes,
            free_prefixes=self.blocks.count(0),
            holders=dict(self.holders.most_common()),
        )

    def _touch(self, address: str) -> None:
        block = (int.from_bytes(inet_aton(address)) - self.first_address) // PREFIX_SIZE
        if 0 <= block < len(self.blocks):
            self.blocks[block] = 1
