"""Connections: what security groups allow, what connection tracking remembers, and what each interface sees."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from simulator.aws.ec2.flow_logs.delivery import FlowLogs
from simulator.workload.traffic.connections import Answer, Connection, Outcome
from simulator.workload.traffic.groups import Party
from simulator.workload.traffic.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.cloud import Cloud

FIELDS = "${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${tcp-flags} ${flow-direction} "
FIELDS += "${pkt-srcaddr} ${pkt-dstaddr} ${action} ${log-status} ${start} ${end} ${packets}"
INTERNET = "203.0.113.9"
BUCKET = "flows-of-web"
DAY = 24 * 3600.0


@dataclass
class Scene:
    """A web server and a database, each with a group of its own, in a VPC that logs everything by the minute."""

    cloud: Cloud
    traffic: Traffic
    vpc_id: str
    subnet_id: str
    log_id: str
    groups: dict[str, str]
    interfaces: dict[str, str]

    @property
    def ec2(self) -> Any:
        return self.cloud.client("ec2")

    def allow(self, name: str, protocol: str = "tcp", port: int | tuple[int, int] = 443, **peer: str) -> str:
        """A rule for what comes in; returns its id. peer: as in IpPermissions."""
        return self._authorize(self.ec2.authorize_security_group_ingress, name, protocol, port, peer)

    def allow_out(self, name: str, protocol: str = "tcp", port: int | tuple[int, int] = 443, **peer: str) -> str:
        """The same for what goes out."""
        return self._authorize(self.ec2.authorize_security_group_egress, name, protocol, port, peer)

    def _authorize(self, call: Any, name: str, protocol: str, port: int | tuple[int, int], peer: dict[str, str]) -> str:
        first, last = port if isinstance(port, tuple) else (port, port)
        [(key, value)] = peer.items()
        member = {"CidrIp": "IpRanges", "CidrIpv6": "Ipv6Ranges", "GroupId": "UserIdGroupPairs"}
        permission: dict[str, Any] = {
            "IpProtocol": protocol,
            member.get(key, "PrefixListIds"): [{key: self.groups.get(value, value)}],
        }
        if protocol != "-1":
            permission |= {"FromPort": first, "ToPort": last}
        made = call(GroupId=self.groups[name], IpPermissions=[permission])
        identifier: str = made["SecurityGroupRules"][0]["SecurityGroupRuleId"]
        return identifier

    def close(self, name: str, rule: str, *, egress: bool = False) -> None:
        """Revoke a rule."""
        call = self.ec2.revoke_security_group_egress if egress else self.ec2.revoke_security_group_ingress
        call(GroupId=self.groups[name], SecurityGroupRuleIds=[rule])

    def close_egress(self, name: str) -> None:
        """Revoke the rule that lets everything out."""
        group = self.ec2.describe_security_groups(GroupIds=[self.groups[name]])["SecurityGroups"][0]
        self.ec2.revoke_security_group_egress(GroupId=self.groups[name], IpPermissions=group["IpPermissionsEgress"])

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.cloud.clock.run_until(self.cloud.clock.timestamp() + seconds)

    def records(self, name: str = "") -> list[dict[str, str]]:
        """All records that are delivered half an hour from now, of one interface or of all; NODATA left out."""
        self.run(1800)
        return [
            record
            for record in records(self.cloud)
            if record["log-status"] == "OK" and (not name or record["interface-id"] == self.interfaces[name])
        ]


def records(cloud: Cloud) -> Iterator[dict[str, str]]:
    """The records of all files in the bucket, by field."""
    s3 = cloud.client("s3")
    for item in s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        header, *lines = (
            gzip.decompress(s3.get_object(Bucket=BUCKET, Key=item["Key"])["Body"].read()).decode().split("\n")
        )
        for line in lines[:-1]:
            yield dict(zip(header.split(" "), line.split(" "), strict=True))


@pytest.fixture
def scene(cloud: Cloud) -> Scene:
    ec2 = cloud.client("ec2")
    cloud.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": cloud.region})
    vpc_id = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet_id = ec2.create_subnet(VpcId=vpc_id, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    groups, interfaces = {}, {}
    for name in ("web", "db"):
        group = ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc_id)["GroupId"]
        made = ec2.create_network_interface(SubnetId=subnet_id, Groups=[group])["NetworkInterface"]
        groups[name], interfaces[name] = group, made["NetworkInterfaceId"]
    [log_id] = ec2.create_flow_logs(
        ResourceIds=[vpc_id],
        ResourceType="VPC",
        TrafficType="ALL",
        LogDestinationType="s3",
        LogDestination=f"arn:aws:s3:::{BUCKET}",
        LogFormat=FIELDS,
        MaxAggregationInterval=60,
    )["FlowLogIds"]
    return Scene(cloud, Traffic(cloud), vpc_id, subnet_id, log_id, groups, interfaces)


def short(record: dict[str, str]) -> tuple[str, str, str]:
    return record["flow-direction"], record["tcp-flags"], record["action"]


# What groups allow


def test_a_reference_allows_members_by_their_private_addresses_only(scene: Scene) -> None:
    rule = scene.allow("db", port=5432, GroupId="web")
    web, db = scene.interfaces["web"], scene.interfaces["db"]
    inside = scene.traffic.connect(web, db, 5432)
    assert inside.outcome is Outcome.ANSWERED
    assert rule in inside.rules
    assert scene.traffic.connect(INTERNET, db, 5432).outcome is Outcome.REJECTED_AT_DESTINATION
    assert scene.traffic.connect(db, web, 5432).outcome is Outcome.REJECTED_AT_DESTINATION


def test_the_rules_of_all_groups_of_an_interface_count_and_each_that_matches_is_named(scene: Scene) -> None:
    scene.ec2.modify_network_interface_attribute(
        NetworkInterfaceId=scene.interfaces["db"], Groups=[scene.groups["db"], scene.groups["web"]]
    )
    wide, narrow = (
        scene.allow("db", port=(1, 6000), CidrIp="10.0.0.0/8"),
        scene.allow("web", port=5432, CidrIp="10.0.0.0/24"),
    )
    connection = scene.traffic.connect(scene.interfaces["web"], scene.interfaces["db"], 5432)
    assert {wide, narrow} <= connection.rules


def test_prefix_lists_ipv6_and_types_of_icmp(scene: Scene) -> None:
    made = scene.ec2.create_managed_prefix_list(
        PrefixListName="offices", AddressFamily="IPv4", MaxEntries=5, Entries=[{"Cidr": "203.0.113.0/24"}]
    )["PrefixList"]["PrefixListId"]
    db = scene.interfaces["db"]
    scene.cloud.interfaces[db].ipv6_addresses.append("2001:db8::1")
    by_list = scene.allow("db", port=22, PrefixListId=made)
    by_v6 = scene.allow("db", port=22, CidrIpv6="2001:db8:1::/48")
    scene.allow("db", protocol="icmp", port=(8, -1), CidrIp="0.0.0.0/0")
    assert by_list in scene.traffic.connect(INTERNET, db, 22).rules
    assert scene.traffic.connect("198.51.100.1", db, 22).rules == frozenset()
    at_v6 = Party("2001:db8::1", scene.cloud.interfaces[db])
    assert by_v6 in scene.traffic.connect("2001:db8:1::7", at_v6, 22).rules
    assert scene.traffic.connect(INTERNET, db, protocol=1).is_conversation
    assert not scene.traffic.connect(INTERNET, db, protocol=1, icmp=(13, 0)).is_conversation


# What interfaces see


def test_both_interfaces_see_a_connection_from_syn_to_fin(scene: Scene) -> None:
    scene.allow("db", port=5432, GroupId="web")
    scene.traffic.connect(scene.interfaces["web"], scene.interfaces["db"], 5432, lasts=5)
    seen = scene.records()
    assert sorted(short(one) for one in seen if one["interface-id"] == scene.interfaces["web"]) == [
        ("egress", "3", "ACCEPT"),
        ("ingress", "19", "ACCEPT"),
    ]
    assert sorted(short(one) for one in seen if one["interface-id"] == scene.interfaces["db"]) == [
        ("egress", "19", "ACCEPT"),
        ("ingress", "3", "ACCEPT"),
    ]


def test_a_long_connection_has_its_flags_where_they_were_and_none_in_between(scene: Scene) -> None:
    scene.allow("db", port=5432, GroupId="web")
    scene.traffic.connect(scene.interfaces["web"], scene.interfaces["db"], 5432, lasts=600, every=5)
    flags = [int(one["tcp-flags"]) for one in scene.records("db") if one["flow-direction"] == "ingress"]
    assert (flags[0], set(flags[1:-1]), flags[-1]) == (2, {0}, 1)
    assert len(flags) in (10, 11)
    packets = [int(one["packets"]) for one in scene.records("db") if one["flow-direction"] == "ingress"]
    assert sum(packets) == 121


def test_who_is_refused_or_not_heard_sends_syn_and_gets_rst_or_nothing(scene: Scene) -> None:
    scene.allow("web", port=(0, 65535), CidrIp="0.0.0.0/0")
    web = scene.interfaces["web"]
    scene.traffic.connect(INTERNET, web, 22, answer=Answer.REFUSES)
    scene.traffic.connect(INTERNET, web, 23, answer=Answer.NONE)
    scene.traffic.connect(INTERNET, scene.interfaces["db"], 23)
    seen = scene.records()
    assert sorted(short(one) for one in seen if "22" in (one["srcport"], one["dstport"])) == [
        ("egress", "4", "ACCEPT"),
        ("ingress", "2", "ACCEPT"),
    ]
    of_port_23 = [one for one in seen if "23" in (one["srcport"], one["dstport"])]
    assert sorted((one["interface-id"] == web, short(one)) for one in of_port_23) == [
        (False, ("ingress", "2", "REJECT")),
        (True, ("ingress", "2", "ACCEPT")),
    ]


def test_an_interface_that_may_not_send_is_the_only_one_that_sees_it(scene: Scene) -> None:
    scene.allow("db", port=5432, GroupId="web")
    scene.close_egress("web")
    refused = scene.traffic.connect(scene.interfaces["web"], scene.interfaces["db"], 5432)
    assert refused.outcome is Outcome.REJECTED_AT_SOURCE
    [record] = scene.records()
    assert (record["interface-id"], short(record)) == (scene.interfaces["web"], ("egress", "2", "REJECT"))


def test_secondary_addresses_are_shown_as_the_primary_one_with_the_own_one_in_the_packet(scene: Scene) -> None:
    db = scene.interfaces["db"]
    scene.ec2.assign_private_ip_addresses(NetworkInterfaceId=db, SecondaryPrivateIpAddressCount=1)
    eni = scene.cloud.interfaces[db]
    primary, secondary = (one["PrivateIpAddress"] for one in eni.private_ip_addresses)
    scene.allow("db", port=5432, CidrIp="10.0.0.0/24")
    scene.traffic.connect(scene.interfaces["web"], Party(secondary, eni), 5432)
    seen = {(one["interface-id"] == db, one["flow-direction"]): one for one in scene.records()}
    at_db, at_web = seen[True, "ingress"], seen[False, "egress"]
    assert (at_db["dstaddr"], at_db["pkt-dstaddr"]) == (primary, secondary)
    assert (at_web["dstaddr"], at_web["pkt-dstaddr"]) == (secondary, secondary)


def test_icmp_has_no_ports_and_udp_no_flags(scene: Scene) -> None:
    scene.allow("db", protocol="icmp", port=(-1, -1), CidrIp="10.0.0.0/24")
    scene.allow("db", protocol="udp", port=514, CidrIp="10.0.0.0/24")
    web, db = scene.interfaces["web"], scene.interfaces["db"]
    scene.traffic.connect(web, db, protocol=1)
    scene.traffic.connect(web, db, 514, protocol=17)
    seen = {one["protocol"]: one for one in scene.records("db") if one["flow-direction"] == "ingress"}
    assert (seen["1"]["srcport"], seen["1"]["dstport"]) == ("0", "0")
    assert (seen["17"]["dstport"], seen["17"]["tcp-flags"]) == ("514", "0")


def test_dns_metadata_time_and_dhcp_are_never_logged(scene: Scene) -> None:
    web = scene.interfaces["web"]
    for address, port, protocol in (
        ("10.0.0.2", 53, 17),
        ("169.254.169.254", 80, 6),
        ("169.254.169.123", 123, 17),
        ("10.0.0.1", 67, 17),
    ):
        scene.traffic.connect(web, address, port, protocol=protocol)
    scene.traffic.connect(web, "8.8.8.8", 53, protocol=17)
    assert {one["dstaddr"] for one in scene.records() if one["flow-direction"] == "egress"} == {"8.8.8.8"}


# Connection tracking


def last_packet(connection: Connection) -> float:
    return max(packets.last for side in connection.sides for packets in side.packets if packets.is_accepted)


def test_a_tracked_connection_survives_its_rule_and_an_untracked_one_breaks_at_once(scene: Scene) -> None:
    tracked_by, untracked_by = scene.allow("db", port=5432, GroupId="web"), scene.allow("web", CidrIp="0.0.0.0/0")
    web, db = scene.interfaces["web"], scene.interfaces["db"]
    tracked = scene.traffic.connect(web, db, 5432, lasts=2 * DAY, every=60)
    untracked = scene.traffic.connect(INTERNET, web, 443, lasts=2 * DAY, every=60)
    scene.run(DAY)
    before = scene.cloud.clock.timestamp()
    scene.close("db", tracked_by)
    scene.close("web", untracked_by)
    scene.run(2 * DAY)
    assert last_packet(tracked) > before + DAY * 0.99
    assert before - 60 <= last_packet(untracked) <= before
    assert scene.traffic.connect(web, db, 5432).outcome is Outcome.REJECTED_AT_DESTINATION
    rejected = [one for one in scene.records("web") if one["action"] == "REJECT" and one["dstport"] == "443"]
    assert {(one["flow-direction"], one["tcp-flags"]) for one in rejected} == {("ingress", "0")}


def test_the_rule_for_replies_of_an_untracked_connection_carries_them(scene: Scene) -> None:
    opens = scene.allow("web", CidrIp="0.0.0.0/0")
    connection = scene.traffic.connect(INTERNET, scene.interfaces["web"], 443, lasts=DAY, every=60)
    [side] = connection.sides
    assert not side.admission.is_tracked
    assert side.admission.rules == {opens}
    assert len(side.admission.replies) == 1
    scene.run(3600)
    scene.close_egress("web")
    assert connection.ends == scene.cloud.clock.timestamp()
    rejected = [one for one in scene.records("web") if one["action"] == "REJECT"]
    assert {one["flow-direction"] for one in rejected} == {"egress"}


def test_a_connection_that_is_idle_for_longer_than_the_timeout_is_forgotten(scene: Scene) -> None:
    rule = scene.allow("db", port=514, protocol="udp", CidrIp="10.0.0.0/24")
    web, db = scene.interfaces["web"], scene.interfaces["db"]
    scene.close_egress("db")
    rare = scene.traffic.connect(web, db, 514, protocol=17, lasts=DAY, every=600)
    frequent = scene.traffic.connect(web, db, 514, protocol=17, lasts=DAY, every=100)
    scene.run(3650)
    scene.close("db", rule)
    scene.run(2 * DAY)
    assert rare.is_broken
    assert not frequent.is_broken


def test_an_interface_may_have_a_timeout_of_its_own(scene: Scene) -> None:
    rule = scene.allow("db", port=5432, GroupId="web")
    scene.close_egress("db")
    web, db = scene.interfaces["web"], scene.interfaces["db"]
    scene.ec2.modify_network_interface_attribute(
        NetworkInterfaceId=db, ConnectionTrackingSpecification={"TcpEstablishedTimeout": 350}
    )
    rare = scene.traffic.connect(web, db, 5432, lasts=DAY, every=600)
    frequent = scene.traffic.connect(web, db, 5432, lasts=DAY, every=300)
    scene.close("db", rule)
    assert (rare.is_broken, frequent.is_broken) == (True, False)


def test_connections_end_with_their_interface(scene: Scene) -> None:
    scene.allow("db", port=5432, GroupId="web")
    connection = scene.traffic.connect(scene.interfaces["web"], scene.interfaces["db"], 5432, lasts=DAY, every=60)
    scene.run(3600)
    scene.ec2.delete_network_interface(NetworkInterfaceId=scene.interfaces["db"])
    assert connection.ends == scene.cloud.clock.timestamp()
    assert {one["tcp-flags"] for one in scene.records("web")} == {"0", "2", "18"}


def test_a_seed_repeats_the_traffic(scene: Scene) -> None:
    ports = [scene.traffic.connect(INTERNET, scene.interfaces["web"], port).source_port for port in range(5)]
    assert len(set(ports)) == 5
    assert scene.cloud.state(FlowLogs).keys() == {scene.log_id}
