"""What is described of target groups and load balancers, in pages."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.target_groups import make_group, make_load_balancer, set_attribute


def test_groups_are_found_by_arn_name_and_in_pages(elbv2: Any, vpc_id: str) -> None:
    arns = {name: make_group(elbv2, vpc_id, name) for name in ("c", "a", "b")}
    first = elbv2.describe_target_groups(PageSize=2)
    assert [item["TargetGroupName"] for item in first["TargetGroups"]] == ["a", "b"]
    rest = elbv2.describe_target_groups(PageSize=2, Marker=first["NextMarker"])
    assert [item["TargetGroupName"] for item in rest["TargetGroups"]] == ["c"]
    assert "NextMarker" not in rest
    pages = elbv2.get_paginator("describe_target_groups").paginate(PaginationConfig={"PageSize": 1})
    assert [item["TargetGroupArn"] for page in pages for item in page["TargetGroups"]] == [arns[n] for n in "abc"]
    (found,) = elbv2.describe_target_groups(TargetGroupArns=[arns["b"]])["TargetGroups"]
    assert found == elbv2.describe_target_groups(Names=["b"])["TargetGroups"][0]
    assert (found["TargetType"], found["Port"], found["IpAddressType"]) == ("ip", 80, "ipv4")
    for unknown in ({"Names": ["b", "d"]}, {"TargetGroupArns": [f"{arns['a']}0"]}):
        with pytest.raises(elbv2.exceptions.TargetGroupNotFoundException):
            elbv2.describe_target_groups(**unknown)


def test_attributes_are_those_of_the_protocol_and_what_was_set(elbv2: Any, group: str, network_group: str) -> None:
    set_attribute(elbv2, group, "deregistration_delay.timeout_seconds", "20")
    seen = [
        {
            item["Key"]: item["Value"]
            for item in elbv2.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]
        }
        for arn in (group, network_group)
    ]
    assert [one["deregistration_delay.timeout_seconds"] for one in seen] == ["20", "300"]
    assert {one["load_balancing.cross_zone.enabled"] for one in seen} == {"use_load_balancer_configuration"}
    assert "preserve_client_ip.enabled" not in seen[0]
    assert seen[1]["preserve_client_ip.enabled"] == "false"


def test_load_balancers_have_the_arn_and_attributes_of_their_type(elbv2: Any, subnets: list[str]) -> None:
    cross_zone = {}
    for kind, short in (("application", "app"), ("network", "net")):
        arn = make_load_balancer(elbv2, subnets, kind)
        assert f":loadbalancer/{short}/" in arn
        assert elbv2.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"][0]["Type"] == kind
        attributes = elbv2.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
        cross_zone[kind] = {item["Key"]: item["Value"] for item in attributes}["load_balancing.cross_zone.enabled"]
    assert cross_zone == {"application": "true", "network": "false"}


def test_tags_are_described_for_twenty_at_most(elbv2: Any, group: str) -> None:
    elbv2.add_tags(ResourceArns=[group], Tags=[{"Key": "team", "Value": "web"}])
    (described,) = elbv2.describe_tags(ResourceArns=[group])["TagDescriptions"]
    assert described["Tags"] == [{"Key": "team", "Value": "web"}]
    with pytest.raises(ClientError, match="ValidationError"):
        elbv2.describe_tags(ResourceArns=[group] * 21)
