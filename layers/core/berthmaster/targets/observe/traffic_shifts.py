"""Which services are in a deployment that shifts production traffic, and how far it has come."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from berthmaster.clients import Clients
from berthmaster.concurrently import NotBegun, concurrently
from berthmaster.errors import MissingEvidence, code_of
from berthmaster.expiring import Expiring
from berthmaster.targets.model import Task
from berthmaster.targets.observe.ecs_registrations import EcsRegistrations, EcsService
from berthmaster.targets.plan.traffic_shift import Revision, Shift, Traffic, is_in_production
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import ServiceDeploymentBriefTypeDef

SERVICES_AT_ONCE = 4
VALID_FOR = timedelta(seconds=3)
LOOKED_BACK = timedelta(days=14)
"""A stage may take a day, and there are eleven."""
PAGES_READ = 10
NO_SHIFT = Shift()
UNREADABLE = (BotoCoreError, ClientError, MissingEvidence, NotBegun)


@dataclass(frozen=True, slots=True)
class TrafficFound:
    """By task: whether it may take production traffic. problems: by `cluster/service`, why that is unknown."""

    by_task: dict[str, Traffic] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


class TrafficShifts:
    """The shifts of the services that were asked about; each is kept for seconds, so that one batch reads it once."""

    def __init__(self, clients: Clients, services: EcsRegistrations) -> None:
        self._clients = clients
        self._services = services
        self._kept: Expiring[Shift] = Expiring()

    def of(self, tasks: Iterable[Task], now: datetime, may_begin: Callable[[], bool] = lambda: True) -> TrafficFound:
        """Whether some tasks may take production traffic; those that belong to no service always may.

        now: no later than when the registrations of their services were read, so that they need not be read again.
        may_begin: asked before each service. Raises nothing: what cannot be read is unknown.
        """
        by_service: dict[tuple[str, str], list[Task]] = defaultdict(list)
        for task in tasks:
            if task.service:
                by_service[task.cluster, task.service].append(task)
        described, failed = self._described(by_service, now)
        found = TrafficFound()
        parts = [(described[name], own) for name, own in by_service.items() if name in described]
        for one in concurrently(
            lambda part: self._shift(*part, now), parts, at_once=SERVICES_AT_ONCE, may_begin=may_begin
        ):
            service, own = one.item
            if one.error is not None and not isinstance(one.error, UNREADABLE):
                raise one.error
            shift = Shift(problem=_reason(one.error)) if one.error else one.result
            if shift.problem:
                logger.warning("traffic shift not known", service=service.name, problem=shift.problem)
            if shift is not NO_SHIFT:
                found.by_task.update({task.arn: shift.traffic_of(task) for task in own})
                found.problems[service.name] = shift.problem
        for name, error in failed.items():
            found.by_task.update({task.arn: Traffic.UNKNOWN for task in by_service[name]})
            found.problems["/".join(name)] = _reason(error)
        return found

    def _described(
        self, by_service: Mapping[tuple[str, str], Collection[Task]], now: datetime
    ) -> tuple[dict[tuple[str, str], EcsService], dict[tuple[str, str], Exception]]:
        """The services; those are read again of which a task was started by a deployment that is not remembered."""
        found, failed = self._services.described(by_service, now)
        outdated = {
            name: service
            for name, service in found.items()
            if any(task.started_by and task.started_by not in service.started_by for task in by_service[name])
        }
        for name in outdated:
            self._services.forget(*name)
            self._kept.forget("/".join(name))
        again, failed_again = self._services.described(outdated, now)
        return {**found, **again}, failed | failed_again

    def _shift(self, service: EcsService, tasks: Sequence[Task], now: datetime) -> Shift:
        if not service.shifts_traffic:
            return NO_SHIFT
        if service.deployed_by != "ECS":
            return Shift(revisions=service.task_sets)
        if not service.is_shifting and all(task.started_by in service.started_by for task in tasks):
            return NO_SHIFT
        shift = self._kept.get(service.name, now)
        if shift is None:
            shift = self._kept.put(service.name, self._read(service, now), now, VALID_FOR)
        if shift is NO_SHIFT or all(shift.recognises(task) for task in tasks):
            return shift
        return self._with_definitions(service, shift)

    def _read(self, service: EcsService, now: datetime) -> Shift:
        """The shift of the newest deployment; one that has not begun has no tasks."""
        begun = [one for one in self._listed(service, now) if one["status"] != "PENDING"]
        newest = max(begun, key=lambda one: one["createdAt"], default=None)
        if newest is None:
            raise MissingEvidence(f"ECS lists none of its deployments of the last {LOOKED_BACK.days} days")
        if newest["status"] == "SUCCESSFUL":
            return NO_SHIFT
        arns = [newest["serviceDeploymentArn"]]
        found = self._clients.ecs.describe_service_deployments(serviceDeploymentArns=arns)["serviceDeployments"]
        if not found:
            raise MissingEvidence(f"ECS does not know the service deployment {arns[0]}")
        return shift_of(found[0])

    def _listed(self, service: EcsService, now: datetime) -> "list[ServiceDeploymentBriefTypeDef]":
        found: list[ServiceDeploymentBriefTypeDef] = []
        page: Any = {}
        for _ in range(PAGES_READ):
            answer = self._clients.ecs.list_service_deployments(
                cluster=service.cluster,
                service=service.service,
                createdAt={"after": now - LOOKED_BACK},
                maxResults=100,
                **page,
            )
            found += answer["serviceDeployments"]
            if "nextToken" not in answer:
                return found
            page = {"nextToken": answer["nextToken"]}
        raise MissingEvidence(f"more than {PAGES_READ * 100} deployments in {LOOKED_BACK.days} days")

    def _with_definitions(self, service: EcsService, shift: Shift) -> Shift:
        """The shift with what its revisions are recognised by where the id of a task's deployment is no help."""
        home = service.arn.replace(":service/", ":service-revision/")
        arns = [f"{home}/{one.id.rpartition('/')[2]}" for one in shift.revisions]
        answer = self._clients.ecs.describe_service_revisions(serviceRevisionArns=arns)["serviceRevisions"]
        known = {_id(one["serviceRevisionArn"]): one for one in answer}
        return replace(
            shift,
            revisions=tuple(
                replace(one, definition=known[one.id]["taskDefinition"], created_at=known[one.id]["createdAt"])
                if one.id in known
                else one
                for one in shift.revisions
            ),
        )


