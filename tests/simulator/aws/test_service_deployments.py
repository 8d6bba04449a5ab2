"""Service deployments: what becomes of them, and how far one that shifts traffic has come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from simulator.aws.ecs.lifecycle_hooks import HookTargets
from simulator.workload.fleet import Fleet
from simulator.workload.network import Network

if TYPE_CHECKING:
    from simulator.cloud import Cloud

FUNCTION = "arn:aws:lambda:eu-central-1:123456789012:function:gate"
SUCCEEDED = {"hookStatus": "SUCCEEDED"}


class Scene:
    """A service `web` whose deployments shift traffic; its hook gives one answer at every stage."""

    def __init__(self, cloud: Cloud, **configuration: Any) -> None:
        self.cloud, self.ecs, self.fleet = cloud, cloud.client("ecs"), Fleet(cloud)
        self.answer: dict[str, str] = SUCCEEDED
        self.weights: list[float] = []
        network = Network.create(cloud, "10.0.0.0/20")
        network.subnet("a", "10.0.0.0/24")
        cloud.state(HookTargets).functions[FUNCTION] = self._hook
        role = "arn:aws:iam::123456789012:role/hooks"
        stages = ["POST_SCALE_UP", "PRODUCTION_TRAFFIC_SHIFT"]
        hooks = [{"hookTargetArn": FUNCTION, "roleArn": role, "lifecycleStages": stages}]
        configuration = {"bakeTimeInMinutes": 10, "lifecycleHooks": hooks} | configuration
        self.fleet.service("web", network.network_configuration(), 2, deployment_configuration=configuration)
        self.wait(2)

    def _hook(self, payload: dict[str, Any]) -> dict[str, str]:
        if payload["lifecycleStage"] == "PRODUCTION_TRAFFIC_SHIFT":
            details = payload["executionDetails"]
            self.weights.append(details["productionTrafficWeights"][details["targetServiceRevisionArn"]])
        return self.answer

    def wait(self, minutes: float) -> None:
        self.cloud.clock.run_until(self.cloud.clock.timestamp() + minutes * 60)

    def listed(self, **options: Any) -> list[dict[str, Any]]:
        return self.ecs.list_service_deployments(cluster="web", service="web", **options)["serviceDeployments"]

    def newest(self) -> dict[str, Any]:
        arn = self.listed()[0]["serviceDeploymentArn"]
        (one,) = self.ecs.describe_service_deployments(serviceDeploymentArns=[arn])["serviceDeployments"]
        return one

    def production(self) -> tuple[float, list[float]]:
        """The weights of the target and of the sources."""
        one = self.newest()
        weight = "requestedProductionTrafficWeight"
        return one["targetServiceRevision"][weight], [source[weight] for source in one["sourceServiceRevisions"]]


def test_a_blue_green_deployment_shows_its_stage_and_weights(cloud: Cloud) -> None:
    scene = Scene(cloud, strategy="BLUE_GREEN")
    scene.answer = {"hookStatus": "IN_PROGRESS"}
    revision = scene.fleet.deploy("web")
    scene.wait(2)
    assert [one["status"] for one in scene.listed()] == ["IN_PROGRESS", "SUCCESSFUL"]
    assert scene.listed()[0]["targetServiceRevisionArn"] == scene.newest()["targetServiceRevision"]["arn"] == revision
    assert scene.newest()["lifecycleStage"] == "POST_SCALE_UP"
    assert scene.production() == (0, [100])
    scene.answer = SUCCEEDED
    scene.wait(2)
    assert scene.newest()["lifecycleStage"] == "BAKE_TIME"
    assert scene.production() == (100, [0])
    scene.wait(15)
    assert (scene.newest()["status"], scene.newest()["lifecycleStage"]) == ("SUCCESSFUL", "CLEAN_UP")


def test_a_deployment_that_is_rolled_back_shows_it(cloud: Cloud) -> None:
    scene = Scene(cloud, strategy="BLUE_GREEN")
    scene.answer = {"hookStatus": "FAILED"}
    scene.fleet.deploy("web")
    scene.wait(5)
    assert [one["status"] for one in scene.listed()] == ["ROLLBACK_SUCCESSFUL", "SUCCESSFUL"]
    assert scene.newest()["lifecycleStage"] == "POST_SCALE_UP"
    assert scene.production()[0] == 0


@pytest.mark.parametrize(
    ("configuration", "weights"),
    [
        ({"strategy": "CANARY", "canaryConfiguration": {"canaryPercent": 25.0}}, [25, 100]),
        ({"strategy": "LINEAR", "linearConfiguration": {"stepPercent": 40.0}}, [40, 80, 100]),
    ],
)
def test_traffic_is_shifted_step_by_step(cloud: Cloud, configuration: dict[str, Any], weights: list[float]) -> None:
    scene = Scene(cloud, **configuration)
    scene.fleet.deploy("web")
    scene.wait(3)
    assert scene.production() == (weights[0], [100 - weights[0]])
    scene.wait(60)
    assert scene.weights == weights
    assert scene.listed()[0]["status"] == "SUCCESSFUL"


def test_deployments_are_listed_by_status_and_time(cloud: Cloud) -> None:
    scene = Scene(cloud)
    scene.wait(10)
    began = cloud.clock.now()
    scene.wait(1)
    scene.fleet.deploy("web")
    scene.fleet.deploy("web")
    assert [one["status"] for one in scene.listed()] == ["IN_PROGRESS", "STOPPED", "SUCCESSFUL"]
    assert len(scene.listed(status=["STOPPED", "SUCCESSFUL"])) == 2
    assert len(scene.listed(createdAt={"after": began})) == 2
    assert len(scene.listed(maxResults=1)) == 1
    with pytest.raises(ClientError, match="Service not found"):
        scene.ecs.list_service_deployments(cluster="web", service="tea")
    with pytest.raises(ClientError, match="more than 20"):
        scene.ecs.describe_service_deployments(serviceDeploymentArns=["arn"] * 21)
