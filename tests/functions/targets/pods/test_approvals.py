"""In mode approve an approval is not lost because AWS is slow to show what it was called for."""

from collections.abc import Mapping
from typing import Any

from simulator.cloud import Cloud
from tests.support.targets.pods import pods_of_a_cluster


def test_an_approved_pod_that_aws_shows_late_is_deregistered_when_it_ends() -> None:
    with pods_of_a_cluster(mode="approve") as pods:
        scene = pods.scene
        usual = scene.usual_handler("elbv2:DescribeTargetHealth")
        assert usual

        def shown_late(cloud: Cloud, params: Mapping[str, Any]) -> Any:
            answer = usual(cloud, params)
            known, now = cloud.targets.of(pods.group), cloud.clock.timestamp()
            shown = [
                one
                for one in answer["TargetHealthDescriptions"]
                if now - known[one["Target"]["Id"], one["Target"]["Port"]].registered_at > 8
            ]
            return {**answer, "TargetHealthDescriptions": shown}

        scene.cloud.handlers["elbv2:DescribeTargetHealth"] = shown_late
        pod = pods.cluster.run(1)
        pods.wait(75)
        (proposal,) = scene.events("Change Proposed")
        scene.approve(proposal)
        pods.wait(75)
        assert pods.targets == {pod.address}
        pods.wait(75)
        assert len(scene.events("Change Proposed")) == 1
        pods.cluster.delete(pod)
        pods.wait(20)
        assert pods.targets == set()
