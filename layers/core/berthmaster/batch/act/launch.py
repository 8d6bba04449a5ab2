"""RunTask for one file or worker: the same request again as long as the outcome of the first one is unknown."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from berthmaster.batch.model.files import File, Launch, Provider
from berthmaster.batch.model.launch_failures import FailureKind, LaunchFailure
from berthmaster.batch.model.pipelines import Pipeline
from berthmaster.batch.model.tasks import FILE_TAG, PIPELINE_TAG, STACK_TAG, WORKER_TAG
from berthmaster.batch.model.workers import Worker
from berthmaster.batch.plan.heartbeats import LEASE
from berthmaster.batch.plan.identity import group_of
from berthmaster.batch.plan.launch_failures import of_error, of_reason
from berthmaster.batch.plan.places import attempts_root, output_prefix
from berthmaster.errors import code_of

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_ecs.type_defs import TaskOverrideTypeDef


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRequest:
    """One task to be requested: the request follows from this alone.

    name: `startedBy`, and the client token. environment: of the pipeline's container, besides its own. tags: besides
    those that all tasks of a stack have.
    """

    name: str
    launch: Launch
    pipeline: Pipeline
    environment: Mapping[str, str]
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What workers need of the stack: the name of its table, and the URL of the queue for what they report."""

    table: str
    result_queue_url: str


def file_task(file: File, pipeline: Pipeline) -> TaskRequest:
    """The task of a file's current launch.

    Of what the file's name contains, nothing reaches a shell: the image gets it as environment variables.
    """
    launch = file.launch
    if launch is None:
        raise ValueError(f"file {file.id} was never launched")
    environment = {
        "BERTHMASTER_PIPELINE": pipeline.name,
        "BERTHMASTER_FILE": file.id,
        "BERTHMASTER_INPUT_BUCKET": file.bucket,
        "BERTHMASTER_INPUT_KEY": file.key,
        "BERTHMASTER_INPUT_VERSION_ID": file.version_id,
        "BERTHMASTER_INPUT_ETAG": file.etag,
        "BERTHMASTER_OUTPUT_BUCKET": pipeline.output.bucket,
        "BERTHMASTER_OUTPUT_PREFIX": output_prefix(pipeline, file, launch.number),
        "BERTHMASTER_ATTEMPT": str(launch.number),
        "BERTHMASTER_DEADLINE": launch.deadline.isoformat(timespec="seconds"),
    }
    return TaskRequest(
        name=file.started_by, launch=launch, pipeline=pipeline, environment=environment, tags={FILE_TAG: file.id}
    )


def worker_task(worker: Worker, pipeline: Pipeline, surroundings: Surroundings) -> TaskRequest:
    """The task of a worker."""
    environment = {
        "BERTHMASTER_PIPELINE": pipeline.name,
        "BERTHMASTER_PIPELINE_VERSION": str(pipeline.version),
        "BERTHMASTER_WORKER": worker.id,
        "BERTHMASTER_TABLE": surroundings.table,
        "BERTHMASTER_RESULT_QUEUE": surroundings.result_queue_url,
        "BERTHMASTER_OUTPUT_BUCKET": pipeline.output.bucket,
        "BERTHMASTER_OUTPUT_ROOT": attempts_root(pipeline),
        "BERTHMASTER_DEADLINE": worker.launch.deadline.isoformat(timespec="seconds"),
        "BERTHMASTER_FILE_SECONDS": str(pipeline.limits.timeout_minutes * 60),
        "BERTHMASTER_LEASE_SECONDS": str(round(LEASE.total_seconds())),
    }
    return TaskRequest(
        name=worker.id,
        launch=worker.launch,
        pipeline=pipeline,
        environment=environment,
        tags={WORKER_TAG: worker.id},
    )


def request_task(ecs: "ECSClient", task: TaskRequest, *, stack: str) -> str | LaunchFailure:
    """Request a task; returns its ARN, or why there is none as far as is known. ecs: a client that does not retry."""
    try:
        answer = run_task(ecs, task, stack=stack)
    except ClientError as error:
        failure = of_error(code_of(error), error.response.get("Error", {}).get("Message", ""))
        if not failure.follows.adopts:
            return failure
        adopted: list[str] = error.response.get("resourceIds", [])  # type: ignore[assignment]
        return adopted[0] if adopted else LaunchFailure(FailureKind.REFUSED, failure.text)
    except BotoCoreError as error:
        return of_error("", str(error))
    if answer["tasks"]:
        arn: str = answer["tasks"][0]["taskArn"]
        return arn
    if answer["failures"]:
        return of_reason(answer["failures"][0].get("reason", ""), answer["failures"][0].get("detail", ""))
    return of_error("", "the answer names neither a task nor a failure")


def tasks_of(ecs: "ECSClient", started_by: str, pipeline: Pipeline) -> Iterator[str]:
    """The tasks that a request has started, as far as ECS shows them: the stopped ones for an hour."""
    for status in ("RUNNING", "STOPPED"):
        pages = ecs.get_paginator("list_tasks").paginate(
            cluster=pipeline.run.cluster,
            startedBy=started_by,
            desiredStatus=status,
        )
        for page in pages:
            yield from page["taskArns"]


def run_task(ecs: "ECSClient", task: TaskRequest, *, stack: str) -> Any:
    """Request a task; returns RunTask's answer."""
    pipeline, launch = task.pipeline, task.launch
    run = pipeline.run
    overrides: TaskOverrideTypeDef = {
        "containerOverrides": [
            {
                "name": run.container,
                "environment": [{"name": name, "value": value} for name, value in task.environment.items()],
            }
        ]
    }
    if launch.size:
        overrides["cpu"], overrides["memory"] = str(launch.size[0]), str(launch.size[1])
    tags = {STACK_TAG: stack, PIPELINE_TAG: pipeline.name, **task.tags}
    return ecs.run_task(
        cluster=run.cluster,
        taskDefinition=run.task_definition,
        count=1,
        clientToken=task.name,
        startedBy=task.name,
        group=group_of(stack, pipeline.name),
        **_provider(launch),
        networkConfiguration={
            "awsvpcConfiguration": {
                "subnets": list(launch.subnets),
                "securityGroups": list(run.security_groups),
                "assignPublicIp": "ENABLED" if run.assign_public_ip else "DISABLED",
            }
        },
        overrides=overrides,
        tags=[{"key": key, "value": value} for key, value in tags.items()],
    )


def _provider(launch: Launch) -> Any:
    """On demand by the launch type, which any cluster has; Spot is a capacity provider of those that name it."""
    if launch.provider is Provider.FARGATE:
        return {"launchType": "FARGATE"}
    return {"capacityProviderStrategy": [{"capacityProvider": launch.provider, "weight": 1}]}
