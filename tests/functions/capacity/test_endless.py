"""What never succeeds is given up in the end, and what cannot be read is not tried in each cycle."""

from typing import Any

from simulator.account import Account, Params
from simulator.errors import AwsError
from tests.support.capacity.callers import add_rule_and_schedule, subnets_of_rule_and_schedule
from tests.support.capacity.scene import a_vpc_short_of_room


def unavailable(_: Account, __: Params) -> Any:
    """What EventBridge answers when it could not change a target."""
    return {"FailedEntryCount": 1, "FailedEntries": [{"TargetId": "1", "ErrorCode": "InternalException"}]}


def denied(_: Account, __: Params) -> None:
    raise AwsError("AccessDeniedException", "no identity-based policy allows ecs:DescribeServices", 400)


def test_a_rule_that_cannot_be_changed_for_hours_is_left_to_a_person() -> None:
    with a_vpc_short_of_room(watched=True, CapacityCallerRoles="run*") as scene:
        add_rule_and_schedule(scene)
        scene.cloud.handlers["events:PutTargets"] = unavailable
        scene.room_needed()
        scene.berthmaster.run(minutes=15)
        (added,) = scene.added_subnets()
        assert added["SubnetId"] in subnets_of_rule_and_schedule(scene)[1]
        scene.berthmaster.run(minutes=5 * 60)
        (failed,) = scene.events("Expansion Failed")[:1]
        assert failed["left_out"] == ["EventBridge rule nightly (target 1)"]


def test_a_service_that_may_not_be_read_is_not_tried_again_in_each_cycle() -> None:
    with a_vpc_short_of_room(watched=True) as scene:
        scene.room_needed()
        while not scene.added_subnets():
            scene.berthmaster.run(minutes=1 / 60)
        scene.cloud.handlers["ecs:DescribeServices"] = denied
        scene.berthmaster.run(minutes=6 * 60)
        assert len(scene.events("Expansion Completed")) == 1
