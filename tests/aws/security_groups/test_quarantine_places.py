"""Empty groups and prefix lists of ours: made once, found again, emptied, and never one that lets somebody in."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from berthmaster.security_groups.act.quarantine_places import NotInPlace, NotReady, QuarantinePlaces
from berthmaster.security_groups.model.rules import TCP, Direction, GroupReference, PrefixListReference, Rule
from simulator.calls import calling_as
from simulator.cloud import Cloud
from simulator.errors import AwsError

TODAY = date(2026, 11, 27)
RULE = Rule(
    id="sgr-0a",
    group="sg-0a",
    direction=Direction.INGRESS,
    protocol=TCP,
    ports=(443, 443),
    peer=GroupReference("sg-0b"),
)
OTHER = replace(RULE, id="sgr-0b")
QUARANTINE = {"Key": "berthmaster:security-groups", "Value": "quarantine"}


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud(seed=1) as cloud, calling_as("SecurityGroupsChangeFunction"):
        yield cloud


@pytest.fixture
def ec2(cloud: Cloud) -> Any:
    return cloud.client("ec2")


@pytest.fixture
def vpc(ec2: Any) -> str:
    return str(ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"])


@pytest.fixture
def places(ec2: Any) -> QuarantinePlaces:
    return QuarantinePlaces(ec2)


def group_of(
    places: QuarantinePlaces, vpc: str, *others: Rule, rule: Rule = RULE, carried: set[str] | None = None
) -> str:
    return places.for_reference(rule, others, vpc, carried or set()).group


def rules_in(ec2: Any, group: str) -> list[Any]:
    found: list[Any] = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])[
        "SecurityGroupRules"
    ]
    return found


def own_list(ec2: Any, most: int, family: str = "IPv4", **given: Any) -> Rule:
    made = ec2.create_managed_prefix_list(PrefixListName="office", MaxEntries=most, AddressFamily=family, **given)
    return replace(RULE, peer=PrefixListReference(made["PrefixList"]["PrefixListId"]))


def list_for(cloud: Cloud, places: QuarantinePlaces, rule: Rule, *others: Rule) -> str:
    with pytest.raises(NotReady):
        places.for_prefix_list(rule, others, TODAY)
    cloud.clock.advance(5)
    return places.for_prefix_list(rule, others, TODAY).prefix_list


def test_a_vpc_has_one_empty_group_with_our_tag_and_no_rules(ec2: Any, vpc: str, places: QuarantinePlaces) -> None:
    made = group_of(places, vpc)
    assert rules_in(ec2, made) == []
    (found,) = ec2.describe_security_groups(GroupIds=[made])["SecurityGroups"]
    assert (found["VpcId"], found["Tags"]) == (vpc, [QUARANTINE])
    assert group_of(places, vpc) == made
    assert places.empty_groups() == places.empty_groups(vpc) == [made]


def test_rules_of_the_same_traffic_name_another_group_each(vpc: str, places: QuarantinePlaces) -> None:
    first = group_of(places, vpc)
    named = replace(OTHER, peer=GroupReference(first))
    second = group_of(places, vpc, named)
    assert second != first
    assert group_of(places, vpc, replace(named, ports=(80, 80))) in {first, second}
    assert group_of(places, vpc, named) == second
    assert len(places.empty_groups(vpc)) == 2


def test_another_vpc_has_a_group_of_its_own(ec2: Any, vpc: str, places: QuarantinePlaces) -> None:
    other = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    assert group_of(places, vpc) != group_of(places, other)


def test_a_group_that_nobody_has_emptied_is_found_and_emptied(ec2: Any, vpc: str, places: QuarantinePlaces) -> None:
    """Whoever made it has died before."""
    tags = [{"ResourceType": "security-group", "Tags": [QUARANTINE]}]
    made = ec2.create_security_group(
        GroupName="berthmaster-quarantine", Description="x", VpcId=vpc, TagSpecifications=tags
    )["GroupId"]
    ec2.authorize_security_group_ingress(
        GroupId=made, IpPermissions=[{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}]
    )
    assert group_of(places, vpc) == made
    assert rules_in(ec2, made) == []


def test_a_group_of_others_is_left_alone_whatever_its_name(ec2: Any, vpc: str, places: QuarantinePlaces) -> None:
    theirs = ec2.create_security_group(GroupName="berthmaster-quarantine", Description="x", VpcId=vpc)["GroupId"]
    assert group_of(places, vpc) != theirs
    assert len(rules_in(ec2, theirs)) == 1


def test_a_group_of_others_is_not_emptied_whatever_its_tags(ec2: Any, vpc: str, places: QuarantinePlaces) -> None:
    """People may think that the tag quarantines a group."""
    tags = [{"ResourceType": "security-group", "Tags": [QUARANTINE]}]
    named = ("web", "berthmaster-quarantine-web")
    theirs = [
        ec2.create_security_group(GroupName=name, Description="x", VpcId=vpc, TagSpecifications=tags)["GroupId"]
        for name in named
    ]
    assert group_of(places, vpc) not in theirs
    assert [len(rules_in(ec2, one)) for one in theirs] == [1, 1]
    assert set(places.empty_groups()).isdisjoint(theirs)


def test_a_group_that_is_attached_is_not_named_by_one_more_rule(vpc: str, places: QuarantinePlaces) -> None:
    attached = group_of(places, vpc)
    assert group_of(places, vpc, carried={attached}) != attached


def test_a_list_weighs_as_much_as_the_one_that_it_stands_for(cloud: Cloud, ec2: Any, places: QuarantinePlaces) -> None:
    rules = [own_list(ec2, 3), own_list(ec2, 50), own_list(ec2, 3, "IPv6")]
    cloud.clock.advance(5)
    made = [list_for(cloud, places, rule) for rule in rules]
    shown = ec2.describe_managed_prefix_lists(PrefixListIds=made)["PrefixLists"]
    weights = {one["PrefixListId"]: (one["AddressFamily"], one["MaxEntries"], one["Tags"]) for one in shown}
    assert [weights[one] for one in made] == [
        ("IPv4", 3, [QUARANTINE]),
        ("IPv4", 50, [QUARANTINE]),
        ("IPv6", 3, [QUARANTINE]),
    ]
    assert places.for_prefix_list(own_list(ec2, 3), [], TODAY).prefix_list == made[0]


def test_a_second_list_is_made_for_a_rule_of_the_same_traffic(cloud: Cloud, ec2: Any, places: QuarantinePlaces) -> None:
    rule = own_list(ec2, 3)
    first = list_for(cloud, places, rule)
    named = replace(OTHER, peer=PrefixListReference(first))
    second = list_for(cloud, places, rule, named)
    assert second != first
    assert places.for_prefix_list(rule, [named], TODAY).prefix_list == second


def test_a_list_with_entries_or_without_our_tag_is_not_named(cloud: Cloud, ec2: Any, places: QuarantinePlaces) -> None:
    rule = own_list(ec2, 3)
    name = "berthmaster-quarantine-ipv4-3"
    ec2.create_managed_prefix_list(PrefixListName=name, MaxEntries=3, AddressFamily="IPv4")
    tags = [{"ResourceType": "prefix-list", "Tags": [QUARANTINE]}]
    filled = [{"Cidr": "10.0.0.0/8"}]
    ec2.create_managed_prefix_list(
        PrefixListName=name, MaxEntries=3, AddressFamily="IPv4", TagSpecifications=tags, Entries=filled
    )
    made = list_for(cloud, places, rule)
    assert ec2.get_managed_prefix_list_entries(PrefixListId=made)["Entries"] == []


def test_a_list_of_aws_has_no_weight_that_ec2_shows(ec2: Any, places: QuarantinePlaces) -> None:
    lists = ec2.describe_managed_prefix_lists(Filters=[{"Name": "owner-id", "Values": ["AWS"]}])["PrefixLists"]
    rule = replace(RULE, peer=PrefixListReference(lists[0]["PrefixListId"]))
    with pytest.raises(NotInPlace, match="does not say what it counts for"):
        places.for_prefix_list(rule, [], TODAY)


def test_what_ec2_refuses_to_make_is_said(cloud: Cloud, vpc: str, places: QuarantinePlaces) -> None:
    def refuse(*_: Any) -> None:
        raise AwsError("SecurityGroupLimitExceeded", "The maximum number of security groups has been reached.")

    cloud.handlers["ec2:CreateSecurityGroup"] = refuse
    with pytest.raises(NotInPlace, match="maximum number of security groups"):
        group_of(places, vpc)


def test_two_invocations_at_once_make_one_group(cloud: Cloud, ec2: Any, vpc: str, places: QuarantinePlaces) -> None:
    """The slower one finds it when it tries again."""
    real = ec2.create_security_group

    def first(*_: Any) -> None:
        del cloud.handlers["ec2:CreateSecurityGroup"]
        tags = [{"ResourceType": "security-group", "Tags": [QUARANTINE]}]
        real(GroupName="berthmaster-quarantine", Description="x", VpcId=vpc, TagSpecifications=tags)

    cloud.handlers["ec2:CreateSecurityGroup"] = first
    with pytest.raises(NotReady):
        group_of(places, vpc)
    assert [group_of(places, vpc)] == places.empty_groups()
