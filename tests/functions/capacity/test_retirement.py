"""An expansion that is not in use is undone completely; one that is in use stays."""

from typing import Any

import pytest

from simulator.errors import AwsError
from simulator.workload.network import MANAGED
from tests.support.capacity.callers import add_rule_and_schedule, add_subnet_to_rule
from tests.support.capacity.scene import EXPAND, CapacityScene, a_managed_vpc

DISASSOCIATE = "ec2:DisassociateVpcCidrBlock"


def retire(scene: CapacityScene, expansion: str) -> None:
    scene.request("Retirement Requested", expansion=expansion, by="Ann")


def refused_because(scene: CapacityScene) -> str:
    """Why the expansion was not undone, of which nothing is gone."""
    assert len(scene.added_subnets()) == 1
    (refused,) = scene.events("Retirement Refused")
    return str(refused["reason"])


@pytest.mark.parametrize("mode", ["observe", "approve", "enforce"])
def test_an_unused_expansion_is_undone_completely_in_every_mode(mode: str) -> None:
    with a_managed_vpc() as scene:
        expansion = scene.expand()
        scene.deploy_mode(mode)
        retire(scene, expansion)
        scene.berthmaster.run(minutes=1)
        assert scene.added_subnets() == []
        assert scene.blocks() == ["10.0.0.0/24"]
        (retired,) = scene.events("Expansion Retired")
        assert (retired["expansion"], retired["by"]) == (expansion, "Ann")


def test_an_expansion_with_an_interface_in_it_stays() -> None:
    with a_managed_vpc() as scene:
        expansion = scene.expand()
        (added,) = scene.added_subnets()
        scene.cloud.client("ec2").create_network_interface(SubnetId=added["SubnetId"])
        retire(scene, expansion)
        assert "1 address of detached interfaces" in refused_because(scene)


def test_a_service_deploys_without_a_subnet_before_it_is_deleted() -> None:
    with a_managed_vpc() as scene:
        scene.workload.service("idle", scene.network.network_configuration(), 0, tags=MANAGED)
        retire(scene, scene.expand())
        scene.berthmaster.run(minutes=5)
        assert scene.service_subnets("idle") == scene.subnets
        assert scene.added_subnets() == []
        calls = scene.cloud.calls.of(EXPAND)
        (deleted,) = calls.named("ec2:DeleteSubnet")
        assert deleted.at - calls.named("ecs:UpdateService")[-1].at >= 60


def test_the_only_subnet_of_a_service_stays() -> None:
    with a_managed_vpc() as scene:
        expansion = scene.expand()
        (added,) = scene.added_subnets()
        only = scene.network.network_configuration(added["SubnetId"])
        scene.workload.service("only", only, 0, tags=MANAGED)
        retire(scene, expansion)
        assert "ECS service only lists" in refused_because(scene)


def test_a_subnet_in_a_rule_that_may_not_be_changed_stays() -> None:
    with a_managed_vpc() as scene:
        expansion = scene.expand()
        (added,) = scene.added_subnets()
        add_rule_and_schedule(scene)
        add_subnet_to_rule(scene, added["SubnetId"])
        retire(scene, expansion)
        assert "rule nightly lists" in refused_because(scene)


def test_an_expansion_that_was_only_proposed_cannot_be_undone() -> None:
    with a_managed_vpc(mode="approve") as scene:
        scene.request("Expand Requested", vpc=scene.vpc_id, subnet=scene.subnets[0], addresses=50)
        (proposed,) = scene.events("Expansion Proposed")
        retire(scene, proposed["expansion"])
        (refused,) = scene.events("Request Refused")
        assert (refused["request"], refused["subject"]) == ("Retirement Requested", proposed["expansion"])
        assert refused["reason"] == "it is proposed"


def test_of_a_vpc_that_is_not_tagged_any_more_the_subnets_go_and_the_block_when_it_is_tagged_again() -> None:
    with a_managed_vpc() as scene:
        expansion = scene.expand()
        ec2 = scene.cloud.client("ec2")
        usual = scene.cloud.handlers.get(DISASSOCIATE)
        scene.cloud.handlers[DISASSOCIATE] = denied
        ec2.delete_tags(Resources=[scene.vpc_id], Tags=[{"Key": "berthmaster:capacity"}])
        retire(scene, expansion)
        scene.berthmaster.run(minutes=5)
        (retired,) = scene.events("Expansion Retired")
        assert "must be tagged berthmaster:capacity=managed" in retired["note"]
        assert (scene.added_subnets(), len(scene.blocks())) == ([], 2)
        ec2.create_tags(Resources=[scene.vpc_id], Tags=[{"Key": "berthmaster:capacity", "Value": "managed"}])
        del scene.cloud.handlers[DISASSOCIATE]
        if usual:
            scene.cloud.handlers[DISASSOCIATE] = usual
        retire(scene, expansion)
        scene.berthmaster.run(minutes=5)
        assert len(scene.blocks()) == 1


def denied(*_: Any) -> Any:
    """The role may disassociate blocks of tagged VPCs only."""
    raise AwsError("UnauthorizedOperation", "You are not authorized to perform this operation.")
