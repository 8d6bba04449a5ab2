"""RunTask for one file: the same request again as long as the outcome of the first one is unknown."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from berthmaster.batch.model.files import File, Launch, Provider
from berthmaster.batch.model.launch_failures import FailureKind, LaunchFailure
from berthmaster.batch.model.pipelines import Pipeline
from berthmaster.batch.model.tasks import FILE_TAG, PIPELINE_TAG, STACK_TAG
from berthmaster.batch.plan.identity import group_of
from berthmaster.batch.plan.launch_failures import of_error, of_reason
from berthmaster.batch.plan.places import output_prefix
from berthmaster.errors import code_of

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_ecs.type_defs import TaskOverrideTypeDef


def request_task(
    ecs: "ECSClient", file: File, launch: Launch, pipeline: Pipeline, *, stack: str
) -> str | LaunchFailure:
    """Request a task; returns its ARN, or why there is none as far as is known. ecs: a client that does not retry."""
    try:
        answer = run_task(ecs, file, launch, pipeline, stack=stack)
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


def tasks_of(ecs: "ECSClient", file: File, pipeline: Pipeline) -> Iterator[str]:
    """The tasks that a file's current launch has started, as far as ECS shows them: the stopped ones for an hour."""
    for status in ("RUNNING", "STOPPED"):
        pages = ecs.get_paginator("list_tasks").paginate(
            cluster=pipeline.run.cluster,
            startedBy=file.started_by,
            desiredStatus=status,
        )
        for page in pages:
            yield from page["taskArns"]


def _provider(launch: Launch) -> Any:
    """On demand by the launch type, which any cluster has; Spot is a capacity provider of those that name it."""
    if launch.provider is Provider.FARGATE:
        return {"launchType": "FARGATE"}
    return {"capacityProviderStrategy": [{"capacityProvider": launch.provider, "weight": 1}]}


def run_task(ecs: "ECSClient", file: File, launch: Launch, pipeline: Pipeline, *, stack: str) -> Any:
    """Request a task; returns RunTask's answer. The request follows from the arguments alone.

    Of what the file's name contains, nothing reaches a shell: the image gets it as environment variables.
    """
    run = pipeline.run
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
    overrides: TaskOverrideTypeDef = {
        "containerOverrides": [
            {
                "name": run.container,
                "environment": [{"name": name, "value": value} for name, value in environment.items()],
            }
        ]
    }
    if launch.size:
        overrides["cpu"], overrides["memory"] = str(launch.size[0]), str(launch.size[1])
    return ecs.run_task(
        cluster=run.cluster,
        taskDefinition=run.task_definition,
        count=1,
        clientToken=file.started_by,
        startedBy=file.started_by,
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
        tags=[
            {"key": STACK_TAG, "value": stack},
            {"key": PIPELINE_TAG, "value": pipeline.name},
            {"key": FILE_TAG, "value": file.id},
        ],
    )
