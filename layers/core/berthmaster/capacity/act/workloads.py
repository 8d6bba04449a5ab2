"""The writes of an expansion to workloads: in which subnets services, rules and schedules run tasks.

Every write starts from the current configuration and changes only the list of subnets.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import batched
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from berthmaster.arn import Arn
from berthmaster.capacity.act.attempt import RETRY_DELAY, Attempt, NotYet
from berthmaster.capacity.ecs_service import DESCRIBED_AT_ONCE, rollouts_of
from berthmaster.capacity.model.plan import CallerWiring
from berthmaster.capacity.model.tags import MANAGED, MANAGED_TAG
from berthmaster.capacity.model.workloads import CallerKind, TaskCaller, rule_resource
from berthmaster.concurrently import concurrently, results_of
from berthmaster.errors import BerthmasterError, Refused, is_transient, is_transient_code

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import ServiceTypeDef

DEPLOYMENT_DELAY = timedelta(seconds=60)
"""How often a deployment in progress is checked."""
AT_ONCE = 4
"""Calls of DescribeServices."""


class Untagged(BerthmasterError):
    """A service, rule or schedule does not have the tag any more by which it may be changed."""


type ServiceName = tuple[str, str]
"""The cluster of an ECS service, and its name."""


class Workloads:
    """The writes to ECS, EventBridge and Scheduler. Each reads the tag of what it changes again: Untagged."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._clients = attempt.clients

    def read(self, services: Iterable[ServiceName]) -> Mapping[ServiceName, "ServiceTypeDef"]:
        """Services as they are now, with their tags.

        Without those that are gone or may not be read: to change them reports that.
        """
        by_cluster: defaultdict[str, list[str]] = defaultdict(list)
        for cluster, name in services:
            by_cluster[cluster].append(name)
        parts = [
            (cluster, list(part))
            for cluster, names in by_cluster.items()
            for part in batched(names, DESCRIBED_AT_ONCE, strict=False)
        ]
        described = results_of(concurrently(lambda one: self._describe(*one), parts, at_once=AT_ONCE))
        return {
            (cluster, service["serviceName"]): service
            for (cluster, _), found in zip(parts, described, strict=True)
            for service in found
        }

    def _describe(self, cluster: str, names: list[str]) -> "list[ServiceTypeDef]":
        try:
            answer = self._clients.ecs.describe_services(cluster=cluster, services=names, include=["TAGS"])
            return [one for one in answer["services"] if is_in_use(one)]
        except ClientError as error:
            if is_transient(error):
                raise
            return []

    def look(self, cluster: str, name: str) -> "ServiceTypeDef | None":
        """A service with its tags; None if it is gone, or if its tasks have no addresses of their own any more."""
        answer = self._clients.ecs.describe_services(cluster=cluster, services=[name], include=["TAGS"])
        service = answer["services"][0] if answer["services"] else None
        return service if service and is_in_use(service) else None

    def require_tag(self, service: "ServiceTypeDef") -> None:
        """Untagged if a service, with its tags, may not be changed."""
        tags = {tag["key"]: tag["value"] for tag in service.get("tags", ())}
        _require_tag(f"ECS service {service['serviceName']}", tags)

    def set_subnets(self, service: "ServiceTypeDef", *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> str:
        """Call UpdateService once; returns the id of the deployment that it has started.

        The SDK does not repeat this call, since each replaces all tasks: after a BotoCoreError, or a ClientError of the
        server, it may have been made.
        """
        network = service["networkConfiguration"]["awsvpcConfiguration"]
        subnets = changed(network["subnets"], add=add, remove=remove)
        with self._attempt.write("UpdateService"):
            answer = self._clients.ecs_once.update_service(
                cluster=service["clusterArn"],
                service=service["serviceName"],
                networkConfiguration={"awsvpcConfiguration": {**network, "subnets": subnets}},
            )
        return rollouts_of(answer["service"])[0].id

    def change_caller(
        self, caller: CallerWiring | TaskCaller, *, add: Iterable[str] = (), remove: Iterable[str] = ()
    ) -> None:
        """Change the subnets of a rule's target or of a schedule."""
        if caller.kind is CallerKind.RULE:
            self._change_rule(caller.group, caller.name, caller.target_id, add=add, remove=remove)
        else:
            self._change_schedule(caller.group, caller.name, add=add, remove=remove)

    def _change_rule(self, bus: str, rule: str, target_id: str, *, add: Iterable[str], remove: Iterable[str]) -> None:
        pages = self._clients.events.get_paginator("list_targets_by_rule").paginate(Rule=rule, EventBusName=bus)
        target: Any = next((one for page in pages for one in page["Targets"] if one["Id"] == target_id), {})
        if not _change_network(target, add=add, remove=remove):
            return
        arn = replace(Arn.parse(target["Arn"]), service="events", resource=rule_resource(bus, rule))
        tags = self._clients.events.list_tags_for_resource(ResourceARN=str(arn))["Tags"]
        _require_tag(f"rule {rule}", {tag["Key"]: tag["Value"] for tag in tags})
        with self._attempt.write("PutTargets"):
            answer = self._clients.events.put_targets(Rule=rule, EventBusName=bus, Targets=[target])
        for failure in answer.get("FailedEntries", []):
            code = failure.get("ErrorCode", "")
            if is_transient_code(code):
                raise NotYet(f"EventBridge did not change {rule}: {code}", RETRY_DELAY)
            raise Refused("PutTargets", code, failure.get("ErrorMessage", ""))

    def _change_schedule(self, group: str, name: str, *, add: Iterable[str], remove: Iterable[str]) -> None:
        schedule: Any = self._clients.scheduler.get_schedule(GroupName=group, Name=name)
        if not _change_network(schedule["Target"], add=add, remove=remove):
            return
        arn = replace(Arn.parse(schedule["Arn"]), resource=f"schedule-group/{group}")
        tags = self._clients.scheduler.list_tags_for_resource(ResourceArn=str(arn)).get("Tags", [])
        _require_tag(f"schedule group {group}", {tag["Key"]: tag["Value"] for tag in tags})
        # UpdateSchedule replaces the whole schedule: what is left out gets its default.
        whole = {key: value for key, value in schedule.items() if key not in _READ_ONLY}
        if "StartDate" in whole and whole["StartDate"] <= self._attempt.clock.now():
            # Scheduler refuses a start in the past, and one that has passed has no effect any more.
            del whole["StartDate"]
        with self._attempt.write("UpdateSchedule"):
            self._clients.scheduler.update_schedule(**whole)


def is_in_use(service: "ServiceTypeDef") -> bool:
    """Whether a service exists, and its tasks have addresses of their own."""
    return service["status"] == "ACTIVE" and "awsvpcConfiguration" in service.get("networkConfiguration", {})


_READ_ONLY = frozenset({"Arn", "CreationDate", "LastModificationDate", "ResponseMetadata"})


def _require_tag(what: str, tags: Mapping[str, str]) -> None:
    if tags.get(MANAGED_TAG) != MANAGED:
        raise Untagged(f"{what} is no longer tagged {MANAGED_TAG}")


def _change_network(target: Mapping[str, Any], *, add: Iterable[str], remove: Iterable[str]) -> bool:
    """Change the subnets in a target of a rule or a schedule; False if nothing is to change there."""
    network = target.get("EcsParameters", {}).get("NetworkConfiguration", {}).get("awsvpcConfiguration")
    if network is None:
        return False
    subnets = changed(network["Subnets"], add=add, remove=remove)
    if subnets == network["Subnets"]:
        return False
    network["Subnets"] = subnets
    return True


def changed(listed: list[str], *, add: Iterable[str], remove: Iterable[str]) -> list[str]:
    """The list without the subnets to remove and with those to add, in order, each once."""
    removed = set(remove)
    kept = [subnet for subnet in listed if subnet not in removed]
    if not kept and listed:
        raise BerthmasterError(f"without {sorted(removed)} no subnet would be left")
    return list(dict.fromkeys([*kept, *add]))
