"""A service whose deployments call targets_gate, as ECS does."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from simulator.aws.ecs.task import Task
from tests.support.targets.scene import CLUSTER, GATE, SHOP, TargetsScene, a_targets_scene

SERVICE = f"arn:aws:ecs:eu-central-1:123456789012:service/{CLUSTER}/shop"
MINUTES = 15


@dataclass
class GateScene:
    """The service `shop` has two tasks on port 8080; details: what ECS keeps between two calls of a hook."""

    scene: TargetsScene
    details: dict[str, Any] = field(default_factory=dict)

    def group(self, name: str, *, in_use: bool = True, **tags: str) -> str:
        """Create a managed target group; returns its ARN."""
        return self.scene.target_group(name, SHOP | tags, balancer="" if in_use else None)

    def deploy(self) -> str:
        """Begin a deployment; returns the ARN of the service revision."""
        return self.scene.fleet.deploy("shop")

    def call(self, event: Any) -> dict[str, Any]:
        """Call the function."""
        invocation = self.scene.berthmaster.invoke(GATE, event)
        assert invocation.error is None
        answer: dict[str, Any] = invocation.result
        return answer

    def hook(self, revision: str, stage: str = "POST_SCALE_UP", **details: Any) -> dict[str, Any]:
        """Call it once as ECS does, with the hook details of the answer before."""
        execution = {
            "serviceArn": SERVICE,
            "targetServiceRevisionArn": revision,
            "testTrafficWeights": {},
            "productionTrafficWeights": {},
        }
        event = {
            "executionId": "f4fcae0f-9bec-41c6-ba87-0eaa0cef8af5",
            "lifecycleStage": stage,
            "resourceArn": SERVICE.replace(":service/", ":service-deployment/") + "/EZe5RNVLH6PPzHXINuP28",
            "executionDetails": execution | details,
        }
        answer = self.call(event | ({"hookDetails": self.details} if self.details else {}))
        self.details |= answer.get("hookDetails", {})
        return answer

    def status(self, revision: str, stage: str = "POST_SCALE_UP", **details: Any) -> str:
        """Call it once; returns the hook status."""
        return str(self.hook(revision, stage, **details)["hookStatus"])

    def until_answered(
        self, revision: str, stage: str = "POST_SCALE_UP", **details: Any
    ) -> tuple[dict[str, Any], float]:
        """Call it again and again as ECS does; returns the last answer and how many seconds passed."""
        began = self.scene.cloud.clock.timestamp()
        while (answer := self.hook(revision, stage, **details))["hookStatus"] == "IN_PROGRESS":
            self.scene.wait(answer["callBackDelay"])
        return answer, self.scene.cloud.clock.timestamp() - began

    def logged(self, message: str) -> list[dict[str, Any]]:
        """The log lines with that message."""
        return self.scene.logged(GATE, message)

    def new_tasks(self, revision: str) -> list[Task]:
        """The running tasks of a deployment."""
        deployment = f"ecs-svc/{revision.rpartition('/')[2]}"
        return [task for task in self.scene.fleet.tasks if task.started_by == deployment and task.is_running]


@contextmanager
def a_gate_scene(**options: Any) -> Iterator[GateScene]:
    """Open a scene in which the service starts; no target group is managed yet."""
    with a_targets_scene(shop={}, TargetsGateMinutes=MINUTES, **options) as scene:
        scene.fleet.service("shop", scene.network.network_configuration(), 2)
        yield GateScene(scene)
