"""Reads why the deployment of a service has not ended: what makes it safe to replace it, and nothing else.

Settled services cost no read. Of the others: two calls for the tasks that have stopped, of which ECS keeps those of the
last hour, and one for the stack if the deployment starves.
"""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from itertools import batched, islice
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from berthmaster.arn import Arn
from berthmaster.capacity.act.attempt import Attempt
from berthmaster.capacity.ecs_service import primary_deployment
from berthmaster.capacity.plan.deployments import (
    MOST_STOPPED,
    DeploymentState,
    Judgement,
    StoppedTask,
    can_starve,
    judge,
)
from berthmaster.errors import code_of, is_transient

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import ServiceTypeDef, TaskTypeDef

DESCRIBED_TASKS = 100
"""DescribeTasks takes at most 100 tasks, and ListTasks returns as many."""
STACK_TAG = "aws:cloudformation:stack-id"
_IN_PROGRESS = "_IN_PROGRESS"
"""How the status of a stack ends that is created, updated, rolled back, or imported into (CloudFormation guide)."""

_REMEDY = (
    "cancel the update, or wait for its end; then name the subnets in NetworkConfiguration.AwsvpcConfiguration.Subnets "
    "of the service in its template"
)


class Deployments:
    """Judges the deployments of services, each read anew."""

    def __init__(self, attempt: Attempt) -> None:
        self._clients = attempt.clients
        self._clock = attempt.clock

    def judge(self, service: "ServiceTypeDef", short: AbstractSet[str]) -> Judgement:
        """What the deployment of a service is, described with its tags; short: as in `plan.deployments.judge`.

        What may not be read is a reason to leave the deployment alone; a transient error is raised, to be retried.
        """
        deployment = primary_deployment(service)
        if deployment is None:
            return Judgement(state=DeploymentState.NONE)
        try:
            stopped = list(self._stopped_tasks(service)) if can_starve(deployment) else []
            judgement = judge(deployment, stopped, short, self._clock.now())
        except ClientError as error:
            if is_transient(error):
                raise
            reason = f"a deployment is in progress, and AWS does not say how it fares: {error}"
            return Judgement(state=DeploymentState.IN_PROGRESS, reason=reason, deployment_id=deployment.id)
        if judgement.state is DeploymentState.STARVED and (obstacle := self._stack_update(service)):
            reason = f"{judgement.reason}, and {obstacle}"
            return Judgement(state=DeploymentState.STACK_UPDATE, reason=reason, deployment_id=deployment.id)
        return judgement

    def _stopped_tasks(self, service: "ServiceTypeDef") -> Iterator[StoppedTask]:
        """Those of all its deployments: with `startedBy` ListTasks takes no other filter. One more than is judged."""
        cluster, name = service["clusterArn"], service["serviceName"]
        pages = self._clients.ecs.get_paginator("list_tasks").paginate(
            cluster=cluster, serviceName=name, desiredStatus="STOPPED"
        )
        arns = islice((arn for page in pages for arn in page["taskArns"]), MOST_STOPPED + 1)
        for some in batched(arns, DESCRIBED_TASKS, strict=False):
            described = self._clients.ecs.describe_tasks(cluster=cluster, tasks=list(some))["tasks"]
            yield from map(_stopped_task, described)

    def _stack_update(self, service: "ServiceTypeDef") -> str:
        """Why CloudFormation may not be interfered with; "" if no update of the service's stack is in progress."""
        tags = {tag["key"]: tag["value"] for tag in service.get("tags", ())}
        stack_id = tags.get(STACK_TAG)
        if stack_id is None:
            return ""
        name = Arn.parse(stack_id).path[1]
        try:
            stacks = self._clients.cloudformation.describe_stacks(StackName=stack_id)["Stacks"]
        except ClientError as error:
            if is_transient(error):
                raise
            if code_of(error) == "ValidationError":  # deleted more than 90 days ago, without the service
                return ""
            return f"whether CloudFormation updates its stack {name} may not be read: {error}"
        status = next((one["StackStatus"] for one in stacks), "")
        return f"its stack {name} is {status} ({_REMEDY})" if status.endswith(_IN_PROGRESS) else ""


def _stopped_task(task: "TaskTypeDef") -> StoppedTask:
    details = (detail for one in task.get("attachments", ()) for detail in one.get("details", ()))
    return StoppedTask(
        deployment_id=task.get("startedBy", ""),
        stopped_at=task.get("stoppedAt") or task.get("stoppingAt") or task["createdAt"],
        stop_code=task.get("stopCode", ""),
        reason=task.get("stoppedReason", ""),
        subnet_id=next((one["value"] for one in details if one["name"] == "subnetId"), ""),
    )
