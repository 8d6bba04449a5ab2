"""Resource Groups Tagging API: target groups and Cloud Map services by their tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.aws.tagging.late_tags import Tagging
from simulator.aws.tagging.tagged import type_of
from simulator.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.account import Account, Handlers, Params


LARGEST_PAGE = 100
WITH_ARN_LIST = ("TagFilters", "ResourceTypeFilters", "ResourcesPerPage", "TagsPerPage", "PaginationToken")


def get_resources(account: Account, params: Params) -> dict[str, Any]:
    """GetResources that have tags: of these types, and passing every filter."""
    if params.get("ResourceARNList") and any(params.get(name) for name in WITH_ARN_LIST):
        raise AwsError("InvalidParameterException", "ResourceARNList cannot be combined with filters or pages")
    if not 1 <= params.get("ResourcesPerPage", 1) <= LARGEST_PAGE:
        raise AwsError("InvalidParameterException", f"ResourcesPerPage must be between 1 and {LARGEST_PAGE}")
    arns, types = params.get("ResourceARNList", []), params.get("ResourceTypeFilters", [])
    return {
        "ResourceTagMappingList": [
            {"ResourceARN": arn, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
            for arn, tags in account.state(Tagging).shown()
            if tags
            and (not arns or arn in arns)
            and (not types or type_of(arn) in types or type_of(arn).split(":")[0] in types)
            and all(_passes(tags, condition) for condition in params.get("TagFilters", []))
        ]
    }


def _passes(tags: Mapping[str, str], condition: Mapping[str, Any]) -> bool:
    """Any of the values, or just the key if there are none."""
    return condition["Key"] in tags and (not condition.get("Values") or tags[condition["Key"]] in condition["Values"])


HANDLERS: Handlers = {"resourcegroupstaggingapi:GetResources": get_resources}
