"""Files that users make with the AWS CLI, whole and broken."""

import json
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from berthmaster.errors import InvalidInput
from berthmaster.security_groups.model.rules import (
    ALL_PORTS,
    ANY,
    Direction,
    Group,
    GroupReference,
    PrefixList,
    PrefixListReference,
    Rule,
)
from berthmaster.security_groups.model.topology import FlowLog, Interface, Span, Vpc
from berthmaster.security_groups.observe.cli_topology import read_topology
from tests.support.json_values import JSON, changed, paths_of


def _rule(number: int, **fields: Any) -> dict[str, Any]:
    fixed = {"SecurityGroupRuleId": f"sgr-{number}", "GroupId": "sg-a", "GroupOwnerId": "1", "IsEgress": False}
    return fixed | {"FromPort": -1, "ToPort": -1} | fields


FILES: dict[str, dict[str, Any]] = {
    "network-interfaces.json": {
        "NetworkInterfaces": [
            {
                "NetworkInterfaceId": "eni-1",
                "VpcId": "vpc-1",
                "SubnetId": "subnet-1",
                "OwnerId": "1",
                "Groups": [{"GroupId": "sg-b", "GroupName": "b"}, {"GroupId": "sg-a", "GroupName": "a"}],
                "PrivateIpAddress": "10.0.0.4",
                "PrivateIpAddresses": [
                    {"Primary": True, "PrivateIpAddress": "10.0.0.4", "Association": {"PublicIp": "54.0.0.1"}},
                    {"Primary": False, "PrivateIpAddress": "10.0.0.9"},
                ],
                "Ipv6Addresses": [{"Ipv6Address": "2001:db8::4", "IsPrimaryIpv6": False}],
                "Ipv4Prefixes": [{"Ipv4Prefix": "10.0.0.16/28"}],
                "Ipv6Prefixes": [{"Ipv6Prefix": "2001:db8:0:0:1::/80"}],
                "InterfaceType": "efa",
                "Description": "node",
                "RequesterId": "AROA",
                "Attachment": {"AttachTime": "2026-01-01T00:00:00+00:00", "InstanceId": "i-1"},
                "TagSet": [{"Key": "team", "Value": "a"}],
            },
            {"NetworkInterfaceId": "eni-2", "VpcId": "vpc-1"},
        ]
    },
    "security-groups.json": {
        "SecurityGroups": [
            {
                "GroupId": "sg-a",
                "GroupName": "a",
                "VpcId": "vpc-1",
                "OwnerId": "1",
                "Description": "first",
                "IpPermissions": [{"IpProtocol": "tcp", "IpRanges": [{"CidrIp": "10.0.0.0/8"}], "Ipv6Ranges": []}],
                "IpPermissionsEgress": [{"IpProtocol": "-1", "PrefixListIds": [{"PrefixListId": "pl-1"}]}],
                "Tags": [{"Key": "berthmaster:keep", "Value": "yearly"}],
            }
        ]
    },
    "security-group-rules.json": {
        "SecurityGroupRules": [
            _rule(1, IpProtocol="tcp", FromPort=443, ToPort=445, CidrIpv4="10.1.2.3/8", Description="web"),
            _rule(2, IpProtocol="-1", CidrIpv6="::/0", IsEgress=True),
            _rule(3, IpProtocol="icmp", FromPort=8, PrefixListId="pl-1"),
            _rule(4, IpProtocol="17", ReferencedGroupInfo={"GroupId": "sg-x", "UserId": "2", "VpcId": "vpc-2"}),
            _rule(5, IpProtocol="50", CidrIpv4="10.0.0.0/8"),
        ]
    },
    "prefix-lists/pl-1.json": {"Entries": [{"Cidr": "192.0.2.0/24", "Description": "office"}]},
    "flow-logs.json": {
        "FlowLogs": [
            {
                "FlowLogId": "fl-1",
                "ResourceId": "vpc-1",
                "TrafficType": "REJECT",
                "MaxAggregationInterval": 60,
                "LogFormat": "${srcaddr} ${dstaddr} ${pkt-srcaddr}",
                "FlowLogStatus": "ACTIVE",
                "DeliverLogsStatus": "FAILED",
                "DeliverLogsErrorMessage": "Access error",
                "LogDestination": "arn:aws:s3:::logs",
                "CreationTime": "2026-01-01T00:00:00+00:00",
            }
        ]
    },
    "vpcs.json": {
        "Vpcs": [
            {
                "VpcId": "vpc-1",
                "OwnerId": "1",
                "CidrBlock": "10.0.0.0/16",
                "CidrBlockAssociationSet": [{"CidrBlock": "10.0.0.0/16"}, {"CidrBlock": "100.64.0.0/16"}],
                "Ipv6CidrBlockAssociationSet": [{"Ipv6CidrBlock": "2001:db8::/56"}],
            }
        ]
    },
}


