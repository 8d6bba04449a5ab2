"""A block belongs to the expansion that associated it, whatever was lost in between, and to no other."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from berthmaster.capacity.ledger.expansions import Expansion, Expansions, ExpansionState
from simulator.calls import OPERATOR, calling_as
from simulator.cloud import Cloud
from simulator.errors import Crashed
from tests.support.capacity.scene import CapacityScene, a_managed_vpc, a_vpc_short_of_room

ASSOCIATE = "ec2:AssociateVpcCidrBlock"
PRIMARY = "10.0.0.0/24"


def records(scene: CapacityScene) -> list[Expansion]:
    """The expansions on record, oldest first."""
    return Expansions(scene.cloud.client("dynamodb"), scene.table).of_vpc(scene.vpc_id)[::-1]


def around_association(scene: CapacityScene, happening: Callable[[Cloud, Mapping[str, Any], Any], Any]) -> None:
    """Let something happen at the next AssociateVpcCidrBlock, which it is given to carry out."""
    usual = scene.cloud.handlers[ASSOCIATE]

    def once(cloud: Cloud, params: Mapping[str, Any]) -> Any:
        scene.cloud.handlers[ASSOCIATE] = usual
        return happening(cloud, params, usual)

    scene.cloud.handlers[ASSOCIATE] = once


def die_after(cloud: Cloud, params: Mapping[str, Any], associate: Any) -> Any:
    associate(cloud, params)
    raise Crashed("killed after AssociateVpcCidrBlock")


def die_before(*_: Any) -> Any:
    raise Crashed("killed before AssociateVpcCidrBlock")


def a_person_is_faster(cloud: Cloud, params: Mapping[str, Any], associate: Any) -> Any:
    """A person associates the same block while the call is on its way."""
    with calling_as(OPERATOR):
        associate(cloud, params)
    return associate(cloud, params)


def a_person_associates(scene: CapacityScene, cidr: str) -> str:
    answer = scene.cloud.client("ec2").associate_vpc_cidr_block(VpcId=scene.vpc_id, CidrBlock=cidr)
    return str(answer["CidrBlockAssociation"]["AssociationId"])


def ask(scene: CapacityScene) -> None:
    scene.request("Expand Requested", vpc=scene.vpc_id, subnet=scene.subnets[0], addresses=50)


def retire(scene: CapacityScene, expansion: Expansion) -> None:
    scene.request("Retirement Requested", expansion=expansion.id, by="Ann")
    scene.berthmaster.run(minutes=2)


def begin_and_die(scene: CapacityScene, die: Callable[..., Any]) -> Expansion:
    """An expansion whose first run dies at AssociateVpcCidrBlock; from then on the watch runs."""
    around_association(scene, die)
    scene.room_needed()
    scene.berthmaster.run(minutes=1)
    scene.berthmaster.schedules_enabled = True
    (running,) = records(scene)
    assert running.state is ExpansionState.RUNNING
    return running


def reject(scene: CapacityScene, expansion: Expansion) -> None:
    scene.request("Proposal Rejected", proposal=expansion.proposal, by="Ann")


def untag_the_vpc(scene: CapacityScene, _: Expansion) -> None:
    scene.cloud.client("ec2").delete_tags(Resources=[scene.vpc_id], Tags=[{"Key": "berthmaster:capacity"}])
    scene.berthmaster.run(minutes=30)


def switch_to_observe(scene: CapacityScene, _: Expansion) -> None:
    scene.deploy_mode("observe")
    scene.berthmaster.run(minutes=30)


@pytest.mark.parametrize("end", [reject, untag_the_vpc, switch_to_observe])
def test_what_a_dead_run_associated_is_on_record_however_the_expansion_ends(
    end: Callable[[CapacityScene, Expansion], None],
) -> None:
    with a_vpc_short_of_room() as scene:
        end(scene, begin_and_die(scene, die_after))
        failed = records(scene)[0]
        assert failed.state is ExpansionState.FAILED
        assert [failed.association_id] == list(scene.secondary_blocks())


def test_what_a_dead_run_associated_is_disassociated_when_the_rejected_expansion_is_retired() -> None:
    with a_vpc_short_of_room() as scene:
        reject(scene, begin_and_die(scene, die_after))
        scene.berthmaster.schedules_enabled = False
        retire(scene, records(scene)[0])
        assert scene.blocks() == [PRIMARY]


def test_the_block_is_its_own_although_the_answer_was_lost() -> None:
    with a_vpc_short_of_room() as scene:
        scene.cloud.faults.lose_response(lambda call: call.name == ASSOCIATE)
        scene.need_room()
        (done,) = records(scene)
        assert (done.state, [done.association_id]) == (ExpansionState.DONE, list(scene.secondary_blocks()))


def test_a_block_that_a_person_associated_in_the_same_moment_stays_the_persons() -> None:
    with a_managed_vpc() as scene:
        around_association(scene, a_person_is_faster)
        ask(scene)
        (failed,) = records(scene)
        assert (failed.state, failed.association_id) == (ExpansionState.FAILED, "")
        retire(scene, failed)
        assert len(scene.secondary_blocks()) == 1

        ask(scene)
        assert len(scene.added_subnets()) == 1
        assert len(scene.secondary_blocks()) == 1
        retire(scene, records(scene)[-1])
        assert scene.added_subnets() == []
        assert len(scene.secondary_blocks()) == 1


def test_a_block_that_a_person_associated_while_capacity_was_paused_stays_the_persons() -> None:
    with a_vpc_short_of_room(watched=True) as scene:
        scene.pause_during("ec2:DescribeVpcPeeringConnections")
        scene.room_needed()
        scene.berthmaster.run(minutes=1)
        del scene.cloud.handlers["ec2:DescribeVpcPeeringConnections"]
        (running,) = records(scene)
        assert running.plan.block is not None
        theirs = a_person_associates(scene, str(running.plan.block.cidr))
        scene.resume()
        scene.berthmaster.run(minutes=30)
        assert records(scene)[0].association_id == ""
        assert "somebody else" in records(scene)[0].note
        assert list(scene.secondary_blocks()) == [theirs]
        assert len(scene.added_subnets()) == 1
        for one in records(scene):
            retire(scene, one)
        assert list(scene.secondary_blocks()) == [theirs]


def test_a_block_of_an_expansion_that_died_before_the_call_is_associated_once() -> None:
    with a_vpc_short_of_room() as scene:
        begin_and_die(scene, die_before)
        scene.berthmaster.run(minutes=20)
        (done,) = records(scene)
        assert [done.association_id] == list(scene.secondary_blocks())


def test_the_block_of_a_retired_expansion_goes_when_the_last_subnet_in_it_does() -> None:
    with a_managed_vpc() as scene:
        scene.expand()
        scene.expand(which=1)
        first, second = records(scene)
        retire(scene, first)
        assert len(scene.secondary_blocks()) == 1
        scene.berthmaster.run(minutes=100 * 24 * 60)
        retire(scene, second)
        assert scene.blocks() == [PRIMARY]
        assert [one.association_id for one in records(scene)] == ["", ""]


def test_the_record_of_a_block_in_which_a_person_has_a_subnet_is_kept_until_the_block_can_go() -> None:
    with a_managed_vpc() as scene:
        scene.expand()
        (expansion,) = records(scene)
        assert expansion.plan.block is not None
        ec2 = scene.cloud.client("ec2")
        cidr = str(list(expansion.plan.block.cidr.subnets(new_prefix=26))[-1])
        theirs = ec2.create_subnet(VpcId=scene.vpc_id, CidrBlock=cidr)["Subnet"]["SubnetId"]
        retire(scene, expansion)
        (retired,) = scene.events("Expansion Retired")
        assert f"{expansion.plan.block.cidr} is kept" in retired["note"]
        scene.berthmaster.run(minutes=100 * 24 * 60)
        assert [one.association_id for one in records(scene)] == list(scene.secondary_blocks())
        ec2.delete_subnet(SubnetId=theirs)
        retire(scene, expansion)
        assert scene.blocks() == [PRIMARY]
