"""What runs ECS tasks in subnets: services, and EventBridge rules and schedules."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from itertools import batched, product
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from berthmaster.arn import Arn
from berthmaster.capacity.ecs_service import DESCRIBED_AT_ONCE, service_of, subnets_of_service, task_subnets
from berthmaster.capacity.model.tags import MANAGED, MANAGED_TAG
from berthmaster.capacity.model.workloads import DEFAULT_BUS, CallerKind, Service, TaskCaller, rule_resource
from berthmaster.capacity.observe.cluster_memory import Cluster
from berthmaster.capacity.observe.network import tags_of
from berthmaster.concurrently import Outcome, concurrently
from berthmaster.errors import code_of

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_ecs.type_defs import PaginatorConfigTypeDef
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_scheduler import EventBridgeSchedulerClient
    from mypy_boto3_scheduler.type_defs import ScheduleGroupSummaryTypeDef, ScheduleSummaryTypeDef

LISTED_AT_ONCE = 100
"""The largest page of ListClusters and ListServices; the default page of ListServices is 10."""
_PAGE: "PaginatorConfigTypeDef" = {"PageSize": LISTED_AT_ONCE}
AT_ONCE = 4
"""The calls that need one for each cluster, service, rule or schedule."""
_NO_CLUSTER = "ClusterNotFoundException"

type MayBegin = Callable[[], bool]
"""Whether there is time for another call; see `concurrently`."""

_UNKNOWN = Cluster()
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Found[Workload]:
    """What runs tasks in some subnets, or the clusters where it may, as far as it could be read in time.

    unread: what else may run tasks there, for people. error: why it was not read, or not read again.
    """

    workloads: tuple[Workload, ...]
    unread: tuple[str, ...] = ()
    error: Exception | None = None


def _some_of(what: str, names: Iterable[str]) -> tuple[str, ...]:
    """A line that names what was not read, or how many there are; none if there are none."""
    different = sorted(set(names))
    if not different:
        return ()
    more = len(different) - _MOST_NAMED
    listed = ", ".join(different[:_MOST_NAMED])
    return (f"{what} {listed} and {more} more" if more > 0 else f"{what} {listed}",)


def _name(arn: str) -> str:
    return Arn.parse(arn).name


# Services


def cluster_arns(ecs: "ECSClient") -> list[str]:
    """All clusters of the account and Region."""
    pages = ecs.get_paginator("list_clusters").paginate(PaginationConfig=_PAGE)
    return [arn for page in pages for arn in page["clusterArns"]]


def clusters_in(ecs: "ECSClient", known: Collection[str]) -> Found[str]:
    """The ARNs of all clusters; those that are known if they cannot be listed."""
    try:
        return Found(tuple(cluster_arns(ecs)))
    except (BotoCoreError, ClientError) as error:
        return Found(tuple(known), unread=("ECS clusters",), error=error)


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
        service["serviceArn"]: service_of(service)
        for service in answer["services"]
        if service["status"] != "INACTIVE" and subnets_of_service(service)
    }


def relevant_clusters(
    clusters: Iterable[str], subnet_ids: AbstractSet[str], known: Mapping[str, Cluster], reporting: Collection[str]
) -> list[str]:
    """The clusters that may run tasks in the subnets: all but those whose services ran elsewhere when they were read.

    A service, rule or schedule that such a cluster has in the subnets since then is found when capacity_watch has read
    the cluster again, or when one of its tasks finds no address.
    reporting: the ARNs of clusters whose tasks found none; they come first.
    """

    def is_elsewhere(arn: str) -> bool:
        cluster = known.get(arn, _UNKNOWN)
        return bool(cluster.services) and not cluster.runs_in(subnet_ids)

    return [
        *(arn for arn in clusters if arn in reporting),
        *(arn for arn in clusters if arn not in reporting and not is_elsewhere(arn)),
    ]


def services_in(
    ecs: "ECSClient",
    clusters: Iterable[str],
    subnet_ids: AbstractSet[str],
    may_begin: MayBegin,
    known: Mapping[str, Cluster] = MappingProxyType({}),
) -> Found[Service]:
    """The services of these clusters that list one of the subnets.

    known: the clusters as they were read before. Services that ran elsewhere then are not described again, and what
    cannot be read now is as it was then.
    """
    listed = concurrently(lambda arn: service_arns(ecs, arn), clusters, at_once=AT_ONCE, may_begin=may_begin)
    before = {one.item: known.get(one.item, _UNKNOWN) for one in listed}
    due = {one.item: _due(before[one.item], one.value, subnet_ids) for one in listed}
    parts = [(arn, part) for arn, some in due.items() for part in batched(some, DESCRIBED_AT_ONCE, strict=False)]
    described = concurrently(lambda one: describe_services(ecs, *one), parts, at_once=AT_ONCE, may_begin=may_begin)
    services = {arn: service for one in described for arn, service in _as_read(one, before).items()}
    unread = [one.item for one in listed if one.error]
    unread += [arn for arn, part in (one.item for one in described if one.error) if not _all_known(before[arn], part)]
    return Found(
        tuple(one for one in services.values() if not subnet_ids.isdisjoint(one.subnet_ids)),
        unread=_some_of("ECS services in cluster", map(_name, unread)),
        error=next((one.error for one in (*listed, *described) if one.error), None),
    )


def _due(before: Cluster, listed: Sequence[str] | None, subnet_ids: AbstractSet[str]) -> list[str]:
    """The services of a cluster to describe: those in the subnets, and those that were never described.

    listed: None if the cluster could not be listed.
    """
    known = [arn for arn, service in before.services.items() if not subnet_ids.isdisjoint(service.subnet_ids)]
    if listed is None:
        return known
    there = set(listed)
    return [*(arn for arn in known if arn in there), *(arn for arn in listed if not before.knows(arn))]


def _as_read(
    one: "Outcome[tuple[str, tuple[str, ...]], dict[str, Service]]", before: Mapping[str, Cluster]
) -> Mapping[str, Service]:
    """The services of one call, as they were read before if it failed."""
    if one.value is not None:
        return one.value
    arn, part = one.item
    return {service: before[arn].services[service] for service in part if service in before[arn].services}


def _all_known(cluster: Cluster, services: Iterable[str]) -> bool:
    return all(map(cluster.knows, services))


# Rules and schedules


def buses_of(events: "EventBridgeClient") -> list[str]:
    """The names of all event buses."""
    found: list[str] = []
    token: dict[str, str] = {}
    while True:
        page = events.list_event_buses(Limit=LISTED_AT_ONCE, **token)
        found += (bus["Name"] for bus in page["EventBuses"])
        if not page.get("NextToken"):
            return found
        token = {"NextToken": page["NextToken"]}


def rules_in(
    events: "EventBridgeClient",
    clusters: Iterable[str],
    subnet_ids: AbstractSet[str],
    may_begin: MayBegin,
    *,
    buses: Iterable[str] = (DEFAULT_BUS,),
) -> Found[TaskCaller]:
    """The targets of rules on these buses that run tasks in one of the subnets."""
    pairs = list(product(clusters, buses))
    named = concurrently(lambda pair: _rules_of(events, *pair), pairs, at_once=AT_ONCE, may_begin=may_begin)
    rules = [rule for one in named for rule in one.value or ()]
    found = concurrently(
        lambda rule: list(_rule_targets(events, *rule, subnet_ids)), rules, at_once=AT_ONCE, may_begin=may_begin
    )
    return Found(
        tuple(caller for one in found for caller in one.value or ()),
        unread=(
            *_some_of("EventBridge rules of cluster", (_name(one.item[0]) for one in named if one.error)),
            *_some_of("EventBridge rule", (one.item[2] for one in found if one.error)),
        ),
        error=next((one.error for one in (*named, *found) if one.error), None),
    )


def _rules_of(events: "EventBridgeClient", cluster: str, bus: str) -> list[tuple[str, str, str]]:
    """The cluster, the bus, and the name of a rule, for each rule of the bus that runs tasks there."""
    pages = events.get_paginator("list_rule_names_by_target").paginate(TargetArn=cluster, EventBusName=bus)
    return [(cluster, bus, name) for page in pages for name in page["RuleNames"]]


def _rule_targets(
    events: "EventBridgeClient", cluster: str, bus: str, name: str, subnet_ids: AbstractSet[str]
) -> Iterator[TaskCaller]:
    pages = events.get_paginator("list_targets_by_rule").paginate(Rule=name, EventBusName=bus)
    try:
        targets = [target for page in pages for target in page["Targets"] if target["Arn"] == cluster]
        callers = [
            (target["Id"], subnets, _role(target))
            for target in targets
            if (subnets := tuple(task_subnets(target.get("EcsParameters", {}).get("NetworkConfiguration"))))
            and not subnet_ids.isdisjoint(subnets)
        ]
        if not callers:
            return
        rule = replace(Arn.parse(cluster), service="events", resource=rule_resource(bus, name))
        tags = events.list_tags_for_resource(ResourceARN=str(rule))
    except ClientError as error:
        if code_of(error) == "ResourceNotFoundException":  # deleted since it was listed
            return
        raise
    managed = tags_of(tags["Tags"]).get(MANAGED_TAG) == MANAGED
    for target_id, subnets, role in callers:
        yield TaskCaller(
            kind=CallerKind.RULE,
            group=bus,
            name=name,
            target_id=target_id,
            subnet_ids=subnets,
            role=role,
            managed=managed,
        )


def schedules_in(
    scheduler: "EventBridgeSchedulerClient",
    subnet_ids: AbstractSet[str],
    may_begin: MayBegin,
    *,
    is_any_group: bool = False,
) -> Found[TaskCaller]:
    """The schedules that run tasks in one of the subnets. Schedules cannot have tags, groups can.

    is_any_group: whether the schedules of groups that are not managed are read too, each with a call of its own.
    """
    pages = scheduler.get_paginator("list_schedule_groups").paginate(PaginationConfig=_PAGE)
    try:
        groups = [group for page in pages for group in page["ScheduleGroups"]]
    except (BotoCoreError, ClientError) as error:
        return Found((), unread=("EventBridge schedule groups",), error=error)
    named = concurrently(
        lambda group: _schedules_of(scheduler, group, is_any_group=is_any_group),
        groups,
        at_once=AT_ONCE,
        may_begin=may_begin,
    )
    schedules = [schedule for one in named for schedule in one.value or ()]
    found = concurrently(
        lambda one: list(_schedule(scheduler, *one, subnet_ids)), schedules, at_once=AT_ONCE, may_begin=may_begin
    )
    return Found(
        tuple(caller for one in found for caller in one.value or ()),
        unread=(
            *_some_of("EventBridge schedules of group", (one.item["Name"] for one in named if one.error)),
            *_some_of("EventBridge schedule", (one.item[0]["Name"] for one in found if one.error)),
        ),
        error=next((one.error for one in (*named, *found) if one.error), None),
    )


def _schedules_of(
    scheduler: "EventBridgeSchedulerClient", group: "ScheduleGroupSummaryTypeDef", *, is_any_group: bool
) -> "list[tuple[ScheduleSummaryTypeDef, bool]]":
    """The schedules of a group that run tasks, each with whether the group is managed."""
    try:
        tags = scheduler.list_tags_for_resource(ResourceArn=group["Arn"])
        managed = tags_of(tags.get("Tags", ())).get(MANAGED_TAG) == MANAGED
        if not managed and not is_any_group:
            return []
        pages = scheduler.get_paginator("list_schedules").paginate(GroupName=group["Name"], PaginationConfig=_PAGE)
        schedules = [schedule for page in pages for schedule in page["Schedules"]]
    except ClientError as error:
        if code_of(error) == "ResourceNotFoundException":  # deleted since it was listed
            return []
        raise
    return [(one, managed) for one in schedules if _runs_tasks(one)]


def _runs_tasks(summary: "ScheduleSummaryTypeDef") -> bool:
    target = Arn.parse(summary["Target"]["Arn"])
    return target.service == "ecs" and target.path[0] == "cluster"


def _schedule(
    scheduler: "EventBridgeSchedulerClient",
    summary: "ScheduleSummaryTypeDef",
    managed: bool,  # noqa: FBT001 - passed on as it was found
    subnet_ids: AbstractSet[str],
) -> Iterator[TaskCaller]:
    group, name = summary["GroupName"], summary["Name"]
    try:
        schedule = scheduler.get_schedule(GroupName=group, Name=name)
    except ClientError as error:
        if code_of(error) == "ResourceNotFoundException":  # deleted since it was listed
            return
        raise
    subnets = tuple(task_subnets(schedule["Target"].get("EcsParameters", {}).get("NetworkConfiguration")))
    if not subnet_ids.isdisjoint(subnets):
        yield TaskCaller(
            kind=CallerKind.SCHEDULE,
            group=group,
            name=name,
            target_id="",
            subnet_ids=subnets,
            role=_role(schedule["Target"]),
            managed=managed,
        )


def _role(target: Any) -> str:
    """Path and name of the role in a target."""
    return Arn.parse(target["RoleArn"]).resource.removeprefix("role/") if target.get("RoleArn") else ""
