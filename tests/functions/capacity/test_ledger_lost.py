"""The ledger is lost, damaged, or holds what could not be published: nothing is done twice, nothing waits unsaid."""

from collections.abc import Callable
from typing import Any

import pytest

from berthmaster.capacity.ledger.expansions import Expansions, ExpansionState
from simulator.errors import AwsError, Crashed
from simulator.workload.network import MANAGED
from tests.support.capacity.scene import EXPAND, QUEUE, CapacityScene, a_managed_vpc, a_vpc_short_of_room


def lose_the_ledger(scene: CapacityScene) -> None:
    """As `sam delete` and `sam deploy` with a new table: nothing is remembered, and no message is left."""
    dynamodb = scene.cloud.client("dynamodb")
    for item in dynamodb.scan(TableName=scene.table)["Items"]:
        dynamodb.delete_item(TableName=scene.table, Key={"pk": item["pk"], "sk": item["sk"]})
    scene.berthmaster.runtime.kill_containers()


def lose_messages(scene: CapacityScene) -> None:
    sqs = scene.cloud.client("sqs")
    sqs.purge_queue(QueueUrl=sqs.get_queue_url(QueueName=scene.berthmaster.template.identity(QUEUE).name)["QueueUrl"])


def refuse_notifications(scene: CapacityScene) -> Callable[[], None]:
    """The topic's key may not be used; returns what ends that."""
    usual = scene.cloud.handlers.get("sns:Publish")

    def refuse(*_: Any) -> Any:
        raise AwsError("KMSAccessDeniedException", "The ciphertext refers to a key that may not be used.")

    def allow() -> None:
        del scene.cloud.handlers["sns:Publish"]
        if usual:
            scene.cloud.handlers["sns:Publish"] = usual

    scene.cloud.handlers["sns:Publish"] = refuse
    return allow


def test_a_completed_expansion_is_recorded_again_once_and_the_vpc_is_not_expanded_again() -> None:
    with a_vpc_short_of_room(watched=True) as scene:
        scene.berthmaster.run(minutes=20)
        (completed,) = scene.events("Expansion Completed")
        lose_the_ledger(scene)
        scene.berthmaster.run(minutes=60)
        assert (len(scene.blocks()), len(scene.added_subnets())) == (2, 1)
        (found,) = scene.events("Expansion Found")
        assert (found["expansion"], found["state"]) == (completed["expansion"], "done")
        assert "was not on record" in scene.berthmaster.published[-1].message
        assert len(scene.events("Expansion Stalled")) == 1


def retire(scene: CapacityScene, expansion: str) -> None:
    scene.request("Retirement Requested", expansion=expansion)
    scene.berthmaster.run(minutes=2)


def test_an_expansion_that_only_its_tags_show_is_retired_with_its_block() -> None:
    with a_managed_vpc() as scene:
        expansion = scene.expand()
        lose_the_ledger(scene)
        retire(scene, expansion)
        assert (scene.added_subnets(), scene.blocks()) == ([], ["10.0.0.0/24"])
        assert len(scene.events("Expansion Retired")) == 1


def test_a_subnet_of_a_person_with_copied_tags_is_no_part_of_what_is_found() -> None:
    with a_managed_vpc() as scene:
        expansion = scene.expand()
        (added,) = scene.added_subnets()
        copy = a_person_copies(scene, added)
        scene.workload.service("shop", scene.network.network_configuration(scene.subnets[0]), 6, tags=MANAGED)
        scene.berthmaster.run(minutes=5)
        scene.fill(leave=1)
        scene.need_room()
        assert copy not in scene.service_subnets("shop")
        lose_the_ledger(scene)
        scene.need_room()
        (found,) = scene.events("Expansion Found")
        assert [one["subnet"] for one in found["subnets"]] == [added["SubnetId"]]
        assert expansion == found["expansion"]


def a_person_copies(scene: CapacityScene, subnet: Any) -> str:
    """A person creates the next subnet of the block with all tags of another one."""
    tags = [{"ResourceType": "subnet", "Tags": subnet["Tags"]}]
    block = next(iter(scene.secondary_blocks().values()))
    cidr = f"{block.rpartition('.')[0]}.192/26"
    ec2 = scene.cloud.client("ec2")
    made = ec2.create_subnet(
        VpcId=scene.vpc_id, CidrBlock=cidr, AvailabilityZone=subnet["AvailabilityZone"], TagSpecifications=tags
    )
    return str(made["Subnet"]["SubnetId"])


@pytest.mark.parametrize("first", [0, 1])
def test_a_block_that_several_found_expansions_use_goes_with_the_last_of_them(first: int) -> None:
    with a_managed_vpc() as scene:
        expansions = [scene.expand(), scene.expand(which=1)]
        lose_the_ledger(scene)
        retire(scene, expansions[first])
        assert len(scene.blocks()) == 2
        retire(scene, expansions[1 - first])
        assert (scene.added_subnets(), scene.blocks()) == ([], ["10.0.0.0/24"])


def test_subnets_in_a_block_of_a_retired_expansion_show_that_berthmaster_made_it() -> None:
    with a_managed_vpc() as scene:
        first, second = scene.expand(), scene.expand(which=1)
        retire(scene, first)
        lose_the_ledger(scene)
        retire(scene, second)
        assert scene.blocks() == ["10.0.0.0/24"]


