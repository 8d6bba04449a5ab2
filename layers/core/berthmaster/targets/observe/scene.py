"""AWS → what events and reconciliations are judged by. Reads only, batched."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import batched
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.errors import MissingEvidence, code_of
from berthmaster.targets import ecs_task as tasks
from berthmaster.targets.ledger.claims import Ledger, View
from berthmaster.targets.model import (
    INSTANCE_PREFIX,
    Claim,
    ClaimKey,
    ClaimState,
    Declaration,
    Definition,
    Destination,
    DestinationStatus,
    DiscoveryService,
    EcsSelector,
    Fence,
    Phase,
    Policy,
    Target,
    TargetGroup,
    TargetState,
    Task,
)
from berthmaster.targets.observe.inventory import Destinations, Inventory
from berthmaster.targets.plan import mapping
from berthmaster.targets.plan.events import Scene, wanted
from berthmaster.targets.plan.reconciliation import OwnerStatus, ReconcileInput, Survey

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import FilterTypeDef
    from mypy_boto3_ecs.type_defs import PaginatorConfigTypeDef

TASKS_AT_ONCE = 100
TARGETS_AT_ONCE = 100
OPERATIONS_AT_ONCE = 50
HOLDERS_AT_ONCE = 200
"""Values that one filter of EC2 takes."""
NOTES_BELIEVED = timedelta(minutes=5)
"""A note is written anew at least every other minute: an older one tells of a reconciliation that does not run."""
_GONE = frozenset({"TargetGroupNotFound", "ServiceNotFound"})
_PAGE: "PaginatorConfigTypeDef" = {"PageSize": 100}


@dataclass(slots=True)
class _Gaps:
    """What AWS would not say, by the owners it concerns; of the undecided too little is known to do anything."""

    failed: dict[str, Exception] = field(default_factory=dict)
    undecided: set[str] = field(default_factory=set)

    def about(self, owner: str, error: Exception) -> None:
        self.failed.setdefault(owner, error)

    def around(self, owner: str, error: Exception) -> None:
        self.about(owner, error)
        self.undecided.add(owner)


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
            address_holders=[
                (task.address.subnet_id, task.address.ip)
                for task in seen
                if task.address and task.phase is not Phase.LEAVING
            ],
        )
        self._read_former_owners(seen, view)
        heirs = {
            (task.cluster, task.service)
            for task in seen
            if task.address and task.service and (task.address.subnet_id, task.address.ip) in view.address_holders
        }
        stock = self._stock(declared, concerned, view, heirs)
        gaps = _gaps(stock, declared, concerned, seen, view)
        arriving = [
            task
            for task in concerned
            if task.arn not in gaps.undecided and _may_arrive(task, view.fences.get(task.arn), stock.destinations)
        ]
        definitions = self._definitions(arriving, gaps)
        keys = {
            task.arn: wanted(task, stock.destinations.values(), definitions)[0].keys()
            for task in arriving
            if task.arn not in gaps.undecided
        }
        new = {key for own in keys.values() for key in own}
        held = {key for fence in view.fences.values() for key in fence.claims}
        self._ledger.read(view, claims=new | held, notes={key.destination for key in new})
        now = self._clock.now()
        notes = {arn: note for arn, note in view.notes.items() if now - note.looked_at <= NOTES_BELIEVED}
        targets = self._targets_in_doubt(keys, view.claims, notes, now, gaps)
        operations, unanswered = self.operations(view.claims.values())
        owners = {task.arn for task in seen}
        for claim, error in unanswered:
            for owner in owners & {claim.owner, claim.former}:
                gaps.about(owner, error)
        return Scene(
            now=now,
            turn=turn,
            destinations=stock.destinations,
            definitions=definitions,
            policy=self._policy,
            fences=view.fences,
            address_holders=view.address_holders,
            claims=view.claims,
            notes=notes,
            targets=targets,
            operations=operations,
            unread=frozenset(stock.unread),
            undecided=frozenset(gaps.undecided),
            failed=gaps.failed,
        )

    def _read_former_owners(self, seen: Iterable[Task], view: View) -> None:
        arns = {task.arn for task in seen}
        self._ledger.read(view, owners={holder.owner for holder in view.address_holders.values()} - arns)

    def _stock(
        self, declared: Sequence[Declaration], concerned: Iterable[Task], view: View, heirs: Collection[tuple[str, str]]
    ) -> Destinations:
        held = {key.destination for fence in view.fences.values() for key in fence.claims}
        chosen, services = {}, set(heirs)
        for task in concerned:
            for one in declared:
                if mapping.names(one, task):
                    chosen[one.arn] = one
                    if task.service:
                        services.add((task.cluster, task.service))
        chosen |= {one.arn: one for one in declared if one.arn in held}
        return self._inventory.destinations(chosen.values(), services)

    def _definitions(self, arriving: Iterable[Task], gaps: _Gaps) -> Mapping[str, Definition]:
        definitions: Mapping[str, Definition] = {}
        for task in arriving:
            try:
                definitions = self._inventory.definitions([task.definition])
            except (BotoCoreError, ClientError) as error:
                gaps.around(task.arn, error)
        return definitions

    def _targets_in_doubt(
        self,
        keys: Mapping[str, Collection[ClaimKey]],
        claims: Mapping[ClaimKey, Claim],
        notes: Mapping[str, DestinationStatus],
        now: datetime,
        gaps: _Gaps,
    ) -> dict[ClaimKey, Target]:
        """How targets are that others may have registered, or that a handover waits for; `keys` by who wants them."""
        doubtful: dict[str, dict[ClaimKey, str]] = defaultdict(dict)
        for owner, own in keys.items():
            for key in own:
                if ":targetgroup/" in key.destination and _is_in_doubt(
                    claims.get(key), notes.get(key.destination), now
                ):
                    doubtful[key.destination][key] = owner
        found: dict[ClaimKey, Target] = {}
        for arn, owners in doubtful.items():
            for batch in batched(owners, TARGETS_AT_ONCE, strict=False):
                try:
                    found |= self._target_health(arn, batch)
                except (BotoCoreError, ClientError) as error:
                    # There is no target in a group that is gone, as its registration will say.
                    if not (isinstance(error, ClientError) and code_of(error) in _GONE):
                        for key in batch:
                            gaps.around(owners[key], error)
        return found

    def operations(self, held: Iterable[Claim]) -> tuple[dict[str, bool], list[tuple[Claim, Exception]]]:
        """Cloud Map operations that have ended, and whether they succeeded; and those that AWS would not speak of.

        Each takes a call: of many, only the oldest are asked about; whoever waits for the rest is looked at again.
        """
        oldest = sorted((claim for claim in held if claim.operation), key=lambda claim: claim.changed_at)
        ended: dict[str, bool] = {}
        unanswered: list[tuple[Claim, Exception]] = []
        for claim in oldest[:OPERATIONS_AT_ONCE]:
            try:
                succeeded = self._operation(claim)
            except (BotoCoreError, ClientError) as error:
                unanswered.append((claim, error))
            else:
                if succeeded is not None:
                    ended[claim.operation] = succeeded
        return ended, unanswered

    def _operation(self, claim: Claim) -> bool | None:
        try:
            status = self._clients.discovery.get_operation(OperationId=claim.operation)["Operation"]["Status"]
        except ClientError as error:
            # Cloud Map forgets operations. An instance that may be there is taken to be there: a reconciliation
            # registers it again if it is not, and a deregistration is simply called again.
            if code_of(error) == "OperationNotFound":
                return claim.state is ClaimState.REGISTERING
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
        """Everything that is registered in a destination, or drains in it; MissingEvidence if it is gone."""
        try:
            if isinstance(destination.body, DiscoveryService):
                return self._instances(destination, destination.body)
            return self._target_health(destination.arn)
        except ClientError as error:
            if code_of(error) in _GONE:
                raise MissingEvidence("it no longer exists") from error
            raise

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
            present = TargetState.DRAINING if state == "draining" else TargetState.PRESENT
            found[key] = Target(present, state, reason, zone=one["Target"].get("AvailabilityZone", ""))
        return found

    def succession(self, survey: Survey, evidence: ReconcileInput) -> tuple[frozenset[ClaimKey], frozenset[ClaimKey]]:
        """Where others register targets, too: which addresses of owners that are gone have somebody else by now.

        Returns those of somebody unknown, and those of tasks that ECS registers there itself.
        """
        suspects = {
            key: claim
            for key, claim in survey.claims.items()
            if claim.eni_id and (evidence.verdicts.get(claim.owner) is OwnerStatus.GONE or claim.is_to_be_let_go)
        }
        if not suspects or not survey.is_shared:
            return frozenset(), frozenset()
        holders = self._holders((key.ip for key in suspects), survey.destination)
        passed = {key for key, claim in suspects.items() if holders.get(key.ip) and claim.eni_id not in holders[key.ip]}
        tasks_there = self._tasks_at(passed, suspects, holders)
        services = {(task.cluster, task.service) for task in tasks_there.values() if task.service}
        natives, arn = self._inventory.native(services), survey.destination.arn
        return frozenset(passed - set(tasks_there)), frozenset(
            key
            for key, task in tasks_there.items()
            if key.port in natives.get(f"{task.cluster}/{task.service}", {}).get(arn, ())
        )

    def _holders(self, ips: Iterable[str], destination: Destination) -> dict[str, set[str]]:
        """The interfaces that have addresses now, within the VPC if that is known: addresses repeat between VPCs."""
        group = destination.body if isinstance(destination.body, TargetGroup) else None
        inside: dict[str, list[str]] = defaultdict(list)
        for ip in sorted(set(ips)):
            inside[group.vpc_id if group and group.contains(ip) else ""].append(ip)
        found: dict[str, set[str]] = defaultdict(set)
        for vpc_id, some in inside.items():
            where: list[FilterTypeDef] = [{"Name": "vpc-id", "Values": [vpc_id]}] if vpc_id else []
            for batch in batched(some, HOLDERS_AT_ONCE, strict=False):
                pages = self._clients.ec2.get_paginator("describe_network_interfaces").paginate(
                    Filters=[{"Name": "addresses.private-ip-address", "Values": list(batch)}, *where]
                )
                for page in pages:
                    for interface in page["NetworkInterfaces"]:
                        for address in interface["PrivateIpAddresses"]:
                            found[address["PrivateIpAddress"]].add(interface["NetworkInterfaceId"])
        return found

    def _tasks_at(
        self, keys: Collection[ClaimKey], suspects: Mapping[ClaimKey, Claim], holders: Mapping[str, Collection[str]]
    ) -> dict[ClaimKey, Task]:
        """The tasks that have addresses now, as far as they are in the cluster of the former owner."""
        found: dict[ClaimKey, Task] = {}
        for cluster in sorted({suspects[key].owner.split("/")[1] for key in keys}):
            by_eni = {task.address.eni_id: task for task in self.ask(self._list(cluster)).values() if task.address}
            found |= {key: by_eni[eni] for key in keys for eni in holders[key.ip] if eni in by_eni}
        return found

    def _instances(self, destination: Destination, service: DiscoveryService) -> dict[ClaimKey, Target]:
        pages = self._clients.discovery.get_paginator("list_instances").paginate(ServiceId=service.service_id)
        found = {}
        for page in pages:
            for one in page["Instances"]:
                attributes = one.get("Attributes", {})
                ip, port = attributes.get("AWS_INSTANCE_IPV4", ""), attributes.get("AWS_INSTANCE_PORT", "")
                key = ClaimKey(destination.arn, ip or one["Id"], int(port) if port.isdecimal() else 0)
                if key not in found or one["Id"].startswith(INSTANCE_PREFIX):
                    found[key] = Target(TargetState.PRESENT, instance=one["Id"])
        return found


def _concerns(task: Task, declared: Iterable[Declaration]) -> bool:
    """Whether a task is, or may have been, registered anywhere."""
    return task.phase is Phase.LEAVING or any(mapping.names(one, task) for one in declared)


def _may_arrive(task: Task, fence: Fence | None, destinations: Mapping[str, Destination]) -> bool:
    if task.phase is not Phase.RUNNING or (fence and fence.leaving):
        return False
    return any(mapping.selects(one, task) for one in destinations.values())


def _gaps(
    stock: Destinations, declared: Sequence[Declaration], concerned: Iterable[Task], seen: Iterable[Task], view: View
) -> _Gaps:
    """Whom it concerns that destinations, or what ECS registers itself, could not be read."""
    gaps = _Gaps()
    for task in concerned:
        fence = view.fences.get(task.arn)
        own = {one.arn for one in declared if mapping.names(one, task)}
        own |= {key.destination for key in fence.claims} if fence else set()
        for arn in sorted(own & stock.unread.keys()):
            gaps.about(task.arn, stock.unread[arn])
    for task in seen:
        if task.phase is Phase.LEAVING:
            continue
        if error := stock.unclear.get(f"{task.cluster}/{task.service}"):
            gaps.around(task.arn, error)
        # Once the newcomer has the holder, nobody looks for what the former owner left.
        for arn in sorted(_left_by_former(task, view) & stock.unread.keys()):
            gaps.around(task.arn, stock.unread[arn])
    return gaps


def _left_by_former(task: Task, view: View) -> set[str]:
    """Where the former owner of a task's address is registered."""
    holder = view.address_holders.get((task.address.subnet_id, task.address.ip)) if task.address else None
    former = view.fences.get(holder.owner) if holder and holder.owner != task.arn else None
    return {key.destination for key in former.claims} if former else set()


def _is_in_doubt(claim: Claim | None, note: DestinationStatus | None, now: datetime) -> bool:
    if claim is None or claim.is_over:
        return note is None or note.shared
    return claim.state is ClaimState.HANDOVER and claim.due_at is not None and claim.due_at <= now
