"""Resources are found by tag and type."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from simulator.aws.tagging.late_tags import Tagging
from tests.support.target_groups import make_group

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.cloud import Cloud


def test_resources_are_found_by_tag_and_type_in_pages(cloud: Cloud, elbv2: Any, vpc_id: str) -> None:
    tagging, discovery = cloud.client("resourcegroupstaggingapi"), cloud.client("servicediscovery")
    managed = {"Key": "berthmaster:targets", "Value": "managed"}
    arns = []
    for index in range(120):
        arns.append(make_group(elbv2, vpc_id, f"g{index}"))
        elbv2.add_tags(ResourceArns=arns[-1:], Tags=[managed])
    make_group(elbv2, vpc_id, "untagged")
    other = make_group(elbv2, vpc_id, "other")
    elbv2.add_tags(ResourceArns=[other], Tags=[{"Key": "berthmaster:targets", "Value": "ignored"}])
    service = discovery.create_service(Name="web", NamespaceId="ns-1", Tags=[managed])["Service"]["Arn"]

    def found(**more: Any) -> list[str]:
        pages = tagging.get_paginator("get_resources").paginate(**more)
        return [item["ResourceARN"] for page in pages for item in page["ResourceTagMappingList"]]

    key = [{"Key": "berthmaster:targets"}]
    groups = ["elasticloadbalancing:targetgroup"]
    assert len(tagging.get_resources(TagFilters=key)["ResourceTagMappingList"]) == 50
    assert found(TagFilters=[managed_filter(managed)], ResourceTypeFilters=groups) == arns
    assert found(TagFilters=key, ResourceTypeFilters=groups, PaginationConfig={"PageSize": 100}) == [*arns, other]
    assert found(TagFilters=key, ResourceTypeFilters=["servicediscovery:service"]) == [service]
    assert found(TagFilters=[*key, {"Key": "team"}]) == []
    assert found(ResourceARNList=[other, service]) == [other, service]
    with pytest.raises(ClientError, match="InvalidParameterException"):
        tagging.get_resources(ResourcesPerPage=101)


def managed_filter(tag: dict[str, str]) -> dict[str, Any]:
    return {"Key": tag["Key"], "Values": [tag["Value"]]}


# GetResources follows changes after a while

DELAY = 10.0
TAG = "berthmaster:targets"


@pytest.fixture
def late(cloud: Cloud) -> Tagging:
    """The tags of the account, which GetResources shows as they were some seconds ago."""
    cloud.state(Tagging).delay = DELAY
    return cloud.state(Tagging)


def shown(cloud: Cloud) -> dict[str, dict[str, str]]:
    """The tags of each resource that has the tag."""
    answer = cloud.client("resourcegroupstaggingapi").get_resources(TagFilters=[{"Key": TAG}])
    return {
        item["ResourceARN"]: {tag["Key"]: tag["Value"] for tag in item["Tags"]}
        for item in answer["ResourceTagMappingList"]
    }


def tag(cloud: Cloud, arn: str, value: str) -> None:
    if ":targetgroup/" in arn:
        cloud.client("elbv2").add_tags(ResourceArns=[arn], Tags=[{"Key": TAG, "Value": value}])
    else:
        cloud.client("servicediscovery").tag_resource(ResourceARN=arn, Tags=[{"Key": TAG, "Value": value}])


def untag(cloud: Cloud, arn: str) -> None:
    if ":targetgroup/" in arn:
        cloud.client("elbv2").remove_tags(ResourceArns=[arn], TagKeys=[TAG])
    else:
        cloud.client("servicediscovery").untag_resource(ResourceARN=arn, TagKeys=[TAG])


def delete(cloud: Cloud, arn: str) -> None:
    if ":targetgroup/" in arn:
        cloud.client("elbv2").delete_target_group(TargetGroupArn=arn)
    else:
        cloud.client("servicediscovery").delete_service(Id=arn)


def a_target_group(cloud: Cloud, vpc_id: str) -> str:
    answer = cloud.client("elbv2").create_target_group(
        Name="web", Protocol="HTTP", Port=80, VpcId=vpc_id, TargetType="ip", Tags=[{"Key": TAG, "Value": "new"}]
    )
    arn: str = answer["TargetGroups"][0]["TargetGroupArn"]
    return arn


def a_cloud_map_service(cloud: Cloud, _: str) -> str:
    service = cloud.client("servicediscovery").create_service(
        Name="web", NamespaceId="ns-1", Tags=[{"Key": TAG, "Value": "new"}]
    )
    arn: str = service["Service"]["Arn"]
    return arn


BOTH = pytest.mark.parametrize("make", [a_target_group, a_cloud_map_service])


@BOTH
def test_a_change_is_seen_at_once_unless_said_otherwise(
    cloud: Cloud, vpc_id: str, make: Callable[[Cloud, str], str]
) -> None:
    arn = make(cloud, vpc_id)
    assert shown(cloud) == {arn: {TAG: "new"}}
    tag(cloud, arn, "other")
    assert shown(cloud) == {arn: {TAG: "other"}}
    delete(cloud, arn)
    assert shown(cloud) == {}


@BOTH
@pytest.mark.usefixtures("late")
def test_a_change_is_seen_later(cloud: Cloud, vpc_id: str, make: Callable[[Cloud, str], str]) -> None:
    arn = make(cloud, vpc_id)
    assert shown(cloud) == {}
    time.sleep(DELAY / 2)
    tag(cloud, arn, "other")
    assert shown(cloud) == {}
    time.sleep(DELAY / 2)
    assert shown(cloud) == {arn: {TAG: "new"}}
    untag(cloud, arn)
    time.sleep(DELAY / 2)
    assert shown(cloud) == {arn: {TAG: "other"}}
    time.sleep(DELAY / 2)
    assert shown(cloud) == {}


@BOTH
def test_a_deleted_resource_is_listed_for_a_while(
    cloud: Cloud, late: Tagging, vpc_id: str, make: Callable[[Cloud, str], str]
) -> None:
    arn = make(cloud, vpc_id)
    late.deleted_shown = 600.0
    time.sleep(DELAY)
    tag(cloud, arn, "last")
    delete(cloud, arn)
    assert shown(cloud) == {arn: {TAG: "new"}}
    time.sleep(DELAY)
    assert shown(cloud) == {arn: {TAG: "last"}}
    time.sleep(589)
    assert shown(cloud) == {arn: {TAG: "last"}}
    time.sleep(1)
    assert shown(cloud) == {}


def test_tags_of_an_existing_resource_follow_after_the_same_delay(cloud: Cloud, elbv2: Any, late: Tagging) -> None:
    late.delay = 0.0
    vpc_id = cloud.client("ec2").create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    old, untouched = make_group(elbv2, vpc_id, "old"), make_group(elbv2, vpc_id, "untouched")
    tag(cloud, untouched, "managed")
    late.delay = DELAY
    tag(cloud, old, "managed")
    assert set(shown(cloud)) == {untouched}
    assert elbv2.describe_tags(ResourceArns=[old])["TagDescriptions"][0]["Tags"]
    time.sleep(DELAY)
    assert set(shown(cloud)) == {old, untouched}
