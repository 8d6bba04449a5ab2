"""Where the log of a task is, for people."""

from typing import TYPE_CHECKING
from urllib.parse import quote

from botocore.exceptions import BotoCoreError, ClientError

from berthmaster.arn import Arn
from berthmaster.batch.model.pipelines import Pipeline
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient


def log_of(ecs: "ECSClient", pipeline: Pipeline, task: str) -> str:
    """The address of a task's log stream in the console of CloudWatch; empty if it has none, or ECS does not say.

    The stream is `<prefix>/<container>/<task id>` (ECS Developer Guide, "awslogs-stream-prefix").
    """
    try:
        answer = ecs.describe_task_definition(taskDefinition=pipeline.run.task_definition)
    except (BotoCoreError, ClientError) as error:
        logger.warning("task definition not read", task_definition=pipeline.run.task_definition, error=str(error))
        return ""
    containers = {one["name"]: one for one in answer["taskDefinition"]["containerDefinitions"]}
    configuration = containers.get(pipeline.run.container, {}).get("logConfiguration", {})
    options = configuration.get("options", {})
    group, prefix = options.get("awslogs-group"), options.get("awslogs-stream-prefix")
    if configuration.get("logDriver") != "awslogs" or not group or not prefix:
        return ""
    region = options.get("awslogs-region") or Arn.parse(task).region
    stream = f"{prefix}/{pipeline.run.container}/{Arn.parse(task).path[-1]}"
    return (
        f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}#logsV2:log-groups/log-group/"
        f"{_escaped(group)}/log-events/{_escaped(stream)}"
    )


def _escaped(text: str) -> str:
    """As the console escapes names in its addresses: twice, with dollars."""
    return quote(quote(text, safe=""), safe="").replace("%", "$")
