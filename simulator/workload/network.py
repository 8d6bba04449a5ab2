"""Networks to simulate on, built as the VPC guide recommends: zones, subnets, routes by zone, an ACL, tags."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any, Self

from simulator.aws.ec2.lookup import acl_association, find_subnet, subnets_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from simulator.cloud import Cloud

MANAGED = {"berthmaster:capacity": "managed"}


@dataclass
class Network:
    """A VPC whose every zone has a public subnet with a NAT gateway and a route table that leads through it.

    >>> network = Network.create(cloud, "10.0.0.0/20", public="10.0.15.0/26")
    >>> subnet_id = network.subnet("a", "10.0.0.0/26")

    Zones are named by their letter. A subnet gets its zone's route table, the network's own ACL and, if `managed`, the
    tag that lets Berthmaster act.
    """

    cloud: Cloud
    vpc_id: str
    managed: bool
    acl_id: str
    security_group_id: str
    route_tables: dict[str, str] = field(default_factory=dict)
    subnets: dict[str, str] = field(default_factory=dict)

    @classmethod
    def create(
        cls,
        cloud: Cloud,
        cidr: str = "10.0.0.0/16",
        *,
        name: str = "web",
        zones: Sequence[str] = ("a", "b", "c"),
        public: str = "",
        managed: bool = True,
        tags: Mapping[str, str] | None = None,
    ) -> Self:
        """Build the VPC and, inside the block `public`, a subnet with a NAT gateway for each zone.

        Without `public` the route tables have no route out of the VPC.
        """
        ec2 = cloud.client("ec2")
        all_tags = {"Name": name, **(MANAGED if managed else {}), **(tags or {})}
        vpc_id = ec2.create_vpc(CidrBlock=cidr, TagSpecifications=_tagged("vpc", all_tags))["Vpc"]["VpcId"]
        acl_id = _open_acl(cloud, vpc_id, name)
        group = ec2.create_security_group(GroupName=f"{name}-tasks", Description="tasks", VpcId=vpc_id)
        network = cls(cloud, vpc_id, managed, acl_id, group["GroupId"])
        for zone in zones:
            table = ec2.create_route_table(
                VpcId=vpc_id, TagSpecifications=_tagged("route-table", {"Name": f"{name}-{zone}"})
            )
            network.route_tables[zone] = table["RouteTable"]["RouteTableId"]
        if public:
            network._add_gateways(public)
        return network

    def subnet(self, zone: str, cidr: str, *, tags: Mapping[str, str] | None = None, name: str = "") -> str:
        """Add a private subnet; returns its id."""
        ec2 = self.cloud.client("ec2")
        all_tags = {"Name": name or f"tasks-{zone}", **(MANAGED if self.managed else {}), **(tags or {})}
        subnet_id: str = ec2.create_subnet(
            VpcId=self.vpc_id,
            CidrBlock=cidr,
            AvailabilityZone=f"{self.cloud.region}{zone}",
            TagSpecifications=_tagged("subnet", all_tags),
        )["Subnet"]["SubnetId"]
        ec2.associate_route_table(RouteTableId=self.route_tables[zone], SubnetId=subnet_id)
        ec2.replace_network_acl_association(
            AssociationId=acl_association(self.cloud, subnet_id), NetworkAclId=self.acl_id
        )
        self.subnets[subnet_id] = zone
        return subnet_id

    def occupy(
        self,
        subnet_id: str,
        *,
        leave: int,
        description: str = "somebody else's",
        requester: str = "",
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Take addresses of a subnet with single interfaces until only `leave` are free.

        requester: who has made and attached them, such as `amazon-rds`; nobody unless given.
        """
        tagging = {"TagSpecifications": _tagged("network-interface", tags)} if tags else {}
        for _ in range(self.free(subnet_id) - leave):
            made = self.cloud.client("ec2").create_network_interface(
                SubnetId=subnet_id,
                Description=description,
                **tagging,
            )
            if requester:
                interface = self.cloud.interfaces[made["NetworkInterface"]["NetworkInterfaceId"]]
                interface.status, interface.requester_id = "in-use", requester
                interface.requester_managed = True

    def release(self, subnet_id: str, *, description: str = "somebody else's") -> None:
        """Delete the single interfaces of a subnet again."""
        ec2 = self.cloud.client("ec2")
        filters = [{"Name": "subnet-id", "Values": [subnet_id]}, {"Name": "description", "Values": [description]}]
        for interface in ec2.describe_network_interfaces(Filters=filters)["NetworkInterfaces"]:
            ec2.delete_network_interface(NetworkInterfaceId=interface["NetworkInterfaceId"])

    def free(self, subnet_id: str) -> int:
        """Free addresses of a subnet."""
        return self.cloud.interfaces.pool_of(find_subnet(self.cloud, subnet_id)).free

    def free_by_subnet(self) -> dict[str, int]:
        """Free addresses of every subnet of the VPC, those that Berthmaster added too."""
        return {subnet.id: self.free(subnet.id) for subnet in subnets_of(self.cloud, self.vpc_id)}

    def network_configuration(self, *subnet_ids: str) -> dict[str, Any]:
        """The awsvpc configuration of a service in these subnets, in all private ones if none is named."""
        subnets = list(subnet_ids or self.subnets)
        return {"awsvpcConfiguration": {"subnets": subnets, "securityGroups": [self.security_group_id]}}

    def _add_gateways(self, public: str) -> None:
        ec2 = self.cloud.client("ec2")
        internet = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=internet, VpcId=self.vpc_id)
        outside = ec2.create_route_table(VpcId=self.vpc_id)["RouteTable"]["RouteTableId"]
        ec2.create_route(RouteTableId=outside, DestinationCidrBlock="0.0.0.0/0", GatewayId=internet)
        for (zone, table), cidr in zip(self.route_tables.items(), _parts(public), strict=False):
            subnet_id = ec2.create_subnet(
                VpcId=self.vpc_id,
                CidrBlock=cidr,
                AvailabilityZone=f"{self.cloud.region}{zone}",
                TagSpecifications=_tagged("subnet", {"Name": f"public-{zone}"}),
            )["Subnet"]["SubnetId"]
            ec2.associate_route_table(RouteTableId=outside, SubnetId=subnet_id)
            address = ec2.allocate_address(Domain="vpc")["AllocationId"]
            nat = ec2.create_nat_gateway(SubnetId=subnet_id, AllocationId=address)["NatGateway"]["NatGatewayId"]
            ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat)


def _open_acl(cloud: Cloud, vpc_id: str, name: str) -> str:
    ec2 = cloud.client("ec2")
    tags = _tagged("network-acl", {"Name": name})
    acl_id: str = ec2.create_network_acl(VpcId=vpc_id, TagSpecifications=tags)["NetworkAcl"]["NetworkAclId"]
    for egress in (False, True):
        ec2.create_network_acl_entry(
            NetworkAclId=acl_id, RuleNumber=100, Protocol="-1", RuleAction="allow", Egress=egress, CidrBlock="0.0.0.0/0"
        )
    return acl_id


def _parts(cidr: str) -> Iterator[str]:
    """/28s of a block, as many as it has."""
    return (str(part) for part in IPv4Network(cidr).subnets(new_prefix=28))


def _tagged(resource_type: str, tags: Mapping[str, str]) -> list[dict[str, Any]]:
    pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
    return [{"ResourceType": resource_type, "Tags": pairs}]
