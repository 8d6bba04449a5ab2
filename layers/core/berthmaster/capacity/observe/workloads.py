"""What runs ECS tasks in subnets: services, and EventBridge rules and schedules."""

from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import replace
from itertools import batched
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from berthmaster.arn import Arn
from berthmaster.capacity.ecs_service import DESCRIBED_AT_ONCE, is_deploying
from berthmaster.capacity.model import MANAGED, MANAGED_TAG, CallerKind, Service, TaskCaller
from berthmaster.capacity.observe.network import tags_of
from berthmaster.concurrently import concurrently, results_of
from berthmaster.errors import code_of

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_ecs.type_defs import PaginatorConfigTypeDef, ServiceTypeDef
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_scheduler import EventBridgeSchedulerClient
    from mypy_boto3_scheduler.type_defs import ScheduleGroupSummaryTypeDef, ScheduleSummaryTypeDef

LISTED_AT_ONCE = 100
"""The largest page of ListClusters and ListServices; the default page of ListServices is 10."""
_PAGE: "PaginatorConfigTypeDef" = {"PageSize": LISTED_AT_ONCE}
_DEFAULT_BUS = "default"
AT_ONCE = 4
"""The calls that need one for each cluster, service, rule or schedule."""
_NO_CLUSTER = "ClusterNotFoundException"

type MayBegin = Callable[[], bool]
"""Whether there is time for another call; see `concurrently`."""


# Services


def cluster_arns(ecs: "ECSClient") -> list[str]:
    """All clusters of the account and Region."""
    pages = ecs.get_paginator("list_clusters").paginate(PaginationConfig=_PAGE)
    return [arn for page in pages for arn in page["clusterArns"]]


def service_arns(ecs: "ECSClient", cluster_arn: str) -> list[str]:
    """All services of a cluster; none if it is gone."""
    pages = ecs.get_paginator("list_services").paginate(cluster=cluster_arn, PaginationConfig=_PAGE)
    try:
        return [arn for page in pages for arn in page["serviceArns"]]
    except ClientError as error:
        if code_of(error) == _NO_CLUSTER:
            return []
        raise


def describe_services(ecs: "ECSClient", cluster_arn: str, arns: Iterable[str]) -> dict[str, Service]:
    """Up to ten services by ARN, without those that are gone or whose tasks have no addresses of their own."""
    try:
        answer = ecs.describe_services(cluster=cluster_arn, services=list(arns), include=["TAGS"])
    except ClientError as error:
        if code_of(error) == _NO_CLUSTER:  # deleted since it was listed
            return {}
        raise
    return {
        service["serviceArn"]: _service(service)
        for service in answer["services"]
        if service["status"] != "INACTIVE" and _service_subnets(service)
    }


def services_in(
    ecs: "ECSClient", clusters: Iterable[str], subnet_ids: AbstractSet[str], may_begin: MayBegin
) -> list[Service]:
    """Every service of these clusters that lists one of the subnets."""
    listed = concurrently(
        lambda cluster: (cluster, service_arns(ecs, cluster)), clusters, at_once=AT_ONCE, may_begin=may_begin
    )
    parts = [
        (cluster, part)
        for cluster, arns in results_of(listed)
        for part in batched(arns, DESCRIBED_AT_ONCE, strict=False)
    ]
    described = concurrently(lambda one: describe_services(ecs, *one), parts, at_once=AT_ONCE, may_begin=may_begin)
    return [one for some in results_of(described) for one in some.values() if not subnet_ids.isdisjoint(one.subnet_ids)]


def _service(service: "ServiceTypeDef") -> Service:
    tags = {tag["key"]: tag["value"] for tag in service.get("tags", [])}
    configuration = service.get("deploymentConfiguration", {})
    return Service(
        cluster=Arn.parse(service["clusterArn"]).name,
        name=service["serviceName"],
        subnet_ids=_service_subnets(service),
        desired=service["desiredCount"],
        running=service["runningCount"],
        maximum_percent=configuration.get("maximumPercent", 200),
        deploying=is_deploying(service),
        managed=tags.get(MANAGED_TAG) == MANAGED,
        controller=service.get("deploymentController", {}).get("type", "ECS"),
        tag=tags.get(MANAGED_TAG),
        strategy=configuration.get("strategy", "ROLLING"),
    )


def _service_subnets(service: "ServiceTypeDef") -> tuple[str, ...]:
    # With the controllers EXTERNAL and CODE_DEPLOY the task sets have the network configuration.
    networks = [service.get("networkConfiguration"), *(one.get("networkConfiguration") for one in _task_sets(service))]
    return tuple(dict.fromkeys(subnet for network in networks for subnet in _task_subnets(network)))


def _task_sets(service: "ServiceTypeDef") -> Iterable[Any]:
    return service.get("taskSets", ())


def _task_subnets(network: Any) -> Iterable[str]:
    """The subnets of a network configuration; ECS writes its keys in lower case, EventBridge and Scheduler do not."""
    configuration: dict[str, Any] = (network or {}).get("awsvpcConfiguration", {})
    return configuration.get("subnets") or configuration.get("Subnets") or ()


# Rules and schedules


