"""Subnets are built for those that can use them, and count as room for those that list them; people do the rest."""

from typing import Any

import pytest

from simulator.workload.network import MANAGED
from tests.support.capacity.callers import add_rule_and_schedule
from tests.support.capacity.pods import fill_with_pods
from tests.support.capacity.scene import CapacityScene, a_managed_vpc

HOURS = 3
OTHERS = [
    pytest.param("RDSNetworkInterface", "amazon-rds", "RDS", "aws_db_subnet_group", id="rds"),
    pytest.param("AWS Lambda VPC ENI-f", "lambda", "Lambda", "aws_lambda_function", id="lambda"),
    pytest.param("Amazon EKS prod", "eks", "EKS control plane", "aws_eks_cluster", id="eks-control-plane"),
    pytest.param("ours since 2017", "", "detached interfaces", "move some of what is in it", id="static"),
]


def obstacles(scene: CapacityScene) -> list[str]:
    return [one for event in scene.events("Expansion Impossible") for one in event["obstacles"]]


@pytest.mark.parametrize(("description", "requester", "holder", "change"), OTHERS)
def test_nothing_is_built_for_what_cannot_use_it_and_people_are_notified_once(
    description: str, requester: str, holder: str, change: str
) -> None:
    with a_managed_vpc(watched=True) as scene:
        scene.network.occupy(scene.subnets[0], leave=1, description=description, requester=requester)
        scene.berthmaster.run(minutes=HOURS * 60)
        assert scene.writes() == []
        (obstacle,) = obstacles(scene)
        assert f"58 by {holder}" in obstacle
        (mail,) = scene.berthmaster.published
        assert "needs a change by you" in mail.subject
        assert change in mail.message
        assert 1 < len(scene.events("Room Needed")) <= HOURS * 2 + 1


def test_what_people_have_to_change_is_said_again_after_a_week() -> None:
    with a_managed_vpc() as scene:
        scene.fill(leave=1)
        for _ in range(8):
            scene.need_room()
            scene.berthmaster.run(minutes=24 * 60)
        assert len(scene.events("Expansion Impossible")) == 2


def test_an_operator_gets_a_subnet_although_nobody_is_known_who_would_use_it() -> None:
    with a_managed_vpc() as scene:
        scene.fill(leave=1)
        scene.request("Expand Requested", vpc=scene.vpc_id)
        assert len(scene.added_subnets()) == 1
        scene.request("Expand Requested", vpc=scene.vpc_id, subnet=scene.subnets[1], addresses=40)
        assert len(scene.added_subnets()) == 2


def a_growing_service(scene: CapacityScene, *, tags: dict[str, str] | None = None) -> None:
    """It runs in the first subnet, and wants more tasks than that has addresses within three hours."""
    network = scene.network.network_configuration(scene.subnets[0])
    scene.workload.service("shop", network, lambda minutes: 20 + minutes / 2, tags=tags)


def test_an_untagged_service_gets_no_subnet_but_its_owner_is_told_what_to_change() -> None:
    with a_managed_vpc(watched=True) as scene:
        a_growing_service(scene)
        scene.berthmaster.run(minutes=HOURS * 60)
        assert scene.workload.failed
        assert scene.added_subnets() == []
        (mail,) = scene.berthmaster.published
        assert (
            "tag ECS service shop in cluster web berthmaster:capacity=managed, or add a new subnet to" in mail.message
        )
        assert "aws_ecs_service: network_configuration.subnets" in mail.message


def test_a_service_that_is_tagged_later_gets_its_subnet() -> None:
    with a_managed_vpc(watched=True) as scene:
        a_growing_service(scene)
        scene.berthmaster.run(minutes=90)
        before = len(scene.events("Room Needed"))
        ecs = scene.cloud.client("ecs")
        (service,) = ecs.describe_services(cluster=scene.workload.cluster, services=["shop"])["services"]
        tags = [{"key": key, "value": value} for key, value in MANAGED.items()]
        ecs.tag_resource(resourceArn=service["serviceArn"], tags=tags)
        scene.berthmaster.run(minutes=6)
        assert len(scene.events("Room Needed")) == before + 1
        scene.berthmaster.run(minutes=54)
        (added,) = scene.added_subnets()
        assert added["SubnetId"] in scene.service_subnets("shop")


def test_a_subnet_that_a_service_does_not_list_is_no_room_for_it() -> None:
    with a_managed_vpc(watched=True) as scene:
        scene.workload.service("shop", scene.network.network_configuration(scene.subnets[0]), 40, tags=MANAGED)
        scene.berthmaster.run(minutes=60)
        (added,) = scene.added_subnets()
        assert added["SubnetId"] in scene.service_subnets("shop")
        reset_by_code(scene, "shop", scene.subnets[0])
        before = len(scene.events("Room Needed"))
        scene.berthmaster.run(minutes=60)
        assert len(scene.events("Room Needed")) > before
        assert added["SubnetId"] in scene.service_subnets("shop")
        assert len(scene.added_subnets()) == 1


def reset_by_code(scene: CapacityScene, name: str, *subnets: str) -> None:
    scene.cloud.client("ecs").update_service(
        cluster=scene.workload.cluster, service=name, networkConfiguration=scene.network.network_configuration(*subnets)
    )


def test_a_service_whose_pipeline_must_add_the_subnet_is_named_with_the_subnet_that_exists() -> None:
    with a_managed_vpc() as scene:
        a_growing_service(scene)
        scene.expand()
        scene.fill(leave=1)
        scene.need_room()
        (added,) = scene.added_subnets()
        (obstacle,) = obstacles(scene)
        assert "shop in cluster web is not tagged" in obstacle
        (mail, *_) = [one for one in scene.berthmaster.published if "a change by you" in one.subject]
        assert f"add {added['SubnetId']} to `NetworkConfiguration.AwsvpcConfiguration.Subnets`" in mail.message


@pytest.mark.parametrize(("roles", "built"), [("run*", 1), ("", 0)])
def test_rules_and_schedules_that_may_be_changed_are_reason_enough(roles: str, built: int) -> None:
    with a_managed_vpc(CapacityCallerRoles=roles) as scene:
        add_rule_and_schedule(scene)
        scene.fill(leave=1)
        scene.need_room()
        assert len(scene.added_subnets()) == built
        assert len(obstacles(scene)) == 1 - built
        assert all("does not name its role runner" in one for one in obstacles(scene))


def tags_of(subnet: Any) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in subnet["Tags"]}


def test_pods_get_a_subnet_with_their_tags_and_no_other_cluster_takes_it() -> None:
    with a_managed_vpc(watched=True) as scene:
        for subnet, cluster in zip(scene.subnets, ("prod", "prod", "test"), strict=True):
            fill_with_pods(scene.network, subnet, leave=1, cluster=cluster)
        scene.berthmaster.run(minutes=60)
        found = {tags["berthmaster:sibling"]: tags for tags in map(tags_of, scene.added_subnets())}
        assert found.keys() == set(scene.subnets)
        for subnet, cluster in zip(scene.subnets, ("prod", "prod", "test"), strict=True):
            assert found[subnet]["kubernetes.io/role/cni"] == "1"
            scopes = [key for key in found[subnet] if key.startswith("cni.networking.k8s.aws/")]
            assert scopes == [f"cni.networking.k8s.aws/cluster/{cluster}"]
