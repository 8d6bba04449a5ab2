"""The service `shop` with deployments that shift traffic, whose stages the test holds and fails."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from simulator.aws.ecs.lifecycle_hooks import HookTargets
from simulator.aws.ecs.task import Task
from simulator.cloud import Cloud
from tests.support.targets.scene import CLUSTER, TargetsScene, a_targets_scene, addresses

HOOK = "arn:aws:lambda:eu-central-1:123456789012:function:held"
STAGES = [
    "POST_SCALE_UP",
    "TEST_TRAFFIC_SHIFT",
    "POST_TEST_TRAFFIC_SHIFT",
    "PRE_PRODUCTION_TRAFFIC_SHIFT",
    "PRODUCTION_TRAFFIC_SHIFT",
    "POST_PRODUCTION_TRAFFIC_SHIFT",
]
BAKE_MINUTES = 10
BLUE_GREEN = {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": BAKE_MINUTES}


@dataclass
class ShiftScene:
    """answers: of the hook, by stage; a stage without one goes on. reached: the stages it was called at."""

    scene: TargetsScene
    answers: dict[str, str] = field(default_factory=dict)
    reached: list[str] = field(default_factory=list)

    def configuration(self, **more: Any) -> dict[str, Any]:
        """A deployment configuration with the hook at all stages that have tasks."""
        self.scene.cloud.state(HookTargets).functions[HOOK] = self._hook
        role = "arn:aws:iam::123456789012:role/hooks"
        hooks = [{"hookTargetArn": HOOK, "roleArn": role, "lifecycleStages": STAGES}]
        return {**BLUE_GREEN, **more, "lifecycleHooks": hooks}

    def serve(self, count: int = 2, **configuration: Any) -> list[Task]:
        """Start the service, and wait until its tasks are registered."""
        blue = self.scene.serve(count, deployment_configuration=self.configuration(**configuration))
        self.scene.wait(30)
        assert self.scene.targets() == addresses(blue)
        return blue

    def deploy(self, *, until: str, seconds: float = 90) -> list[Task]:
        """Begin a deployment, hold it at a stage and let time pass; returns its tasks."""
        self.answers = {until: "IN_PROGRESS"}
        revision = self.scene.fleet.deploy("shop")
        self.scene.wait(seconds)
        assert self.reached[-1] == until
        return self.tasks_of(revision)

    def tasks_of(self, revision: str) -> list[Task]:
        """The running tasks of a service revision."""
        deployment = f"ecs-svc/{revision.rpartition('/')[2]}"
        return [task for task in self.scene.running() if task.started_by == deployment]

    def hold(self, stage: str) -> None:
        """Let the deployment go on, up to a stage."""
        self.answers = {stage: "IN_PROGRESS"}
        for _ in range(120):
            if stage in self.reached:
                return
            self.scene.wait(1)
        raise AssertionError(self.reached)

    def let_go(self, answer: str = "SUCCEEDED") -> None:
        """Answer all stages alike from now on."""
        self.answers = dict.fromkeys(STAGES, answer)

    @contextmanager
    def without_deployments(self) -> Iterator[None]:
        """Let ECS not show which deployment started a task."""
        usual = self.scene.usual_handler("ecs:DescribeTasks")
        assert usual is not None

        def answer(cloud: Cloud, params: Mapping[str, Any]) -> Any:
            shown = usual(cloud, params)
            for task in shown["tasks"]:
                task.pop("startedBy", None)
            return shown

        with self.scene.answering("ecs:DescribeTasks", answer):
            yield

    def _hook(self, payload: dict[str, Any]) -> dict[str, Any]:
        stage = payload["lifecycleStage"]
        self.reached.append(stage)
        return {"hookStatus": self.answers.get(stage, "SUCCEEDED"), "callBackDelay": 5}


@contextmanager
def a_shift_scene(**options: Any) -> Iterator[ShiftScene]:
    """Open a scene without tasks."""
    with a_targets_scene(**options) as scene:
        yield ShiftScene(scene)


def a_primary_task_set(scene: TargetsScene, arn: str) -> None:
    """Let a task set of the service serve production traffic."""
    scene.cloud.client("ecs").update_service_primary_task_set(cluster=CLUSTER, service="shop", primaryTaskSet=arn)
