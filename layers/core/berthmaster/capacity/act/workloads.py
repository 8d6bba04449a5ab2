"""The writes of an expansion to workloads: which subnets services, rules and schedules run tasks in.

Every write starts from what is there at that moment and changes nothing but the list of subnets.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import batched
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from berthmaster.capacity.act.network import NotYet
from berthmaster.capacity.model import CallerKind
from berthmaster.clock import Clock
from berthmaster.errors import BerthmasterError, Refused, is_transient, refusal_of

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import ServiceTypeDef

    from berthmaster.clients import Clients

SERVICES_PER_CALL = 10
DEPLOYMENT_SECONDS = 60
"""How often a deployment in progress is looked at again."""


class WorkloadSteps:
    """ECS, EventBridge and Scheduler writes."""

    def __init__(self, clients: "Clients", clock: Clock) -> None:
        self._clients = clients
        self._clock = clock

    def list_in_service(self, cluster: str, name: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> bool:
        """Change the subnets of an ECS service; True if that started a deployment, which takes its own time.

        NotYet while a deployment is in progress, be it the one this started: one at a time, since each needs addresses
        for more tasks than the service has.
        """
        answer = self._clients.ecs.describe_services(cluster=cluster, services=[name])
        if not answer["services"] or answer["services"][0]["status"] != "ACTIVE":
            return False
        service = answer["services"][0]
        if is_deploying(service):
            raise NotYet(f"{name} has a deployment in progress", DEPLOYMENT_SECONDS)
        network = service["networkConfiguration"]["awsvpcConfiguration"]
        subnets = changed(network["subnets"], add=add, remove=remove)
        if subnets == network["subnets"]:
            return False
        with refusal_of("UpdateService"):
            self._clients.ecs.update_service(
                cluster=cluster,
                service=name,
                networkConfiguration={"awsvpcConfiguration": {**network, "subnets": subnets}},
            )
        return True

    def deploying(self, cluster: str, names: Sequence[str]) -> list[str]:
        """Those of the services that have a deployment in progress."""
        found: list[str] = []
        for batch in batched(names, SERVICES_PER_CALL, strict=False):
            try:
                answer = self._clients.ecs.describe_services(cluster=cluster, services=list(batch))
            except ClientError as error:
                if is_transient(error):
                    raise
                # Gone, or closed to this role: who changes the service will say so.
                continue
            found += [service["serviceName"] for service in answer["services"] if is_deploying(service)]
        return found

    def list_in_caller(
        self,
        kind: CallerKind,
        group: str,
        name: str,
        target_id: str,
        *,
        add: Iterable[str] = (),
        remove: Iterable[str] = (),
    ) -> None:
        """Change the subnets of a rule's target or of a schedule."""
        if kind is CallerKind.RULE:
            self._list_in_rule(group, name, target_id, add=add, remove=remove)
        else:
            self._list_in_schedule(group, name, add=add, remove=remove)

    def _list_in_rule(self, bus: str, rule: str, target_id: str, *, add: Iterable[str], remove: Iterable[str]) -> None:
        pages = self._clients.events.get_paginator("list_targets_by_rule").paginate(Rule=rule, EventBusName=bus)
        target: Any = next((one for page in pages for one in page["Targets"] if one["Id"] == target_id), None)
        network = _network_of(target or {})
        if network is None:
            return
        subnets = changed(network["Subnets"], add=add, remove=remove)
        if subnets == network["Subnets"]:
            return
        network["Subnets"] = subnets
        with refusal_of("PutTargets"):
            answer = self._clients.events.put_targets(Rule=rule, EventBusName=bus, Targets=[target])
        for failure in answer.get("FailedEntries", []):
            raise Refused("PutTargets", failure.get("ErrorCode", ""), failure.get("ErrorMessage", ""))

    def _list_in_schedule(self, group: str, name: str, *, add: Iterable[str], remove: Iterable[str]) -> None:
        schedule: Any = self._clients.scheduler.get_schedule(GroupName=group, Name=name)
        network = _network_of(schedule["Target"])
        if network is None:
            return
        subnets = changed(network["Subnets"], add=add, remove=remove)
        if subnets == network["Subnets"]:
            return
        network["Subnets"] = subnets
        # UpdateSchedule replaces the whole schedule: what is left out falls back to its default.
        whole = {key: value for key, value in schedule.items() if key not in _READ_ONLY}
        if "StartDate" in whole and whole["StartDate"] <= self._clock.now():
            # Scheduler refuses a start in the past; one that has passed says nothing any more.
            del whole["StartDate"]
        with refusal_of("UpdateSchedule"):
            self._clients.scheduler.update_schedule(**whole)


_READ_ONLY = frozenset({"Arn", "CreationDate", "LastModificationDate", "ResponseMetadata"})


def _network_of(target: Mapping[str, Any]) -> Any:
    """The subnets' place in a target of a rule or a schedule; None if somebody made it something else."""
    return target.get("EcsParameters", {}).get("NetworkConfiguration", {}).get("awsvpcConfiguration")


def is_deploying(service: "ServiceTypeDef") -> bool:
    """Whether a rolling deployment is under way."""
    deployments = service.get("deployments", [])
    return len(deployments) > 1 or any(one.get("rolloutState") == "IN_PROGRESS" for one in deployments)


def changed(listed: list[str], *, add: Iterable[str], remove: Iterable[str]) -> list[str]:
    """The list without those to remove and with those to add, in order, none twice."""
    gone = set(remove)
    kept = [subnet for subnet in listed if subnet not in gone]
    if not kept and listed:
        raise BerthmasterError(f"taking {sorted(gone)} away would leave no subnet")
    return list(dict.fromkeys([*kept, *add]))
