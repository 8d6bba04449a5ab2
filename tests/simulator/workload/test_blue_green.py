"""Blue/green deployments: stages, hooks, bake time, rollback. Both workloads behave alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from simulator.aws.ecs.lifecycle_hooks import HookTargets

if TYPE_CHECKING:
    from simulator.cloud import Cloud
    from simulator.workload.fleet import Fleet
    from simulator.workload.network import Network
    from simulator.workload.services import Workload

FUNCTION = "arn:aws:lambda:eu-central-1:123456789012:function:gate"
STAGES = [
    "PRE_SCALE_UP",
    "POST_SCALE_UP",
    "TEST_TRAFFIC_SHIFT",
    "POST_TEST_TRAFFIC_SHIFT",
    "PRE_PRODUCTION_TRAFFIC_SHIFT",
    "PRODUCTION_TRAFFIC_SHIFT",
    "POST_PRODUCTION_TRAFFIC_SHIFT",
]
SUCCEEDED = {"hookStatus": "SUCCEEDED"}
FAILED = {"hookStatus": "FAILED"}
IN_PROGRESS = {"hookStatus": "IN_PROGRESS"}
BAKE_MINUTES = 20


class Scene:
    """A service `web`, deployed blue/green; its hook `answers` by stage, SUCCEEDED unless given."""

    def __init__(self, cloud: Cloud, workload: Workload | Fleet, network: Network, *, count: int = 6) -> None:
        self.cloud = cloud
        self.answers: dict[str, Any] = {}
        self.calls: list[dict[str, Any]] = []
        self.network = network.network_configuration()
        cloud.state(HookTargets).functions[FUNCTION] = self._hook
        workload.service("web", self.network, count, deployment_configuration=self.configuration())
        self.wait(5)
        assert self.states() == [("PRIMARY", "COMPLETED", count)]
        assert self.calls == []

    def configuration(self, **hook: Any) -> dict[str, Any]:
        stages = ["RECONCILE_SERVICE", *STAGES]
        role = "arn:aws:iam::123456789012:role/hooks"
        hooks = [{"hookTargetArn": FUNCTION, "roleArn": role, "lifecycleStages": stages, **hook}]
        return {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": BAKE_MINUTES, "lifecycleHooks": hooks}

    def wait(self, minutes: float) -> None:
        self.cloud.clock.run_until(self.cloud.clock.timestamp() + minutes * 60)

    def until_called(self, stage: str) -> None:
        """Let time pass until the hook is called at a stage."""
        for _ in range(60 * 60):
            if stage in self.stages():
                return
            self.wait(1 / 60)
        pytest.fail(f"the hook is not called at {stage}")

    def service(self) -> dict[str, Any]:
        answer = self.cloud.client("ecs").describe_services(cluster="web", services=["web"])
        shown: dict[str, Any] = answer["services"][0]
        return shown

    def states(self) -> list[tuple[str, str, int]]:
        return [(one["status"], one["rolloutState"], one["runningCount"]) for one in self.service()["deployments"]]

    def update(self, **changes: Any) -> str:
        """Update the service; returns the id of its primary deployment."""
        answer = self.cloud.client("ecs").update_service(cluster="web", service="web", **changes)
        identifier: str = answer["service"]["deployments"][0]["id"]
        return identifier

    def stages(self) -> list[str]:
        return [call["lifecycleStage"] for call in self.calls]

    def _hook(self, payload: dict[str, Any]) -> Any:
        self.calls.append(payload)
        return self.answers.get(payload["lifecycleStage"], SUCCEEDED)


@pytest.fixture
def scene(cloud: Cloud, workload: Workload | Fleet, small_network: Network) -> Scene:
    return Scene(cloud, workload, small_network)


def weights(call: dict[str, Any]) -> list[float]:
    """The production weights of green and of blue."""
    details = call["executionDetails"]
    given = details["productionTrafficWeights"]
    green = details["targetServiceRevisionArn"]
    return [given.get(green, -1), *(weight for arn, weight in given.items() if arn != green)]


def test_the_old_tasks_live_until_the_bake_time_is_over(scene: Scene) -> None:
    scene.update(forceNewDeployment=True)
    scene.until_called("POST_PRODUCTION_TRAFFIC_SHIFT")
    assert scene.stages() == STAGES
    assert scene.states() == [("PRIMARY", "IN_PROGRESS", 6), ("ACTIVE", "COMPLETED", 6)]
    scene.wait(BAKE_MINUTES - 1)
    assert scene.states() == [("PRIMARY", "IN_PROGRESS", 6), ("ACTIVE", "COMPLETED", 6)]
    scene.wait(4)
    assert scene.states() == [("PRIMARY", "COMPLETED", 6)]


def test_a_deployment_without_hooks_bakes_too(scene: Scene) -> None:
    scene.update(deploymentConfiguration={"lifecycleHooks": []}, forceNewDeployment=True)
    scene.wait(BAKE_MINUTES - 1)
    assert scene.states() == [("PRIMARY", "IN_PROGRESS", 6), ("ACTIVE", "COMPLETED", 6)]
    scene.wait(6)
    assert scene.states() == [("PRIMARY", "COMPLETED", 6)]
    assert scene.calls == []


def test_the_hook_is_called_as_the_guide_says(scene: Scene) -> None:
    before = scene.service()["deployments"][0]["id"].rpartition("/")[2]
    green = scene.update(forceNewDeployment=True).rpartition("/")[2]
    scene.wait(30)
    calls = {call["lifecycleStage"]: call for call in scene.calls}
    details = calls["PRODUCTION_TRAFFIC_SHIFT"]["executionDetails"]
    prefix = f"{scene.service()['serviceArn'].replace(':service/', ':service-revision/')}/"
    assert details == {
        "serviceArn": scene.service()["serviceArn"],
        "targetServiceRevisionArn": prefix + green,
        "testTrafficWeights": {},
        "productionTrafficWeights": {prefix + green: 100, prefix + before: 0},
    }
    assert ":service-deployment/web/web/" in calls["PRODUCTION_TRAFFIC_SHIFT"]["resourceArn"]
    assert weights(calls["PRE_PRODUCTION_TRAFFIC_SHIFT"]) == [0, 100]
    test_weights = calls["TEST_TRAFFIC_SHIFT"]["executionDetails"]["testTrafficWeights"]
    assert test_weights == {prefix + green: 100, prefix + before: 0}
    assert calls["POST_SCALE_UP"]["executionDetails"]["productionTrafficWeights"] == {}
    assert len({call["executionId"] for call in scene.calls}) == len(scene.calls)


def test_no_task_starts_before_the_hook_agrees(scene: Scene) -> None:
    scene.answers["PRE_SCALE_UP"] = IN_PROGRESS
    scene.update(forceNewDeployment=True)
    scene.wait(30)
    assert scene.service()["deployments"][0]["runningCount"] == 0
    del scene.answers["PRE_SCALE_UP"]
    scene.wait(60)
    assert scene.states() == [("PRIMARY", "COMPLETED", 6)]


def test_a_hook_in_progress_is_called_again_with_its_details(scene: Scene) -> None:
    scene.answers["POST_SCALE_UP"] = {**IN_PROGRESS, "callBackDelay": 15, "hookDetails": {"seen": True}}
    hooks = scene.configuration(hookDetails={"bucket": "approvals"})
    scene.update(deploymentConfiguration=hooks, forceNewDeployment=True)
    scene.until_called("POST_SCALE_UP")
    scene.wait(1)
    calls = [call for call in scene.calls if call["lifecycleStage"] == "POST_SCALE_UP"]
    assert len(calls) == 5
    assert [call["hookDetails"] for call in calls[:2]] == [
        {"bucket": "approvals"},
        {"bucket": "approvals", "seen": True},
    ]
    assert len({call["executionId"] for call in calls}) == 1


@pytest.mark.parametrize("answer", [FAILED, None, {"status": "fine"}])
@pytest.mark.parametrize(
    ("stage", "shifts"),
    [
        ("PRE_SCALE_UP", []),
        ("POST_SCALE_UP", []),
        ("POST_TEST_TRAFFIC_SHIFT", ["TEST_TRAFFIC_SHIFT"]),
        ("POST_PRODUCTION_TRAFFIC_SHIFT", ["PRODUCTION_TRAFFIC_SHIFT", "TEST_TRAFFIC_SHIFT"]),
    ],
)
def test_a_hook_that_fails_rolls_back_to_the_tasks_that_were_kept(
    scene: Scene, small_network: Network, stage: str, answer: Any, shifts: list[str]
) -> None:
    before = scene.service()["deployments"][0]["id"]
    scene.answers[stage] = answer
    green = scene.update(
        networkConfiguration=small_network.network_configuration(small_network.subnet("a", "10.0.8.0/26"))
    )
    for _ in range(20):
        scene.wait(1)
        assert scene.service()["runningCount"] >= 6
    assert scene.states() == [("PRIMARY", "COMPLETED", 6)]
    assert scene.service()["deployments"][0]["id"] == before
    assert scene.service()["networkConfiguration"] == scene.network
    assert scene.stages() == [*STAGES[: STAGES.index(stage) + 1], *shifts]
    back = scene.calls[STAGES.index(stage) + 1 :]
    assert all(weights(call) == [0, 100] for call in back if call["lifecycleStage"] == "PRODUCTION_TRAFFIC_SHIFT")
    events = [seen.event["detail"] for seen in scene.cloud.buses.seen]
    (failed,) = (one for one in events if one.get("eventName") == "SERVICE_DEPLOYMENT_FAILED")
    assert failed["deploymentId"] == green
    assert stage in failed["reason"]


@pytest.mark.parametrize(("timeout", "minutes"), [({}, 24 * 60), ({"timeoutInMinutes": 30}, 30)])
def test_a_hook_that_hangs_is_rolled_back_after_its_timeout(
    scene: Scene, timeout: dict[str, Any], minutes: float
) -> None:
    scene.answers["POST_SCALE_UP"] = IN_PROGRESS
    configuration = scene.configuration(timeoutConfiguration=timeout)
    scene.update(deploymentConfiguration=configuration, forceNewDeployment=True)
    scene.until_called("POST_SCALE_UP")
    scene.wait(minutes - 1)
    assert scene.states() == [("PRIMARY", "IN_PROGRESS", 6), ("ACTIVE", "COMPLETED", 6)]
    scene.wait(5)
    assert scene.states() == [("PRIMARY", "COMPLETED", 6)]
    assert "TEST_TRAFFIC_SHIFT" not in scene.stages()


def test_a_hook_may_time_out_and_let_the_deployment_go_on(scene: Scene) -> None:
    scene.answers["POST_SCALE_UP"] = IN_PROGRESS
    timeout = {"timeoutInMinutes": 30, "action": "CONTINUE"}
    green = scene.update(
        deploymentConfiguration=scene.configuration(timeoutConfiguration=timeout), forceNewDeployment=True
    )
    scene.wait(30 + BAKE_MINUTES + 10)
    assert scene.states() == [("PRIMARY", "COMPLETED", 6)]
    assert scene.service()["deployments"][0]["id"] == green


def test_a_starved_blue_green_deployment_is_rolled_back_after_a_day(scene: Scene, small_network: Network) -> None:
    subnet_id = small_network.subnet("a", "10.0.8.0/28")
    small_network.occupy(subnet_id, leave=2)
    # It is for rolling updates only.
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
    scene.update(
        deploymentConfiguration=breaker,
        networkConfiguration=small_network.network_configuration(subnet_id),
    )
    scene.wait(23 * 60)
    assert scene.states() == [("PRIMARY", "IN_PROGRESS", 2), ("ACTIVE", "COMPLETED", 6)]
    scene.wait(2 * 60)
    assert scene.states() == [("PRIMARY", "COMPLETED", 6)]
    assert scene.service()["networkConfiguration"] == scene.network
    assert small_network.free(subnet_id) == 2


def test_an_update_takes_the_place_of_a_deployment_that_hangs(scene: Scene) -> None:
    scene.answers["POST_SCALE_UP"] = IN_PROGRESS
    first = scene.update(forceNewDeployment=True)
    scene.until_called("POST_SCALE_UP")
    scene.answers.clear()
    scene.calls.clear()
    second = scene.update(forceNewDeployment=True)
    scene.wait(BAKE_MINUTES - 5)
    ids = [one["id"] for one in scene.service()["deployments"]]
    assert first not in ids
    assert [second, 6] == [ids[0], scene.service()["deployments"][1]["runningCount"]]
    scene.wait(10)
    assert scene.states() == [("PRIMARY", "COMPLETED", 6)]
    assert scene.stages() == ["RECONCILE_SERVICE", *STAGES]


def test_a_service_without_tasks_bakes_too(cloud: Cloud, workload: Workload | Fleet, small_network: Network) -> None:
    scene = Scene(cloud, workload, small_network, count=0)
    scene.update(forceNewDeployment=True)
    scene.wait(BAKE_MINUTES - 2)
    assert scene.service()["deployments"][0]["rolloutState"] == "IN_PROGRESS"
    scene.wait(10)
    assert scene.states() == [("PRIMARY", "COMPLETED", 0)]
