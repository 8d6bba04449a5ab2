"""Network ACLs refuse packets between subnets, both ways, and flow logs show it as they show what groups reject."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from simulator.aws.ec2.network_acls import refuses
from simulator.workload.traffic.connections import Connection, Outcome
from simulator.workload.traffic.traffic import Traffic

if TYPE_CHECKING:
    from simulator.cloud import Cloud

ANYWHERE = "0.0.0.0/0"
DAY = 24 * 3600.0


@dataclass
class Scene:
    """Interfaces in two subnets of a VPC, whose group allows everything, with an ACL for each subnet."""

    cloud: Cloud
    traffic: Traffic
    vpc_id: str
    subnets: list[str]
    interfaces: list[str]
    acls: list[str]

    @property
    def ec2(self) -> Any:
        return self.cloud.client("ec2")

    def entry(self, which: int, number: int, action: str, *, egress: bool = False, **asked: Any) -> None:
        """An entry of the first ACL or the second; for TCP from anywhere if nothing else is asked for."""
        self.ec2.create_network_acl_entry(
            NetworkAclId=self.acls[which],
            RuleNumber=number,
            RuleAction=action,
            Egress=egress,
            **{"Protocol": "6", "CidrBlock": ANYWHERE, "PortRange": {"From": 0, "To": 65535}, **asked},
        )

    def connect(self, port: int = 443, **asked: Any) -> Connection:
        """From the first subnet to the second."""
        source, destination = self.interfaces
        return self.traffic.connect(source, destination, port, **asked)


def rejected(connection: Connection) -> list[tuple[str, bool, tuple[int, int]]]:
    """What interfaces reject of a connection: which, whether it comes in, and with which flags."""
    return [
        (side.own.address, packets.is_ingress, packets.flags)
        for side in connection.sides
        for packets in side.packets
        if not packets.is_accepted
    ]


@pytest.fixture
def scene(cloud: Cloud) -> Scene:
    ec2 = cloud.client("ec2")
    vpc_id = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    group = ec2.create_security_group(GroupName="all", Description="all", VpcId=vpc_id)["GroupId"]
    everything: Any = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "10.0.0.0/16"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[everything])
    subnets, interfaces, acls = [], [], []
    for number in range(2):
        subnet = ec2.create_subnet(VpcId=vpc_id, CidrBlock=f"10.0.{number}.0/24")["Subnet"]["SubnetId"]
        made = ec2.create_network_interface(SubnetId=subnet, Groups=[group])["NetworkInterface"]
        acl = ec2.create_network_acl(VpcId=vpc_id)["NetworkAcl"]["NetworkAclId"]
        [default] = ec2.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": [subnet]}])[
            "NetworkAcls"
        ]
        [own] = [one for one in default["Associations"] if one["SubnetId"] == subnet]
        ec2.replace_network_acl_association(AssociationId=own["NetworkAclAssociationId"], NetworkAclId=acl)
        subnets.append(subnet)
        interfaces.append(made["NetworkInterfaceId"])
        acls.append(acl)
    scene = Scene(cloud, Traffic(cloud), vpc_id, subnets, interfaces, acls)
    for egress in (False, True):
        scene.entry(0, 100, "allow", egress=egress)
        scene.entry(1, 100, "allow", egress=egress)
    return scene


def test_the_first_entry_that_matches_decides_and_without_any_a_packet_is_refused(scene: Scene) -> None:
    assert scene.connect().outcome is Outcome.ANSWERED
    scene.entry(1, 50, "deny", PortRange={"From": 443, "To": 443})
    scene.entry(1, 60, "allow", PortRange={"From": 443, "To": 443})
    denied = scene.connect()
    assert denied.outcome is Outcome.REJECTED_AT_DESTINATION
    assert [(is_ingress, flags) for _, is_ingress, flags in rejected(denied)] == [(True, (2, 2))]
    assert scene.connect(444).outcome is Outcome.ANSWERED
    assert scene.connect(53, protocol=17).outcome is Outcome.REJECTED_AT_SOURCE


def test_answers_are_refused_where_they_leave_their_subnet(scene: Scene) -> None:
    scene.entry(1, 50, "deny", egress=True, PortRange={"From": 1024, "To": 65535})
    connection = scene.connect()
    assert connection.outcome is Outcome.UNANSWERED
    destination = connection.sides[1].own.address
    assert rejected(connection) == [(destination, False, (18, 18))]


def test_packets_within_a_subnet_never_meet_its_acl(scene: Scene) -> None:
    scene.entry(0, 50, "deny")
    scene.entry(0, 50, "deny", egress=True)
    [own] = scene.ec2.describe_network_interfaces(NetworkInterfaceIds=scene.interfaces[:1])["NetworkInterfaces"]
    made = scene.ec2.create_network_interface(SubnetId=scene.subnets[0], Groups=[own["Groups"][0]["GroupId"]])
    neighbour = made["NetworkInterface"]["NetworkInterfaceId"]
    assert scene.traffic.connect(scene.interfaces[0], neighbour, 443).outcome is Outcome.ANSWERED
    assert scene.connect().outcome is Outcome.REJECTED_AT_SOURCE


def test_an_entry_that_is_added_ends_connections(scene: Scene) -> None:
    connection = scene.connect(lasts=DAY, every=60)
    scene.cloud.clock.run_until(scene.cloud.clock.timestamp() + 3600)
    scene.entry(1, 50, "deny", PortRange={"From": 443, "To": 443})
    assert connection.ends == scene.cloud.clock.timestamp()
    assert [is_ingress for _, is_ingress, _ in rejected(connection)] == [True]


def test_types_of_icmp_and_ipv6_are_told_apart(scene: Scene) -> None:
    echo = {"Type": 8, "Code": -1}
    scene.entry(0, 70, "allow", egress=True, Protocol="1", IcmpTypeCode=echo)
    asked = {"is_ingress": False, "protocol": 1, "port": 0}
    subnet = scene.subnets[0]
    assert not refuses(scene.cloud, subnet, "10.0.1.9", icmp=(8, 0), **asked)
    assert refuses(scene.cloud, subnet, "10.0.1.9", icmp=(3, 1), **asked)
    assert refuses(scene.cloud, subnet, "2001:db8::1", is_ingress=True, protocol=6, port=443)


def test_a_default_acl_allows_the_ipv6_of_a_vpc_that_is_given_some(cloud: Cloud) -> None:
    ec2 = cloud.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", AmazonProvidedIpv6CidrBlock=True)["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    [acl] = ec2.describe_network_acls(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["NetworkAcls"]
    ipv6 = [(one["RuleNumber"], one["RuleAction"]) for one in acl["Entries"] if "Ipv6CidrBlock" in one]
    assert sorted(ipv6) == [(101, "allow"), (101, "allow"), (32768, "deny"), (32768, "deny")]
    assert not refuses(cloud, subnet, "2001:db8::1", is_ingress=True, protocol=6, port=443)
