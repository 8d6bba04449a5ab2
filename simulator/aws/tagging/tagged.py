"""The tags of target groups and Cloud Map services, as moto keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.account import Account

TARGET_GROUP = "elasticloadbalancing:targetgroup"
SERVICE = "servicediscovery:service"


def type_of(arn: str) -> str:
    """The resource type of an ARN, as GetResources filters by it."""
    return TARGET_GROUP if ":targetgroup/" in arn else SERVICE


def live_tags(account: Account) -> dict[str, dict[str, str]]:
    """The tags of all resources that exist, by ARN."""
    groups = account.backend("elbv2").target_groups
    services = [service.arn for service in account.backend("servicediscovery").services.values()]
    return {arn: tags_of(account, arn) for arn in (*groups, *services)}


def tags_of(account: Account, arn: str) -> dict[str, str]:
    """The tags of one resource; moto keeps them when it is deleted."""
    is_group = type_of(arn) == TARGET_GROUP
    tags = account.backend("elbv2").tagging_service if is_group else account.backend("servicediscovery").tagger
    found: dict[str, str] = tags.get_tag_dict_for_resource(arn)
    return found