@pytest.mark.parametrize("tag", ["", "of another block"])
def test_the_block_of_an_expansion_stays_if_no_tag_says_that_it_made_it(tag: str) -> None:
    with a_managed_vpc() as scene:
        ec2 = scene.cloud.client("ec2")
        expansion = scene.expand()
        added = [one["SubnetId"] for one in scene.added_subnets()]
        if tag:
            other = ec2.associate_vpc_cidr_block(VpcId=scene.vpc_id, CidrBlock="100.127.0.0/24")["CidrBlockAssociation"]
            ec2.create_tags(Resources=added, Tags=[{"Key": "berthmaster:block", "Value": other["AssociationId"]}])
        else:
            ec2.delete_tags(Resources=added, Tags=[{"Key": "berthmaster:block"}])
        before = scene.blocks()
        lose_the_ledger(scene)
        retire(scene, expansion)
        assert scene.added_subnets() == []
        assert scene.blocks() == before
        (retired,) = scene.events("Expansion Retired")
        assert "leaves the block" in retired["note"] or tag


@pytest.mark.parametrize("minutes", [0.05, 0.1, 1])
def test_an_expansion_that_was_in_progress_is_reported_and_the_block_is_used(minutes: float) -> None:
    with a_vpc_short_of_room() as scene:
        scene.cloud.client("ecs").update_service(cluster=scene.workload.cluster, service="shop", desiredCount=6)
        scene.room_needed()
        scene.berthmaster.run(minutes=minutes)
        left = [one["SubnetId"] for one in scene.added_subnets()]
        lose_messages(scene)
        lose_the_ledger(scene)
        scene.berthmaster.schedules_enabled = True
        scene.berthmaster.run(minutes=60)
        assert len(scene.blocks()) == 2
        found = [one["subnet"] for event in scene.events("Expansion Found") for one in event["subnets"]]
        assert found == left
        records = Expansions(scene.cloud.client("dynamodb"), scene.table).of_vpc(scene.vpc_id)
        recorded = {subnet for one in records for subnet in one.subnet_ids.values()}
        assert {one["SubnetId"] for one in scene.added_subnets()} <= recorded


def test_old_expansions_that_are_found_do_not_count_for_the_limit_of_today() -> None:
    with a_managed_vpc(CapacityExpansionsPerDay="1") as scene:
        scene.expand()
        scene.berthmaster.run(minutes=2 * 24 * 60)
        lose_the_ledger(scene)
        scene.expand()
        assert len(scene.added_subnets()) == 2


def test_a_notification_that_cannot_be_sent_does_not_block_the_vpc() -> None:
    with a_vpc_short_of_room(watched=True) as scene:
        allow = refuse_notifications(scene)
        scene.berthmaster.run(minutes=20)
        assert len(scene.added_subnets()) == 1
        scene.fill(which=1, leave=0)
        scene.berthmaster.run(minutes=30)
        assert len(scene.added_subnets()) == 2

        allow()
        scene.berthmaster.run(minutes=10)
        records = Expansions(scene.cloud.client("dynamodb"), scene.table).of_vpc(scene.vpc_id)
        assert not any(one.is_unreported for one in records)
        assert len(scene.berthmaster.published) == len(scene.events("Expansion Completed")) == 2


def test_an_outcome_that_a_crash_left_unpublished_is_published_although_nothing_else_happens() -> None:
    with a_vpc_short_of_room() as scene:
        usual = scene.cloud.handlers["events:PutEvents"]

        def crash(cloud: Any, params: Any) -> Any:
            if params["Entries"][0]["DetailType"] == "Expansion Completed":
                scene.cloud.handlers["events:PutEvents"] = usual
                lose_messages(scene)
                raise Crashed("killed before PutEvents")
            return usual(cloud, params)

        scene.cloud.handlers["events:PutEvents"] = crash
        scene.need_room()
        assert scene.events("Expansion Completed") == []
        scene.berthmaster.schedules_enabled = True
        scene.berthmaster.run(minutes=10)
        assert len(scene.events("Expansion Completed")) == 1


def test_a_proposal_that_was_open_when_the_mode_became_enforce_does_not_expand_the_vpc_again() -> None:
    with a_vpc_short_of_room(mode="approve") as scene:
        proposal = scene.propose()
        scene.deploy_mode("enforce")
        scene.need_room()
        assert len(scene.added_subnets()) == 1
        scene.request("Proposal Approved", proposal=proposal, by="Ann")
        assert len(scene.added_subnets()) == 1
        (refused,) = scene.events("Request Refused")
        assert ExpansionState.SUPERSEDED in refused["reason"]


def test_a_service_is_not_deployed_again_because_the_ledger_was_lost() -> None:
    with a_managed_vpc(watched=True) as scene:
        scene.workload.service("shop", scene.network.network_configuration(), 6, tags=MANAGED)
        scene.berthmaster.run(minutes=5)
        scene.fill(leave=1)
        scene.berthmaster.run(minutes=20)
        before = len(scene.cloud.calls.of(EXPAND).named("ecs:UpdateService"))
        lose_the_ledger(scene)
        scene.berthmaster.run(minutes=60)
        assert len(scene.cloud.calls.of(EXPAND).named("ecs:UpdateService")) == before == 1
