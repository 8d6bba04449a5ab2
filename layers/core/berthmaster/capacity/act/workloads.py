"""The writes of an expansion to workloads: in which subnets services, rules and schedules run tasks.

Every write starts from the current configuration and changes only the list of subnets.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from itertools import batched
from typing import Any

from botocore.exceptions import ClientError

from berthmaster.capacity.act.attempt import Attempt, NotYet
from berthmaster.capacity.ecs_service import DESCRIBED_AT_ONCE, is_deploying
from berthmaster.capacity.model import CallerKind, CallerWiring, TaskCaller
from berthmaster.errors import BerthmasterError, Refused, is_transient

DEPLOYMENT_DELAY = timedelta(seconds=60)
"""How often a deployment in progress is checked."""


class Workloads:
    """The writes to ECS, EventBridge and Scheduler."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._clients = attempt.clients

    def change_service(self, cluster: str, name: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> bool:
        """Change the subnets of an ECS service; True if that started a deployment, which takes its own time.

        NotYet while a deployment is in progress, also the one that this started: one at a time, since each needs
        addresses for more tasks than the service has.
        """
        answer = self._clients.ecs.describe_services(cluster=cluster, services=[name])
        if not answer["services"] or answer["services"][0]["status"] != "ACTIVE":
            return False
        service = answer["services"][0]
        if is_deploying(service):
            raise NotYet(f"{name} has a deployment in progress", DEPLOYMENT_DELAY)
        network = service["networkConfiguration"]["awsvpcConfiguration"]
        subnets = changed(network["subnets"], add=add, remove=remove)
        if subnets == network["subnets"]:
            return False
        with self._attempt.write("UpdateService"):
            self._clients.ecs.update_service(
                cluster=cluster,
                service=name,
                networkConfiguration={"awsvpcConfiguration": {**network, "subnets": subnets}},
            )
        return True

    def deploying(self, cluster: str, names: Sequence[str]) -> list[str]:
        """Those of the services that have a deployment in progress."""
        found: list[str] = []
        for batch in batched(names, DESCRIBED_AT_ONCE, strict=False):
            try:
                answer = self._clients.ecs.describe_services(cluster=cluster, services=list(batch))
            except ClientError as error:
                if is_transient(error):
                    raise
                # They are gone, or may not be read: the change of each service will report it.
                continue
            found += [service["serviceName"] for service in answer["services"] if is_deploying(service)]
        return found

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
        with self._attempt.write("PutTargets"):
            answer = self._clients.events.put_targets(Rule=rule, EventBusName=bus, Targets=[target])
        for failure in answer.get("FailedEntries", []):
            raise Refused("PutTargets", failure.get("ErrorCode", ""), failure.get("ErrorMessage", ""))

    def _change_schedule(self, group: str, name: str, *, add: Iterable[str], remove: Iterable[str]) -> None:
        schedule: Any = self._clients.scheduler.get_schedule(GroupName=group, Name=name)
        if not _change_network(schedule["Target"], add=add, remove=remove):
            return
        # UpdateSchedule replaces the whole schedule: what is left out gets its default.
        whole = {key: value for key, value in schedule.items() if key not in _READ_ONLY}
        if "StartDate" in whole and whole["StartDate"] <= self._attempt.clock.now():
            # Scheduler refuses a start in the past, and one that has passed has no effect any more.
            del whole["StartDate"]
        with self._attempt.write("UpdateSchedule"):
            self._clients.scheduler.update_schedule(**whole)


_READ_ONLY = frozenset({"Arn", "CreationDate", "LastModificationDate", "ResponseMetadata"})


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
