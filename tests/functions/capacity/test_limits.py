"""What limits expansions: one at a time, a number a day, AWS's rules and quotas, and blocks that AWS has refused."""

from typing import Any

from simulator.aws.ecs.task_events import api_call_failed
from simulator.errors import AwsError
from simulator.workload.network import MANAGED
from tests.support.capacity.scene import a_managed_vpc, a_vpc_short_of_room


def test_a_thousand_events_about_one_vpc_lead_to_one_expansion() -> None:
    with a_vpc_short_of_room() as scene:
        for _ in range(500):
            scene.room_needed()
            scene.berthmaster.put_event(api_call_failed(scene.cloud, subnet_id=scene.subnets[0]))
        scene.berthmaster.drain()
        assert len(scene.blocks()) == 2
        assert len(scene.added_subnets()) == 1
        assert len(scene.berthmaster.published) == 1
        assert scene.dead_letters() == []


def test_expansions_per_day_are_limited() -> None:
    with a_managed_vpc(CapacityExpansionsPerDay="2") as scene:
        for which in (0, 1, 2):
            scene.request("Expand Requested", vpc=scene.vpc_id, subnet=scene.subnets[which], addresses=50)
        assert len(scene.added_subnets()) == 2
        assert "which is the limit" in scene.events("Expansion Reported")[0]["note"]


def test_if_nothing_is_possible_the_notification_names_the_rule_that_blocks_it() -> None:
    with a_vpc_short_of_room() as scene:
        scene.cloud.quotas.apply("L-83CA0A9D", 1)
        scene.need_room()
        assert scene.writes() == []
        message = scene.berthmaster.published[0].message
        assert "Blocked by:" in message
        assert "quota" in message
        assert "L-83CA0A9D" in message


def test_a_block_whose_association_failed_is_not_tried_again() -> None:
    with a_vpc_short_of_room() as scene:
        scene.cloud.faults.fail_next_association()
        scene.need_room()
        assert "could not be associated" in scene.events("Expansion Failed")[0]["note"]
        scene.berthmaster.run(minutes=5)
        scene.need_room()
        assert scene.blocks() == ["10.0.0.0/24", "100.64.16.0/20"]


def test_expansions_that_are_retired_today_do_not_count_as_begun_today() -> None:
    with a_managed_vpc(CapacityExpansionsPerDay="2") as scene:
        expansions = [scene.expand(which=0), scene.expand(which=1)]
        scene.berthmaster.run(minutes=2 * 24 * 60)
        for expansion in expansions:
            scene.request("Retirement Requested", expansion=expansion)
        assert scene.added_subnets() == []
        scene.expand()
        assert len(scene.added_subnets()) == 1


def test_expansions_that_were_begun_today_count_although_they_are_retired() -> None:
    with a_managed_vpc(CapacityExpansionsPerDay="1") as scene:
        scene.request("Retirement Requested", expansion=scene.expand())
        scene.request("Expand Requested", vpc=scene.vpc_id, subnet=scene.subnets[1], addresses=50)
        assert "which is the limit" in scene.events("Request Refused")[0]["reason"]


def test_a_pause_and_a_refused_retirement_do_not_count_as_another_beginning() -> None:
    with a_managed_vpc(CapacityExpansionsPerDay="1") as scene:
        expansion = scene.expand()
        scene.berthmaster.run(minutes=23 * 60)
        scene.cloud.client("ec2").create_network_interface(SubnetId=scene.added_subnets()[0]["SubnetId"])
        scene.request("Retirement Requested", expansion=expansion)
        scene.pause()
        scene.cloud.clock.advance(60)
        scene.resume()
        scene.berthmaster.run(minutes=70)
        scene.expand()
        assert len(scene.added_subnets()) == 2


def test_to_list_a_subnet_that_exists_is_not_limited_by_expansions_of_the_day() -> None:
    with a_vpc_short_of_room(CapacityExpansionsPerDay="1") as scene:
        scene.need_room()
        added = scene.added_subnets()[0]["SubnetId"]
        network = scene.network.network_configuration()
        scene.workload.service("cart", network, 0, tags=MANAGED)
        scene.fill(leave=0)
        scene.berthmaster.run(minutes=31)
        scene.need_room()
        assert added in scene.service_subnets("cart")
        assert len(scene.added_subnets()) == 1


def test_a_block_that_a_quota_refused_is_used_when_the_quota_is_raised() -> None:
    with a_vpc_short_of_room() as scene:
        usual = scene.cloud.handlers["ec2:AssociateVpcCidrBlock"]

        def refuse(*_: Any) -> Any:
            raise AwsError("CidrLimitExceeded", "The VPC has as many blocks as it may have.")

        scene.cloud.handlers["ec2:AssociateVpcCidrBlock"] = refuse
        scene.need_room()
        assert "CidrLimitExceeded" in scene.events("Expansion Failed")[0]["note"]
        scene.cloud.handlers["ec2:AssociateVpcCidrBlock"] = usual
        scene.berthmaster.run(minutes=5)
        scene.need_room()
        assert scene.blocks() == ["10.0.0.0/24", "100.64.0.0/20"]