def rules_in(
    events: "EventBridgeClient", clusters: Iterable[str], subnet_ids: AbstractSet[str], may_begin: MayBegin
) -> list[TaskCaller]:
    """The targets of rules on the default bus that run tasks in one of the subnets."""
    named = concurrently(lambda cluster: _rules_of(events, cluster), clusters, at_once=AT_ONCE, may_begin=may_begin)
    rules = [rule for some in results_of(named) for rule in some]
    found = concurrently(
        lambda rule: list(_rule_targets(events, *rule, subnet_ids)), rules, at_once=AT_ONCE, may_begin=may_begin
    )
    return [caller for some in results_of(found) for caller in some]


def _rules_of(events: "EventBridgeClient", cluster: str) -> list[tuple[str, str]]:
    """The cluster, and the name of a rule, for each rule that runs tasks there."""
    pages = events.get_paginator("list_rule_names_by_target").paginate(TargetArn=cluster)
    return [(cluster, name) for page in pages for name in page["RuleNames"]]


def _rule_targets(
    events: "EventBridgeClient", cluster: str, name: str, subnet_ids: AbstractSet[str]
) -> Iterator[TaskCaller]:
    pages = events.get_paginator("list_targets_by_rule").paginate(Rule=name)
    try:
        targets = [target for page in pages for target in page["Targets"] if target["Arn"] == cluster]
        callers = [
            (target["Id"], subnets, _role(target))
            for target in targets
            if (subnets := tuple(_task_subnets(target.get("EcsParameters", {}).get("NetworkConfiguration"))))
            and not subnet_ids.isdisjoint(subnets)
        ]
        if not callers:
            return
        rule = replace(Arn.parse(cluster), service="events", resource=f"rule/{name}")
        tags = events.list_tags_for_resource(ResourceARN=str(rule))
    except ClientError as error:
        if code_of(error) == "ResourceNotFoundException":  # deleted since it was listed
            return
        raise
    managed = tags_of(tags["Tags"]).get(MANAGED_TAG) == MANAGED
    for target_id, subnets, role in callers:
        yield TaskCaller(
            kind=CallerKind.RULE,
            group=_DEFAULT_BUS,
            name=name,
            target_id=target_id,
            subnet_ids=subnets,
            role=role,
            managed=managed,
        )


def schedules_in(
    scheduler: "EventBridgeSchedulerClient", subnet_ids: AbstractSet[str], may_begin: MayBegin
) -> list[TaskCaller]:
    """The schedules of managed groups that run tasks in one of the subnets. Schedules cannot have tags, groups can."""
    pages = scheduler.get_paginator("list_schedule_groups").paginate(PaginationConfig=_PAGE)
    groups = [group for page in pages for group in page["ScheduleGroups"]]
    named = concurrently(
        lambda group: _schedules_if_managed(scheduler, group), groups, at_once=AT_ONCE, may_begin=may_begin
    )
    schedules = [schedule for some in results_of(named) for schedule in some]
    found = concurrently(
        lambda one: list(_schedule(scheduler, one, subnet_ids)), schedules, at_once=AT_ONCE, may_begin=may_begin
    )
    return [caller for some in results_of(found) for caller in some]


def _schedules_if_managed(
    scheduler: "EventBridgeSchedulerClient", group: "ScheduleGroupSummaryTypeDef"
) -> "list[ScheduleSummaryTypeDef]":
    """The schedules of a group that run tasks; none if the group is not managed."""
    try:
        tags = scheduler.list_tags_for_resource(ResourceArn=group["Arn"])
        if tags_of(tags.get("Tags", ())).get(MANAGED_TAG) != MANAGED:
            return []
        pages = scheduler.get_paginator("list_schedules").paginate(GroupName=group["Name"], PaginationConfig=_PAGE)
        schedules = [schedule for page in pages for schedule in page["Schedules"]]
    except ClientError as error:
        if code_of(error) == "ResourceNotFoundException":  # deleted since it was listed
            return []
        raise
    return [one for one in schedules if Arn.parse(one["Target"]["Arn"]).path[0] == "cluster"]


def _schedule(
    scheduler: "EventBridgeSchedulerClient", summary: "ScheduleSummaryTypeDef", subnet_ids: AbstractSet[str]
) -> Iterator[TaskCaller]:
    group, name = summary["GroupName"], summary["Name"]
    try:
        schedule = scheduler.get_schedule(GroupName=group, Name=name)
    except ClientError as error:
        if code_of(error) == "ResourceNotFoundException":  # deleted since it was listed
            return
        raise
    subnets = tuple(_task_subnets(schedule["Target"].get("EcsParameters", {}).get("NetworkConfiguration")))
    if not subnet_ids.isdisjoint(subnets):
        yield TaskCaller(
            kind=CallerKind.SCHEDULE,
            group=group,
            name=name,
            target_id="",
            subnet_ids=subnets,
            role=_role(schedule["Target"]),
            managed=True,
        )


def _role(target: Any) -> str:
    """Path and name of the role in a target."""
    return Arn.parse(target["RoleArn"]).resource.removeprefix("role/") if target.get("RoleArn") else ""
