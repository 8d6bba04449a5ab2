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


class Census:
    """The interfaces of some subnets, counted in one pass; those of other subnets are passed over.

    A free prefix is an aligned /28 block that no private address, no prefix and no `explicit` reservation touches.
    The first and the last block never are: they hold the addresses AWS keeps for itself.
    """

    def __init__(self, subnets: Iterable[Subnet]) -> None:
        self._tallies = {subnet.id: _Tally.of(subnet) for subnet in subnets}
        self._instances: Counter[tuple[str, str]] = Counter()
        self._nodes: set[str] = set()

    def count(self, interfaces: Iterable[Interface]) -> None:
        """Add entries of DescribeNetworkInterfaces."""
        for interface in interfaces:
            tally = self._tallies.get(interface.get("SubnetId", ""))
            if tally is None:
                continue
            taken = tally.take(interface)
            who = holder(interface)
            instance = interface.get("Attachment", {}).get("InstanceId", "")
            if who == EC2_INSTANCES:
                self._instances[interface["SubnetId"], instance] += taken
            else:
                tally.holders[who] += taken
                if who == EKS_PODS_AND_NODES:
                    self._nodes.add(instance)

    def reserve(self, reservations: Iterable[Reservation]) -> None:
        """Take the blocks of `explicit` reservations; those for prefixes are there to be handed out."""
        for reservation in reservations:
            tally = self._tallies.get(reservation.subnet_id)
            if tally and reservation.kind == "explicit":
                tally.reserve(reservation)

    def holding_prefixes(self) -> set[str]:
        """The subnets in which somebody has a prefix."""
        return {subnet_id for subnet_id, tally in self._tallies.items() if tally.prefixes}

    def occupancy(self) -> dict[str, Occupancy]:
        """The result, by subnet."""
        # VPC CNI marks what it makes; a node's first interface comes with the instance and is unmarked.
        owners: dict[str, Counter[str]] = {subnet_id: Counter() for subnet_id in self._tallies}
        for (subnet_id, instance), taken in self._instances.items():
            owners[subnet_id][EKS_PODS_AND_NODES if instance in self._nodes else EC2_INSTANCES] += taken
        return {
            subnet_id: Occupancy(
                subnet_id=subnet_id,
                interfaces=tally.interfaces,
                held_prefixes=tally.prefixes,
                free_prefixes=tally.blocks.count(0),
                holders=dict((tally.holders + owners[subnet_id]).most_common()),
            )
            for subnet_id, tally in self._tallies.items()
        }


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

    def reserve(self, reservation: Reservation) -> None:
        first = int(reservation.cidr.network_address) - self.first_address
        start, end = first // PREFIX_SIZE, (first + reservation.cidr.num_addresses - 1) // PREFIX_SIZE + 1
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

    def _touch(self, address: str) -> None:
        block = (int.from_bytes(inet_aton(address)) - self.first_address) // PREFIX_SIZE
        if 0 <= block < len(self.blocks):
            self.blocks[block] = 1
