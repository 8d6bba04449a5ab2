"""Task definitions: which revision a launch would use now."""

from datetime import timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from berthmaster.batch.model.pipelines import Pipeline
from berthmaster.batch.plan.identity import revision
from berthmaster.clock import Clock
from berthmaster.expiring import Expiring
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient

LIFETIME = timedelta(seconds=30)


class Revisions:
    """What pipelines launch, as it was at most half a minute ago."""

    def __init__(self, ecs: "ECSClient", clock: Clock) -> None:
        self._ecs = ecs
        self._clock = clock
        self._known: Expiring[str] = Expiring()

    def of(self, pipeline: Pipeline) -> str:
        """The revision of a pipeline and its task definition; the name that the pipeline gives, if ECS knows none."""
        name, now = pipeline.run.task_definition, self._clock.now()
        return revision(
            pipeline.version, self._known.get(name, now) or self._known.put(name, self._newest(name), now, LIFETIME)
        )

    def _newest(self, name: str) -> str:
        try:
            answer = self._ecs.describe_task_definition(taskDefinition=name)
        except ClientError as error:
            logger.warning("task definition not read", task_definition=name, error=str(error))
            return name
        return answer["taskDefinition"]["taskDefinitionArn"]
