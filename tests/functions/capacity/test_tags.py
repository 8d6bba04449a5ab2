"""A tag that makes no sense is reported once, as an event and to people, and has no effect."""

from collections.abc import Mapping
from typing import Any

import pytest

from simulator.cloud import Cloud
from simulator.faults import Outage
from tests.support.capacity.scene import WATCH, CapacityScene, a_managed_vpc


def tag(scene: CapacityScene, resource: str, key: str, value: str) -> None:
    scene.cloud.client("ec2").create_tags(Resources=[resource], Tags=[{"Key": key, "Value": value}])


def cycle(scene: CapacityScene) -> None:
    invocation = scene.berthmaster.invoke(WATCH, {})
    assert invocation.error is None


def findings(scene: CapacityScene) -> list[tuple[str, str]]:
    return [(one["resource"], one["text"]) for one in scene.events("Finding Reported")]


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("berthmaster:capacity", "mangaed", "managed may be meant"),
        ("berthmaster:capacity", "Managed", "managed may be meant"),
        ("berthmaster:capacity", " managed", "managed may be meant"),
        ("berthmaster:capacity", "yes", "is neither managed nor ignored"),
        ("berthmaster:capacity", "", "is neither managed nor ignored"),
        ("berthmaster:capactiy", "managed", "capacity knows no tag berthmaster:capactiy=managed"),
        ("Berthmaster:Capacity", "managed", "capacity knows no tag Berthmaster:Capacity=managed"),
        ("berthmaster:horizon", "forty", "capacity knows no tag berthmaster:horizon=forty"),
    ],
)
def test_a_tag_of_a_vpc_that_makes_no_sense_is_reported_once(key: str, value: str, says: str) -> None:
    with a_managed_vpc(managed=False) as scene:
        tag(scene, scene.vpc_id, key, value)
        tag(scene, scene.vpc_id, "Name", "production")
        for _ in range(3):
            cycle(scene)
        ((resource, text),) = findings(scene)
        assert resource == scene.vpc_id
        assert says in text
        (mail,) = scene.berthmaster.published
        assert f"{scene.vpc_id} (production)" in mail.message.splitlines()[0]
        assert "account 123456789012, eu-central-1" in mail.message.splitlines()[0]
        assert text in mail.message


def test_tags_that_make_sense_are_no_findings() -> None:
    with a_managed_vpc() as scene:
        tag(scene, scene.vpc_id, "Name", "berthmaster")
        tag(scene, scene.subnets[1], "berthmaster:capacity", "ignored")
        scene.expand()
        scene.berthmaster.run(minutes=10)
        cycle(scene)
        assert findings(scene) == []


def test_a_tag_of_a_subnet_or_a_service_that_makes_no_sense_is_reported() -> None:
    with a_managed_vpc() as scene:
        tag(scene, scene.subnets[0], "berthmaster:capacity", "ignore")
        network = scene.network.network_configuration()
        scene.workload.service("shop", network, 1, tags={"berthmaster:capacity": "manage"})
        cycle(scene)
        assert {resource for resource, _ in findings(scene)} == {
            scene.subnets[0],
            f"service {scene.workload.cluster}/shop",
        }
        (mail,) = scene.berthmaster.published
        assert mail.message.startswith("2 times capacity: findings")


def test_a_finding_that_was_gone_and_is_back_is_reported_again() -> None:
    with a_managed_vpc(managed=False) as scene:
        for value in ("mangaed", "managed", "mangaed"):
            tag(scene, scene.vpc_id, "berthmaster:capacity", value)
            cycle(scene)
        assert len(findings(scene)) == 2


def test_a_finding_that_could_not_be_published_is_reported_by_the_next_cycle() -> None:
    with a_managed_vpc(managed=False) as scene:
        tag(scene, scene.vpc_id, "berthmaster:capacity", "mangaed")
        usual = scene.cloud.handlers["events:PutEvents"]
        scene.cloud.handlers["events:PutEvents"] = lambda _cloud, _params: {
            "Entries": [{"ErrorCode": "InternalFailure"}],
            "FailedEntryCount": 1,
        }
        assert scene.berthmaster.invoke(WATCH, {}).error is not None
        scene.cloud.handlers["events:PutEvents"] = usual
        cycle(scene)
        assert len(findings(scene)) == 1


def test_a_finding_that_the_bus_does_not_take_has_no_other_repeated() -> None:
    with a_managed_vpc(managed=False) as scene:
        tag(scene, scene.vpc_id, "berthmaster:capacity", "mangaed")
        tag(scene, scene.vpc_id, "berthmaster:horizon", "forty")
        usual = scene.cloud.handlers["events:PutEvents"]

        def put_events(cloud: Cloud, params: Mapping[str, Any]) -> Any:
            """One entry is refused, and the others are taken."""
            taken = [one for one in params["Entries"] if "horizon" not in one["Detail"]]
            if taken:
                usual(cloud, {"Entries": taken})
            return {"Entries": [{"EventId": "1"} if one in taken else {"ErrorCode": "X"} for one in params["Entries"]]}

        scene.cloud.handlers["events:PutEvents"] = put_events
        for _ in range(3):
            assert scene.berthmaster.invoke(WATCH, {}).error is not None
        assert len(findings(scene)) == 1


@pytest.mark.parametrize("operation", ["ec2:DescribeNetworkInterfaces", "ecs:DescribeServices"])
def test_what_a_cycle_could_not_read_is_not_reported_again(operation: str) -> None:
    with a_managed_vpc() as scene:
        tag(scene, scene.subnets[0], "berthmaster:capacity", "ignore")
        network = scene.network.network_configuration()
        scene.workload.service("shop", network, 1, tags={"berthmaster:capacity": "manage"})
        cycle(scene)
        assert len(findings(scene)) == 2
        scene.cloud.faults.begin_outage(Outage(operation, until=scene.cloud.clock.timestamp() + 60))
        scene.berthmaster.runtime.kill_containers()
        assert scene.berthmaster.invoke(WATCH, {}).error is not None
        scene.berthmaster.run(minutes=5)
        cycle(scene)
        assert len(findings(scene)) == 2
