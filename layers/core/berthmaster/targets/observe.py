"""AWS → what events and reconciliations are judged by. Reads only, batched."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import batched
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.errors import MissingEvidence, code_of
from berthmaster.targets import mapping, tasks
from berthmaster.targets.cloud_map_calls import PREFIX
from berthmaster.targets.inventory import Inventory
from berthmaster.targets.ledger import Ledger, View
from berthmaster.targets.level import Evidence, Survey, Verdict
from berthmaster.targets.model import (
    Claim,
    ClaimKey,
    Declaration,
    Destination,
    DiscoveryService,
    EcsSelector,
    Fence,
    Kind,
    Phase,
    Policy,
    State,
    Target,
    TargetState,
    Task,
)
from berthmaster.targets.plan import Scene, wanted

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import PaginatorConfigTypeDef

TASKS_AT_ONCE = 100
TARGETS_AT_ONCE = 100
OPERATIONS_AT_ONCE = 50
_PAGE: "PaginatorConfigTypeDef" = {"PageSize": 100}


class Observer:
    """Reads what matters for some tasks, or for some destinations."""

    def __init__(self, clients: Clients, clock: Clock, ledger: Ledger, inventory: Inventory, policy: Policy) -> None:
        self._clients = clients
        self._clock = clock
        self._ledger = ledger
        self._inventory = inventory
        self._policy = policy

    # For events

    def scene(self, seen: Collection[Task], asked: Collection[str], turn: datetime) -> Scene:
        """All that the sightings of some tasks are judged by; `asked` are owners known to the ledger, it may be."""
        declared, _ = self._inventory.declarations()
        view = View()
        concerned = [task for task in seen if task.arn in asked or _concerns(task, declared)]
        self._ledger.read(
            view,
            owners=[task.arn for task in concerned],
            berths=[
                (task.address.subnet_id, task.address.ip)
                for task in seen
                if task.address and task.phase is not Phase.LEAVING
            ],
        )
        self._read_former_owners(seen, view)
        heirs = {
            (task.cluster, task.service)
            for task in seen
            if task.address and task.service and (task.address.subnet_id, task.address.ip) in view.berths
        }
        destinations = self._destinations(declared, concerned, view, heirs)
        arriving = [task for task in concerned if _may_arrive(task, view.fences.get(task.arn), destinations)]
        definitions = self._inventory.definitions({task.definition for task in arriving})
        keys = [key for task in arriving for key in wanted(task, destinations.values(), definitions)[0]]
        held = [key for fence in view.fences.values() for key in fence.claims]
        self._ledger.read(view, claims={*keys, *held}, notes={key.destination for key in keys})
        now = self._clock.now()
        return Scene(
            now=now,
            turn=turn,
            destinations=destinations,
            definitions=definitions,
            policy=self._policy,
            fences=view.fences,
            berths=view.berths,
            claims=view.claims,
            notes=view.notes,
            targets=self._targets_in_doubt(keys, view, destinations, now),
            operations=self.operations(view.claims.values()),
        )

    def _read_former_owners(self, seen: Iterable[Task], view: View) -> None:
        arns = {task.arn for task in seen}
        self._ledger.read(view, owners={berth.owner for berth in view.berths.values()} - arns)

    def _destinations(
        self, declared: Sequence[Declaration], concerned: Iterable[Task], view: View, heirs: Collection[tuple[str, str]]
    ) -> dict[str, Destination]:
        held = {key.destination for fence in view.fences.values() for key in fence.claims}
        chosen, services = {}, set(heirs)
        for task in concerned:
            for one in declared:
                if mapping.names(one, task):
                    chosen[one.arn] = one
                    if task.service:
                        services.add((task.cluster, task.service))
        chosen |= {one.arn: one for one in declared if one.arn in held}
        return self._inventory.destinations(chosen.values(), services)[0]

    def _targets_in_doubt(
        self, keys: Iterable[ClaimKey], view: View, destinations: Mapping[str, Destination], now: datetime
    ) -> dict[ClaimKey, Target]:
        """How targets are that others may have registered, or that a handover waits for."""
        doubtful = defaultdict(list)
        for key in keys:
            claim, note = view.claims.get(key), view.notes.get(key.destination)
            is_new = claim is None or claim.is_over
            waits = claim is not None and claim.state is State.HANDOVER
            is_due = waits and claim is not None and claim.due_at is not None and claim.due_at <= now
            if is_due or (is_new and (note is None or note.shared)):
                doubtful[key.destination].append(key)
        found: dict[ClaimKey, Target] = {}
        for arn, group in doubtful.items():
            if destinations[arn].kind is Kind.TARGET_GROUP:
                for batch in batched(group, TARGETS_AT_ONCE, strict=False):
                    found |= self._target_health(arn, batch)
        return found

    def operations(self, held: Iterable[Claim]) -> dict[str, bool]:
        """Cloud Map operations that have ended, and whether they succeeded; of many, only the oldest are asked about.

        Each takes a call, and whoever waits for the others is looked at again.
        """
        oldest = sorted((claim for claim in held if claim.operation), key=lambda claim: claim.changed_at)
        ended = {}
        for claim in oldest[:OPERATIONS_AT_ONCE]:
            succeeded = self._operation(claim)
            if succeeded is not None:
                ended[claim.operation] = succeeded
        return ended

    def _operation(self, claim: Claim) -> bool | None:
        try:
            status = self._clients.discovery.get_operation(OperationId=claim.operation)["Operation"]["Status"]
        except ClientError as error:
            # Cloud Map forgets operations. An instance that may be there is taken to be there: a reconciliation
            # registers it again if it is not, and a deregistration is simply called again.
            if code_of(error) == "OperationNotFound":
                return claim.state is State.REGISTERING
            raise
        return {"SUCCESS": True, "FAIL": False}.get(status)

    # Tasks

    def ask(self, arns: Iterable[str]) -> dict[str, Task]:
        """Tasks as ECS describes them now; those it does not know are missing."""
        by_cluster = defaultdict(list)
        for arn in sorted(set(arns)):
            by_cluster[arn.split("/")[1]].append(arn)
        found: dict[str, Task] = {}
        for cluster, group in by_cluster.items():
            for batch in batched(group, TASKS_AT_ONCE, strict=False):
                found |= {task.arn: task for task in self._describe(cluster, batch)}
        return found

    def of_selector(self, selector: EcsSelector) -> list[Task]:
        """The tasks that a selector names, as ECS lists them; MissingEvidence if the cluster is gone."""
        return list(self.ask(self.listed(selector)).values())

    def listed(self, selector: EcsSelector) -> list[str]:
        """The ARNs of those tasks."""
        chosen = {"serviceName": selector.service} if selector.service else {"family": selector.family}
        try:
            return self._list(selector.cluster, **chosen)
        except ClientError as error:
            if code_of(error) in {"ClusterNotFoundException", "ServiceNotFoundException"}:
                what = (
                    f"cluster {selector.cluster}" if code_of(error).startswith("C") else f"service {selector.service}"
                )
                raise MissingEvidence(f"ECS knows no {what}") from error
            raise

    def _list(self, cluster: str, **chosen: Any) -> list[str]:
        pages = self._clients.ecs.get_paginator("list_tasks").paginate(
            cluster=cluster, PaginationConfig=_PAGE, **chosen
        )
        return [arn for page in pages for arn in page["taskArns"]]

    def _describe(self, cluster: str, arns: Sequence[str]) -> Iterator[Task]:
        try:
            answer = self._clients.ecs.describe_tasks(cluster=cluster, tasks=list(arns))
        except ClientError as error:
            if code_of(error) == "ClusterNotFoundException":
                return
            raise
        yield from tasks.described(answer["tasks"], self._clock.now())

    # Destinations

    def targets_of(self, destination: Destination) -> dict[ClaimKey, Target]:
        """Everything that is registered in a destination, or drains in it."""
        if isinstance(destination.body, DiscoveryService):
            return self._instances(destination, destination.body)
        return self._target_health(destination.arn)

    def _target_health(self, arn: str, keys: Sequence[ClaimKey] = ()) -> dict[ClaimKey, Target]:
        """Targets of a group, all or the named ones; those that are not registered are missing."""
        chosen: Any = {"Targets": [{"Id": key.ip, "Port": key.port} for key in keys]} if keys else {}
        answer = self._clients.elbv2.describe_target_health(TargetGroupArn=arn, **chosen)
        found = {}
        for one in answer["TargetHealthDescriptions"]:
            health = one.get("TargetHealth", {})
            state, reason = health.get("State", ""), health.get("Reason", "")
            if reason == "Target.NotRegistered":
                continue
            key = ClaimKey(arn, one["Target"]["Id"], one["Target"].get("Port", 0))
            # An `unhealthy.draining` one loses its connections and stays registered.
            found[key] = Target(TargetState.DRAINING if state == "draining" else TargetState.PRESENT, state, reason)
        return found

    def succession(self, survey: Survey, evidence: Evidence) -> tuple[frozenset[ClaimKey], frozenset[ClaimKey]]:
        """Where others register targets, too: which addresses of owners that are gone have somebody else by now.

        Returns those of somebody unknown, and those of tasks that ECS registers there itself.
        """
        suspects = {
            key: claim
            for key, claim in survey.claims.items()
            if claim.eni_id and evidence.verdicts.get(claim.owner) is Verdict.GONE
        }
        if not suspects or not survey.is_shared:
            return frozenset(), frozenset()
        holders = self._holders(key.ip for key in suspects)
        passed = {key for key, claim in suspects.items() if holders.get(key.ip, claim.eni_id) != claim.eni_id}
        tasks_there = self._tasks_at(passed, suspects, holders)
        services = {(task.cluster, task.service) for task in tasks_there.values() if task.service}
        natives, arn = self._inventory.native(services), survey.destination.arn
        return frozenset(passed - set(tasks_there)), frozenset(
            key
            for key, task in tasks_there.items()
            if key.port in natives.get(f"{task.cluster}/{task.service}", {}).get(arn, ())
        )

    def _holders(self, ips: Iterable[str]) -> dict[str, str]:
        """The interfaces that have addresses now."""
        pages = self._clients.ec2.get_paginator("describe_network_interfaces").paginate(
            Filters=[{"Name": "addresses.private-ip-address", "Values": sorted(set(ips))}]
        )
        return {
            address["PrivateIpAddress"]: interface["NetworkInterfaceId"]
            for page in pages
            for interface in page["NetworkInterfaces"]
            for address in interface["PrivateIpAddresses"]
        }

    def _tasks_at(
        self, keys: Collection[ClaimKey], suspects: Mapping[ClaimKey, Claim], holders: Mapping[str, str]
    ) -> dict[ClaimKey, Task]:
        """The tasks that have addresses now, as far as they are in the cluster of the former owner."""
        found: dict[ClaimKey, Task] = {}
        for cluster in sorted({suspects[key].owner.split("/")[1] for key in keys}):
            by_eni = {task.address.eni_id: task for task in self.ask(self._list(cluster)).values() if task.address}
            found |= {key: by_eni[holders[key.ip]] for key in keys if holders[key.ip] in by_eni}
        return found

    def _instances(self, destination: Destination, service: DiscoveryService) -> dict[ClaimKey, Target]:
        pages = self._clients.discovery.get_paginator("list_instances").paginate(ServiceId=service.service_id)
        found = {}
        for page in pages:
            for one in page["Instances"]:
                attributes = one.get("Attributes", {})
                ip, port = attributes.get("AWS_INSTANCE_IPV4", ""), attributes.get("AWS_INSTANCE_PORT", "")
                key = ClaimKey(destination.arn, ip or one["Id"], int(port) if port.isdecimal() else 0)
                if key not in found or one["Id"].startswith(PREFIX):
                    found[key] = Target(TargetState.PRESENT, reason=one["Id"])
        return found


def _concerns(task: Task, declared: Iterable[Declaration]) -> bool:
    """Whether a task is, or may have been, registered anywhere."""
    return task.phase is Phase.LEAVING or any(mapping.names(one, task) for one in declared)


def _may_arrive(task: Task, fence: Fence | None, destinations: Mapping[str, Destination]) -> bool:
    if task.phase is not Phase.RUNNING or (fence and fence.leaving):
        return False
    return any(mapping.selects(one, task) for one in destinations.values())
