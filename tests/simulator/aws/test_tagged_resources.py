"""Resources are found by tag and type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.support.target_groups import make_group

if TYPE_CHECKING:
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
