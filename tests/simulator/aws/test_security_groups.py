"""Groups, their rules and prefix lists, as far as EC2 differs from moto."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from simulator.aws.ec2.cloud_trail import Trail
from simulator.aws.ec2.connection_tracking import ConnectionTracking
from simulator.aws.ec2.security_group_rules import InPlaceChanges
from simulator.aws.events.api_calls import CLOUDFORMATION, TERRAFORM, acting_as
from simulator.calls import calling_as

if TYPE_CHECKING:
    from simulator.cloud import Cloud

WEB = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}


@pytest.fixture
def ec2(cloud: Cloud) -> Any:
    return cloud.client("ec2")


@pytest.fixture
def group(ec2: Any, vpc_id: str) -> str:
    return make(ec2, vpc_id, "web")


def make(ec2: Any, vpc_id: str, name: str) -> str:
    identifier: str = ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc_id)["GroupId"]
    return identifier


def allow(ec2: Any, group: str, *cidrs: str, **fields: Any) -> list[dict[str, Any]]:
    permission = WEB | {"IpRanges": [{"CidrIp": cidr} for cidr in cidrs]} | fields
    answer = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])
    rules: list[dict[str, Any]] = answer["SecurityGroupRules"]
    return rules


def rules_of(ec2: Any, group: str) -> dict[str, dict[str, Any]]:
    pages = ec2.get_paginator("describe_security_group_rules").paginate(
        Filters=[{"Name": "group-id", "Values": [group]}], PaginationConfig={"PageSize": 5}
    )
    return {rule["SecurityGroupRuleId"]: rule for page in pages for rule in page["SecurityGroupRules"]}


def test_rules_have_ids_tags_and_canonical_cidrs_and_come_in_pages(ec2: Any, group: str) -> None:
    made = ec2.authorize_security_group_ingress(
        GroupId=group,
        IpPermissions=[WEB | {"IpRanges": [{"CidrIp": "100.68.0.18/18", "Description": "office"}]}],
        TagSpecifications=[{"ResourceType": "security-group-rule", "Tags": [{"Key": "team", "Value": "a"}]}],
    )["SecurityGroupRules"][0]
    assert made.items() >= {"CidrIpv4": "100.68.0.0/18", "Description": "office", "IsEgress": False}.items()
    allow(ec2, group, *(f"10.0.{number}.0/24" for number in range(7)))
    found = rules_of(ec2, group)
    assert len(found) == 9
    assert found[made["SecurityGroupRuleId"]]["Tags"] == [{"Key": "team", "Value": "a"}]
    assert [(one["IpProtocol"], one["FromPort"]) for one in found.values() if one["IsEgress"]] == [("-1", -1)]


@pytest.mark.parametrize(
    ("permission", "code"),
    [
        (WEB | {"IpRanges": [{"CidrIp": "10.9.9.9/8"}]}, r"InvalidPermission\.Duplicate"),
        (WEB | {"IpRanges": [{"CidrIp": "11.0.0.0/8"}] * 2}, "must not appear multiple times"),
        (WEB | {"IpRanges": [{"CidrIp": f"10.0.0.{n}/32"} for n in range(60)]}, "RulesPerSecurityGroupLimitExceeded"),
        (WEB | {"UserIdGroupPairs": [{"GroupId": "sg-0123"}]}, r"InvalidGroup\.NotFound"),
        (WEB | {"PrefixListIds": [{"PrefixListId": "pl-0123"}]}, r"InvalidPrefixListID\.NotFound"),
        (WEB | {"IpRanges": [{"CidrIp": "ten"}]}, "malformed"),
        ({"IpProtocol": "tcp", "IpRanges": [{"CidrIp": "11.0.0.0/8"}]}, "portRange"),
        (WEB | {"IpRanges": [{"CidrIp": "11.0.0.0/8", "Description": "ü"}]}, "description"),
    ],
)
def test_a_refused_rule_changes_nothing(ec2: Any, group: str, permission: dict[str, Any], code: str) -> None:
    allow(ec2, group, "10.0.0.0/8")
    with pytest.raises(ClientError, match=code):
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])
    assert len(rules_of(ec2, group)) == 2


def test_ipv4_and_ipv6_rules_are_counted_separately(ec2: Any, group: str) -> None:
    allow(ec2, group, *(f"10.0.0.{number}/32" for number in range(60)))
    allow(ec2, group, Ipv6Ranges=[{"CidrIpv6": f"2001:db8::{number}/128"} for number in range(60)])
    with pytest.raises(ClientError, match="RulesPerSecurityGroupLimitExceeded"):
        allow(ec2, group, UserIdGroupPairs=[{"GroupId": group}])


def test_a_revoked_rule_is_described_and_an_unknown_one_revokes_nothing(ec2: Any, group: str) -> None:
    first, second = (one["SecurityGroupRuleId"] for one in allow(ec2, group, "10.0.0.0/8", "11.0.0.0/8"))
    with pytest.raises(ClientError, match=r"InvalidSecurityGroupRuleId\.NotFound"):
        ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=[first, "sgr-0123"])
    (revoked,) = ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=[first])[
        "RevokedSecurityGroupRules"
    ]
    assert (
        revoked
        == {
            "SecurityGroupRuleId": first,
            "GroupId": group,
            "IsEgress": False,
            "CidrIpv4": "10.0.0.0/8",
        }
        | WEB
    )
    unknown = WEB | {"IpRanges": [{"CidrIp": "10.0.0.0/8"}]}
    with pytest.raises(ClientError, match=r"InvalidPermission\.NotFound"):
        ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[unknown])
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[WEB | {"IpRanges": [{"CidrIp": "11.0.0.0/8"}]}])
    assert second not in rules_of(ec2, group)


def test_the_default_vpc_returns_what_it_does_not_know(ec2: Any) -> None:
    group = ec2.create_security_group(GroupName="web", Description="web")["GroupId"]
    unknown = WEB | {"IpRanges": [{"CidrIp": "10.0.0.0/8"}]}
    answer = ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[unknown])
    assert [one["IpRanges"] for one in answer["UnknownIpPermissions"]] == [[{"CidrIp": "10.0.0.0/8"}]]


def test_a_rule_is_changed_in_place_but_not_its_kind_of_peer(ec2: Any, group: str) -> None:
    (rule,) = allow(ec2, group, "10.0.0.0/8")
    change = {"SecurityGroupRuleId": rule["SecurityGroupRuleId"]}
    with pytest.raises(ClientError, match="Invalid rule type"):
        ec2.modify_security_group_rules(
            GroupId=group, SecurityGroupRules=[change | {"SecurityGroupRule": WEB | {"CidrIpv6": "::/0"}}]
        )
    narrower = WEB | {"CidrIpv4": "10.1.0.0/16", "Description": "narrower"}
    ec2.modify_security_group_rules(GroupId=group, SecurityGroupRules=[change | {"SecurityGroupRule": narrower}])
    assert rules_of(ec2, group)[rule["SecurityGroupRuleId"]].items() >= narrower.items()
    ec2.update_security_group_rule_descriptions_ingress(
        GroupId=group, SecurityGroupRuleDescriptions=[change | {"Description": "office"}]
    )
    assert rules_of(ec2, group)[rule["SecurityGroupRuleId"]]["Description"] == "office"


def test_a_change_in_place_replaces_all_but_id_and_tags(ec2: Any, group: str) -> None:
    tags = [{"Key": "team", "Value": "a"}]
    (made,) = ec2.authorize_security_group_ingress(
        GroupId=group,
        IpPermissions=[WEB | {"IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "office"}]}],
        TagSpecifications=[{"ResourceType": "security-group-rule", "Tags": tags}],
    )["SecurityGroupRules"]
    rule = made["SecurityGroupRuleId"]
    modify(ec2, group, rule, WEB | {"CidrIpv4": "192.0.2.1/32"})
    found = rules_of(ec2, group)[rule]
    assert "Description" not in found
    assert found["Tags"] == tags


def test_a_change_in_place_is_refused_that_would_make_a_rule_twice_or_too_many(ec2: Any, group: str) -> None:
    small, large = (
        ec2.create_managed_prefix_list(PrefixListName="x", MaxEntries=most, AddressFamily="IPv4")["PrefixList"]
        for most in (1, 51)
    )
    made = allow(ec2, group, *(f"10.0.0.{n}/32" for n in range(10)), PrefixListIds=[_named(small)])
    cidr, rule = (next(one for one in made if name in one) for name in ("CidrIpv4", "PrefixListId"))
    with pytest.raises(ClientError, match=r"InvalidPermission\.Duplicate"):
        modify(ec2, group, cidr["SecurityGroupRuleId"], WEB | {"CidrIpv4": "10.0.0.5/32"})
    with pytest.raises(ClientError, match="RulesPerSecurityGroupLimitExceeded"):
        modify(ec2, group, rule["SecurityGroupRuleId"], WEB | _named(large))
    assert rules_of(ec2, group)[rule["SecurityGroupRuleId"]]["PrefixListId"] == small["PrefixListId"]


def test_a_change_in_place_can_be_refused_by_kind(cloud: Cloud, ec2: Any, group: str) -> None:
    (rule,) = allow(ec2, group, "10.0.0.0/8")
    cloud.state(InPlaceChanges).refused.add("CidrIpv4")
    with pytest.raises(ClientError, match="OperationNotPermitted"):
        modify(ec2, group, rule["SecurityGroupRuleId"], WEB | {"CidrIpv4": "192.0.2.1/32"})


def modify(ec2: Any, group: str, rule: str, wanted: dict[str, Any]) -> None:
    change = {"SecurityGroupRuleId": rule, "SecurityGroupRule": wanted}
    ec2.modify_security_group_rules(GroupId=group, SecurityGroupRules=[change])


def _named(prefix_list: dict[str, Any]) -> dict[str, str]:
    return {"PrefixListId": prefix_list["PrefixListId"]}


def test_a_new_group_has_its_tags_and_a_rule_that_lets_out_everything(ec2: Any, vpc_id: str) -> None:
    tags = [{"Key": "team", "Value": "a"}]
    made = ec2.create_security_group(
        GroupName="web",
        Description="web",
        VpcId=vpc_id,
        TagSpecifications=[{"ResourceType": "security-group", "Tags": tags}],
    )["GroupId"]
    with pytest.raises(ClientError, match=r"InvalidGroup\.Duplicate"):
        make(ec2, vpc_id, "web")
    (found,) = ec2.describe_security_groups(Filters=[{"Name": "tag:team", "Values": ["a"]}])["SecurityGroups"]
    assert (found["GroupId"], found["Tags"]) == (made, tags)
    (rule,) = rules_of(ec2, made).values()
    assert (rule["IsEgress"], rule["CidrIpv4"]) == (True, "0.0.0.0/0")


def test_a_function_must_wait_for_a_prefix_list_and_makes_one_with_a_token_once(
    cloud: Cloud, ec2: Any, group: str
) -> None:
    asked: dict[str, Any] = {
        "PrefixListName": "none",
        "MaxEntries": 7,
        "AddressFamily": "IPv4",
        "ClientToken": "none-7",
        "TagSpecifications": [{"ResourceType": "prefix-list", "Tags": [{"Key": "team", "Value": "a"}]}],
    }
    with calling_as("Fn"):
        made, again = (ec2.create_managed_prefix_list(**asked)["PrefixList"] for _ in range(2))
        with pytest.raises(ClientError, match="IdempotentParameterMismatch"):
            ec2.create_managed_prefix_list(**asked | {"MaxEntries": 8})
    assert (made["PrefixListId"], made["State"]) == (again["PrefixListId"], "create-in-progress")
    with pytest.raises(ClientError, match="IncorrectState"):
        allow(ec2, group, PrefixListIds=[_named(made)])
    cloud.clock.advance(3)
    (found,) = ec2.describe_managed_prefix_lists(Filters=[{"Name": "tag:team", "Values": ["a"]}])["PrefixLists"]
    assert (found["State"], found["MaxEntries"], found["Version"]) == ("create-complete", 7, 1)
    assert ec2.get_managed_prefix_list_entries(PrefixListId=made["PrefixListId"])["Entries"] == []
    allow(ec2, group, PrefixListIds=[_named(made)])


def test_an_interface_shows_the_timeouts_that_it_was_given(cloud: Cloud, ec2: Any, vpc_id: str) -> None:
    subnet = ec2.create_subnet(VpcId=vpc_id, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    given = {"TcpEstablishedTimeout": 350}
    made = ec2.create_network_interface(SubnetId=subnet, ConnectionTrackingSpecification=given)["NetworkInterface"]
    other = ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]
    assert made["ConnectionTrackingConfiguration"] == given
    assert "ConnectionTrackingConfiguration" not in other
    ec2.modify_network_interface_attribute(
        NetworkInterfaceId=other["NetworkInterfaceId"], ConnectionTrackingSpecification={"UdpTimeout": 60}
    )
    cloud.state(ConnectionTracking).default["TcpEstablishedTimeout"] = 900
    shown = ec2.describe_network_interfaces()["NetworkInterfaces"]
    assert [one["ConnectionTrackingConfiguration"] for one in shown] == [
        given,
        {"TcpEstablishedTimeout": 900, "UdpTimeout": 60},
    ]
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        ec2.modify_network_interface_attribute(
            NetworkInterfaceId=made["NetworkInterfaceId"],
            ConnectionTrackingSpecification={"TcpEstablishedTimeout": 432_001},
        )


def test_events_say_who_has_changed_a_group_and_with_what(cloud: Cloud, ec2: Any, group: str) -> None:
    cloud.state(Trail).is_on = True
    allow(ec2, group, "10.0.0.0/8")
    with acting_as(TERRAFORM):
        allow(ec2, group, "11.0.0.0/8")
    with acting_as(CLOUDFORMATION):
        allow(ec2, group, "12.0.0.0/8")
    with calling_as("SecurityGroupsChangeFunction"):
        allow(ec2, group, "13.0.0.0/8")
    cloud.clock.run_until(cloud.clock.timestamp() + 300)
    details = {
        one.event["detail"]["requestParameters"]["ipPermissions"]["items"][0]["ipRanges"]["items"][0]["cidrIp"]: one
        for one in cloud.buses.seen
    }
    seen = [details[f"{n}.0.0.0/8"].event["detail"] for n in range(10, 14)]
    assert [one["userAgent"].split("/")[0] for one in seen] == [
        *("aws-cli", "APN", "cloudformation.amazonaws.com", "Boto3"),
    ]
    assert [one["userIdentity"]["arn"].split("/")[1] for one in seen] == [
        *("AWSReservedSSO_Network_0123456789abcdef", "deployment", "deployment", "SecurityGroupsChangeFunction"),
    ]
    assert seen[2]["userIdentity"]["invokedBy"] == seen[2]["sourceIPAddress"] == "cloudformation.amazonaws.com"


def test_a_group_on_which_something_depends_is_not_deleted(ec2: Any, vpc_id: str, group: str) -> None:
    other = make(ec2, vpc_id, "db")
    (rule,) = allow(ec2, other, UserIdGroupPairs=[{"GroupId": group}])
    with pytest.raises(ClientError, match="DependencyViolation"):
        ec2.delete_security_group(GroupId=group)
    ec2.revoke_security_group_ingress(GroupId=other, SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])
    subnet = ec2.create_subnet(VpcId=vpc_id, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    eni = ec2.create_network_interface(SubnetId=subnet, Groups=[group])["NetworkInterface"]["NetworkInterfaceId"]
    with pytest.raises(ClientError, match="DependencyViolation"):
        ec2.delete_security_group(GroupId=group)
    ec2.modify_network_interface_attribute(NetworkInterfaceId=eni, Groups=[other])
    ec2.delete_security_group(GroupId=group)
    default = ec2.describe_security_groups(
        Filters=[{"Name": "vpc-id", "Values": [vpc_id]}, {"Name": "group-name", "Values": ["default"]}]
    )["SecurityGroups"][0]["GroupId"]
    with pytest.raises(ClientError, match="CannotDelete"):
        ec2.delete_security_group(GroupId=default)


def test_a_reference_over_a_peering_becomes_stale(ec2: Any, vpc_id: str, group: str) -> None:
    other_vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    there = make(ec2, other_vpc, "clients")
    with pytest.raises(ClientError, match=r"InvalidGroup\.NotFound"):
        allow(ec2, group, UserIdGroupPairs=[{"GroupId": there}])
    peering = ec2.create_vpc_peering_connection(VpcId=vpc_id, PeerVpcId=other_vpc)["VpcPeeringConnection"]
    peering_id = peering["VpcPeeringConnectionId"]
    ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=peering_id)
    (rule,) = allow(ec2, group, UserIdGroupPairs=[{"GroupId": there}])
    assert rule["ReferencedGroupInfo"]["VpcPeeringConnectionId"] == peering_id
    assert ec2.describe_security_group_references(GroupId=[there])["SecurityGroupReferenceSet"] == [
        {"GroupId": there, "ReferencingVpcId": vpc_id, "VpcPeeringConnectionId": peering_id}
    ]
    assert not ec2.describe_stale_security_groups(VpcId=vpc_id)["StaleSecurityGroupSet"]
    ec2.delete_security_group(GroupId=there)
    (stale,) = ec2.describe_stale_security_groups(VpcId=vpc_id, MaxResults=5)["StaleSecurityGroupSet"]
    assert (stale["GroupId"], len(stale["StaleIpPermissions"])) == (group, 1)
    groups = ec2.get_security_groups_for_vpc(VpcId=vpc_id)["SecurityGroupForVpcs"]
    assert {(one["GroupName"], one["PrimaryVpcId"]) for one in groups} == {("default", vpc_id), ("web", vpc_id)}


def test_a_prefix_list_keeps_its_versions_and_counts_as_its_largest_size(ec2: Any, group: str) -> None:
    made = ec2.create_managed_prefix_list(
        PrefixListName="office", MaxEntries=50, AddressFamily="IPv4", Entries=[{"Cidr": "192.0.2.0/24"}]
    )["PrefixList"]
    list_id = made["PrefixListId"]
    change = {"PrefixListId": list_id, "AddEntries": [{"Cidr": "198.51.100.0/24"}]}
    with pytest.raises(ClientError, match="PrefixListVersionMismatch"):
        ec2.modify_managed_prefix_list(CurrentVersion=7, **change)
    assert ec2.modify_managed_prefix_list(CurrentVersion=1, **change)["PrefixList"]["Version"] == 2
    sizes = [
        len(ec2.get_managed_prefix_list_entries(PrefixListId=list_id, **version)["Entries"])
        for version in ({"TargetVersion": 1}, {"TargetVersion": 2}, {})
    ]
    assert sizes == [1, 2, 2]
    allow(ec2, group, PrefixListIds=[{"PrefixListId": list_id}])
    with pytest.raises(ClientError, match="RulesPerSecurityGroupLimitExceeded"):
        allow(ec2, group, *(f"10.0.0.{number}/32" for number in range(11)))
    of_aws = ec2.describe_managed_prefix_lists(Filters=[{"Name": "owner-id", "Values": ["AWS"]}])["PrefixLists"]
    assert all("Version" not in one for one in of_aws)
    assert ec2.get_managed_prefix_list_entries(PrefixListId=of_aws[0]["PrefixListId"])["Entries"]


def test_interfaces_have_ipv6_addresses_and_prefixes(ec2: Any) -> None:
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", AmazonProvidedIpv6CidrBlock=True)["Vpc"]["VpcId"]
    (block,) = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["Ipv6CidrBlockAssociationSet"]
    slash_64 = block["Ipv6CidrBlock"].replace("/56", "/64")
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24", Ipv6CidrBlock=slash_64)["Subnet"]["SubnetId"]
    eni = ec2.create_network_interface(SubnetId=subnet, Ipv6AddressCount=1)["NetworkInterface"]
    added = ec2.assign_ipv6_addresses(
        NetworkInterfaceId=eni["NetworkInterfaceId"], Ipv6AddressCount=1, Ipv6PrefixCount=1
    )
    ec2.unassign_ipv6_addresses(
        NetworkInterfaceId=eni["NetworkInterfaceId"], Ipv6Addresses=[eni["Ipv6Addresses"][0]["Ipv6Address"]]
    )
    (found,) = ec2.describe_network_interfaces(NetworkInterfaceIds=[eni["NetworkInterfaceId"]])["NetworkInterfaces"]
    assert [one["Ipv6Address"] for one in found["Ipv6Addresses"]] == added["AssignedIpv6Addresses"]
    assert [one["Ipv6Prefix"] for one in found["Ipv6Prefixes"]] == added["AssignedIpv6Prefixes"]
    assert found["Ipv6Prefixes"][0]["Ipv6Prefix"].endswith("/80")
