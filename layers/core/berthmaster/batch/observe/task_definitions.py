"""Task definitions: which revision a launch would use now, and which size its tasks have."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from berthmaster.batch.model.pipelines import Pipeline
from berthmaster.batch.model.prices import Resources
from berthmaster.batch.plan.identity import revision
from berthmaster.clock import Clock
from berthmaster.expiring import Expiring
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_ecs.type_defs import TaskDefinitionTypeDef

LIFETIME = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class _Definition:
    """name: the ARN, or what the pipeline calls it if ECS knows none. resources: None if ECS does not say."""

    name: str
    resources: Resources | None = None


class Revisions:
    """What pipelines launch, as it was at most half a minute ago."""

    def __init__(self, ecs: "ECSClient", clock: Clock) -> None:
        self._ecs = ecs
        self._clock = clock
        self._known: Expiring[_Definition] = Expiring()

    def of(self, pipeline: Pipeline) -> str:
        """The revision of a pipeline and its task definition; the name that the pipeline gives, if ECS knows none."""
        return revision(pipeline.version, self._definition(pipeline).name)

    def resources(self, pipeline: Pipeline) -> Resources | None:
        """What a task on demand has by the task definition; None if ECS does not say."""
        return self._definition(pipeline).resources

    def _definition(self, pipeline: Pipeline) -> _Definition:
        name, now = pipeline.run.task_definition, self._clock.now()
        return self._known.get(name, now) or self._known.put(name, self._newest(name), now, LIFETIME)

    def _newest(self, name: str) -> _Definition:
        try:
            answer = self._ecs.describe_task_definition(taskDefinition=name)
        except ClientError as error:
            logger.warning("task definition not read", task_definition=name, error=str(error))
            return _Definition(name)
        definition = answer["taskDefinition"]
        return _Definition(definition["taskDefinitionArn"], _resources(definition))


def _resources(definition: "TaskDefinitionTypeDef") -> Resources | None:
    cpu, memory = definition.get("cpu", ""), definition.get("memory", "")
    if not (cpu.isdecimal() and memory.isdecimal()):
        return None
    is_arm = definition.get("runtimePlatform", {}).get("cpuArchitecture") == "ARM64"
    storage = definition.get("ephemeralStorage", {}).get("sizeInGiB")
    resources = Resources(cpu=int(cpu), memory=int(memory), is_arm=is_arm)
    return replace(resources, storage=storage) if storage else resources