def shift_of(deployment: Mapping[str, Any]) -> Shift:
    """The shift that a service deployment, as DescribeServiceDeployments shows it, has not completed."""
    target = deployment["targetServiceRevision"]
    stage = deployment.get("lifecycleStage", "")
    has_begun = is_in_production(status=deployment["status"], stage=stage, weight=_weight(target))
    if has_begun is None:
        return Shift(problem=f"its deployment is at the lifecycle stage {stage or '(none)'}")
    if has_begun:
        return NO_SHIFT
    sources = deployment.get("sourceServiceRevisions", [])
    is_weighed = any(_weight(one) > 0 for one in sources)
    if not is_weighed and len(sources) > 1:
        return Shift(problem="ECS shows for none of its older revisions that it takes production traffic")
    return Shift(
        revisions=(
            Revision(id=_id(target["arn"]), in_production=False),
            *(Revision(id=_id(one["arn"]), in_production=_weight(one) > 0 or not is_weighed) for one in sources),
        )
    )


def _weight(revision: Mapping[str, Any]) -> float:
    return float(revision.get("requestedProductionTrafficWeight") or 0)


def _id(revision_arn: str) -> str:
    """What the tasks of a service revision are started by."""
    return f"ecs-svc/{revision_arn.rpartition('/')[2]}"


def _reason(error: Exception) -> str:
    """Without what differs from time to time, so that a finding is reported once."""
    if isinstance(error, NotBegun):
        return "there was no time to ask ECS"
    return code_of(error) if isinstance(error, ClientError) else str(error)