def _written(directory: Path, files: dict[str, Any] = FILES, encoding: str = "utf-8") -> Path:
    for name, content in files.items():
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(json.dumps(content), encoding)
    return directory


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_all_files_are_read_whatever_shell_wrote_them(tmp_path: Path, encoding: str) -> None:
    topology, gaps = read_topology(_written(tmp_path, encoding=encoding))

    assert gaps == ()
    assert topology.interfaces["eni-1"] == (
        Span(
            Interface(
                id="eni-1",
                vpc="vpc-1",
                subnet="subnet-1",
                owner="1",
                groups=("sg-a", "sg-b"),
                addresses=(ip_address("10.0.0.4"), ip_address("10.0.0.9"), ip_address("2001:db8::4")),
                prefixes=(ip_network("10.0.0.16/28"), ip_network("2001:db8:0:0:1::/80")),
                kind="efa",
                description="node",
                requester="AROA",
                instance="i-1",
                tags=(("team", "a"),),
            )
        ),
    )
    assert topology.interfaces["eni-2"] == (Span(Interface(id="eni-2", vpc="vpc-1")),)
    tags = (("berthmaster:keep", "yearly"),)
    assert topology.groups["sg-a"] == Group(id="sg-a", name="a", vpc="vpc-1", owner="1", description="first", tags=tags)
    peers = [
        ("sgr-1", Direction.INGRESS, 6, (443, 445), (ANY, ANY), ip_network("10.0.0.0/8"), "web"),
        ("sgr-2", Direction.EGRESS, ANY, ALL_PORTS, (ANY, ANY), ip_network("::/0"), ""),
        ("sgr-3", Direction.INGRESS, 1, ALL_PORTS, (8, ANY), PrefixListReference("pl-1"), ""),
        ("sgr-4", Direction.INGRESS, 17, ALL_PORTS, (ANY, ANY), GroupReference("sg-x", "2", "vpc-2"), ""),
        ("sgr-5", Direction.INGRESS, 50, ALL_PORTS, (ANY, ANY), ip_network("10.0.0.0/8"), ""),
    ]
    assert list(topology.rules.values()) == [
        (Span(Rule(id=id_, group="sg-a", direction=way, protocol=n, ports=p, icmp=icmp, peer=peer, description=text)),)
        for id_, way, n, p, icmp, peer, text in peers
    ]
    assert topology.prefix_lists["pl-1"] == (
        Span(PrefixList(id="pl-1", entries=frozenset({ip_network("192.0.2.0/24")}))),
    )
    assert topology.flow_logs == {
        "fl-1": FlowLog(
            id="fl-1",
            resource="vpc-1",
            traffic_type="REJECT",
            aggregation=60,
            fields=("srcaddr", "dstaddr", "pkt-srcaddr"),
            failure="Access error",
            destination="arn:aws:s3:::logs",
        )
    }
    blocks = ("10.0.0.0/16", "100.64.0.0/16", "2001:db8::/56")
    assert topology.vpcs["vpc-1"] == Vpc(id="vpc-1", owner="1", cidrs=tuple(map(ip_network, blocks)))


def test_three_files_are_enough(tmp_path: Path) -> None:
    needed = {name: FILES[name] for name in list(FILES)[:3]}
    topology, _ = read_topology(_written(tmp_path, needed))

    assert topology.flow_logs is None
    assert (topology.vpcs, topology.prefix_lists) == ({}, {})


@pytest.mark.parametrize("name", list(FILES)[:3])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    (_written(tmp_path) / name).unlink()

    with pytest.raises(InvalidInput, match=rf"{name}: is missing"):
        read_topology(tmp_path)


def test_what_the_files_lack_of_each_other_is_said(tmp_path: Path) -> None:
    rules = FILES["security-group-rules.json"]["SecurityGroupRules"]
    lone = rules[0] | {"GroupId": "sg-lost"}
    files = FILES | {"security-group-rules.json": {"SecurityGroupRules": [rules[1], lone]}}
    topology, gaps = read_topology(_written(tmp_path, files))

    assert [(gap.what.split()[0], gap.groups) for gap in gaps] == [
        ("security-group-rules.json", ("sg-a",)),
        ("security-groups.json", ("sg-lost",)),
    ]
    assert "sg-lost" in topology.groups


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_broken_file_is_named(tmp_path: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(list(FILES)))
    path = data.draw(st.sampled_from(paths_of(FILES[name])))
    spoiled = changed(FILES[name], path, data.draw(JSON))
    try:
        read_topology(_written(tmp_path, FILES | {name: spoiled}))
    except InvalidInput as error:
        assert name in error.field  # noqa: PT017 - what is still valid raises nothing
