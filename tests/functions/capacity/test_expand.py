"""capacity_expand, deployed from the template: from an event to what is, or is not, changed."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from simulator.aws.ecs.task_events import api_call_failed
from simulator.errors import AwsError
from simulator.workload.network import MANAGED
from tests.support.capacity.scene import BUS, DEAD_LETTERS, EXPAND, CapacityScene, a_managed_vpc, a_vpc_short_of_room

EVENTS = Path(__file__).parents[3] / "events"


def test_enforce_adds_a_block_and_a_wired_subnet_and_says_so() -> None:
    with a_vpc_short_of_room() as scene:
        scene.room_needed()
        scene.berthmaster.drain()
        assert scene.blocks() == ["10.0.0.0/24", "100.64.0.0/20"]
        (berth,) = scene.berths()
        assert berth["AvailabilityZone"] == "eu-central-1a"
        assert berth["SubnetId"] in scene.service_subnets("shop")
        ec2 = scene.cloud.client("ec2")
        tables = ec2.describe_route_tables(Filters=[{"Name": "association.subnet-id", "Values": [berth["SubnetId"]]}])[
            "RouteTables"
        ]
        assert [table["RouteTableId"] for table in tables] == [scene.network.route_tables["a"]]
        acls = ec2.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": [berth["SubnetId"]]}])
        assert [acl["NetworkAclId"] for acl in acls["NetworkAcls"]] == [scene.network.acl_id]
        assert len(scene.events("Expansion Completed")) == 1
        assert "was expanded" in scene.berthmaster.published[-1].subject


def test_every_new_subnet_is_proved_with_an_interface_that_is_gone_again() -> None:
    with a_vpc_short_of_room() as scene:
        scene.room_needed()
        scene.berthmaster.drain()
        writes = scene.writes()
        assert writes.count("CreateNetworkInterface") == writes.count("DeleteNetworkInterface") == 1


@pytest.mark.parametrize("mode", ["observe", "approve"])
def test_without_leave_nothing_is_changed_and_people_are_told_once(mode: str) -> None:
    with a_vpc_short_of_room(mode=mode) as scene:
        for _ in range(3):
            scene.room_needed()
            scene.berthmaster.drain()
            scene.berthmaster.run(minutes=5)
        assert scene.writes() == []
        assert len(scene.berthmaster.published) == 1
        assert "100.64.0.0/20" in scene.berthmaster.published[0].message


def test_what_is_not_tagged_is_left_alone() -> None:
    with a_vpc_short_of_room(managed=False) as scene:
        scene.room_needed()
        scene.tell("Expand Requested", vpc=scene.vpc_id)
        assert scene.writes() == []
        assert scene.berthmaster.published == []


def test_an_event_about_a_vpc_with_room_changes_nothing() -> None:
    with a_managed_vpc() as scene:
        scene.room_needed()
        scene.berthmaster.drain()
        assert scene.writes() == []


# Approval


def approve(scene: CapacityScene, **more: Any) -> None:
    scene.tell("Plan Approved", expansion=scene.expansion(), by="mate", **more)


def proposed(scene: CapacityScene) -> str:
    scene.room_needed()
    scene.berthmaster.drain()
    return scene.expansion()


def test_an_approved_plan_is_carried_out_as_it_was_proposed() -> None:
    with a_vpc_short_of_room(mode="approve") as scene:
        proposal = proposed(scene)
        fingerprint = scene.events("Expansion Proposed")[0]["fingerprint"]
        approve(scene, fingerprint=fingerprint)
        done = scene.events("Expansion Completed")
        assert [one["expansion"] for one in done] == [proposal]
        assert (done[0]["fingerprint"], done[0]["by"]) == (fingerprint, "mate")
        assert len(scene.berths()) == 1


def test_the_notification_holds_the_command_that_approves_it() -> None:
    with a_vpc_short_of_room(mode="approve") as scene:
        proposed(scene)
        message = scene.berthmaster.published[0].message
        command = next(line for line in message.splitlines() if "Plan Approved" in line)
        entries = json.loads(command[command.index("'") + 1 : command.rindex("'")])
        scene.cloud.client("events").put_events(Entries=entries)
        scene.berthmaster.drain()
        assert len(scene.berths()) == 1


def test_approving_twice_expands_once() -> None:
    with a_vpc_short_of_room(mode="approve") as scene:
        proposal = proposed(scene)
        approve(scene)
        scene.tell("Plan Approved", expansion=proposal)
        assert len(scene.berths()) == 1
        assert len(scene.blocks()) == 2


def test_a_plan_that_no_longer_fits_is_proposed_anew_and_not_carried_out() -> None:
    with a_vpc_short_of_room(mode="approve") as scene:
        old = proposed(scene)
        scene.cloud.client("ec2").associate_vpc_cidr_block(VpcId=scene.vpc_id, CidrBlock="100.64.0.0/16")
        scene.berthmaster.run(minutes=1)
        scene.tell("Plan Approved", expansion=old)
        assert scene.berths() == []
        assert scene.expansion() != old
        assert "changed" in scene.events("Decision Turned Down")[0]["reason"]


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        (lambda scene: scene.tell("Plan Rejected", expansion=scene.expansion()), "rejected"),
        (lambda scene: scene.berthmaster.run(minutes=7 * 1440), "expired"),
    ],
)
def test_a_rejected_or_expired_plan_cannot_be_approved(before: Any, reason: str) -> None:
    with a_vpc_short_of_room(mode="approve") as scene:
        proposed(scene)
        before(scene)
        approve(scene)
        assert scene.writes() == []
        assert reason in scene.events("Decision Turned Down")[0]["reason"]


def test_a_fingerprint_of_another_plan_approves_nothing() -> None:
    with a_vpc_short_of_room(mode="approve") as scene:
        proposed(scene)
        approve(scene, fingerprint="0123456789ab")
        assert scene.writes() == []


def test_a_rejected_plan_is_not_proposed_again() -> None:
    with a_vpc_short_of_room(mode="approve") as scene:
        scene.tell("Plan Rejected", expansion=proposed(scene))
        scene.room_needed()
        scene.berthmaster.drain()
        assert len(scene.events("Expansion Proposed")) == 1


# Caps, obstacles, refusals


def test_a_storm_of_events_about_one_vpc_leads_to_one_expansion() -> None:
    with a_vpc_short_of_room() as scene:
        for _ in range(500):
            scene.room_needed()
            event = api_call_failed(scene.cloud, subnet_id=scene.subnets[0])
            scene.berthmaster.put_event(event)
        scene.berthmaster.drain()
        assert len(scene.blocks()) == 2
        assert len(scene.berths()) == 1
        assert len(scene.berthmaster.published) == 1
        assert scene.berthmaster.dead_letters(DEAD_LETTERS) == []


def test_a_run_of_expansions_is_capped() -> None:
    with a_managed_vpc(CapacityExpansionsPerDay="2") as scene:
        for which in (0, 1, 2):
            scene.tell("Expand Requested", vpc=scene.vpc_id, subnet=scene.subnets[which], addresses=50)
        assert len(scene.berths()) == 2
        assert "the most allowed" in scene.events("Expansion Reported")[0]["note"]


def test_when_nothing_is_possible_people_learn_which_rule_stands_in_the_way() -> None:
    with a_vpc_short_of_room() as scene:
        scene.cloud.quotas.apply("L-83CA0A9D", 1)
        scene.room_needed()
        scene.berthmaster.drain()
        assert scene.writes() == []
        message = scene.berthmaster.published[0].message
        assert "quota" in message
        assert "L-83CA0A9D" in message


def test_a_block_whose_association_fails_is_not_tried_again() -> None:
    with a_vpc_short_of_room() as scene:
        scene.cloud.faults.fail_next_association()
        scene.room_needed()
        scene.berthmaster.drain()
        assert "could not be associated" in scene.events("Expansion Failed")[0]["note"]
        scene.berthmaster.run(minutes=5)
        scene.room_needed()
        scene.berthmaster.drain()
        assert scene.blocks() == ["10.0.0.0/24", "100.64.16.0/20"]


def test_free_space_inside_the_vpc_is_used_without_a_new_block() -> None:
    with a_vpc_short_of_room() as scene:
        ec2 = scene.cloud.client("ec2")
        ec2.associate_vpc_cidr_block(VpcId=scene.vpc_id, CidrBlock="100.70.0.0/16")
        scene.berthmaster.run(minutes=1)
        scene.room_needed()
        scene.berthmaster.drain()
        assert scene.blocks() == ["10.0.0.0/24", "100.70.0.0/16"]
        assert len(scene.berths()) == 1


def test_a_second_shortage_beside_a_berth_with_room_only_wires() -> None:
    with a_vpc_short_of_room() as scene:
        scene.room_needed()
        scene.berthmaster.drain()
        scene.workload.service("late", scene.network.network_configuration(scene.subnets[0]), 0, tags=MANAGED)
        scene.berthmaster.run(minutes=5)
        scene.room_needed()
        scene.berthmaster.drain()
        (berth,) = scene.berths()
        assert berth["SubnetId"] in scene.service_subnets("late")


# Workloads


def test_a_service_that_is_not_tagged_is_named_and_left_alone() -> None:
    with a_vpc_short_of_room() as scene:
        scene.workload.service("theirs", scene.network.network_configuration(), 3)
        scene.berthmaster.run(minutes=5)
        scene.room_needed()
        scene.berthmaster.drain()
        assert scene.service_subnets("theirs") == scene.subnets
        assert any("theirs" in warning for warning in scene.events("Expansion Completed")[0]["warnings"])


def test_services_deploy_one_after_the_other() -> None:
    with a_managed_vpc() as scene:
        for name in ("shop", "cart", "till"):
            scene.workload.service(name, scene.network.network_configuration(), 3, tags=MANAGED)
        scene.berthmaster.run(minutes=5)
        scene.fill(leave=3)
        scene.room_needed()
        scene.berthmaster.drain()
        updates = [call.at for call in scene.cloud.calls.of(EXPAND).named("ecs:UpdateService")]
        assert len(updates) == 3
        assert all(later - earlier >= 60 for earlier, later in itertools.pairwise(updates))


def test_a_deployment_that_does_not_end_is_waited_for_and_then_left_to_a_person() -> None:
    with a_vpc_short_of_room() as scene:
        scene.workload.service("stuck", scene.network.network_configuration(scene.subnets[0]), 9, tags=MANAGED)
        scene.berthmaster.run(minutes=5)
        scene.room_needed()
        scene.berthmaster.drain()
        (berth,) = scene.berths()
        assert berth["SubnetId"] in scene.service_subnets("shop")
        assert scene.service_subnets("stuck") == [scene.subnets[0]]
        message = scene.berthmaster.published[-1].message
        assert f"stuck: its deployment does not end; add {berth['SubnetId']} to its subnets yourself" in message


def a_rule_and_a_schedule(scene: CapacityScene) -> None:
    """Both run tasks in the first subnet, with the role `runner`."""
    network = {"awsvpcConfiguration": {"Subnets": [scene.subnets[0]], "AssignPublicIp": "DISABLED"}}
    target = {
        "Arn": f"arn:aws:ecs:eu-central-1:123456789012:cluster/{scene.workload.cluster}",
        "RoleArn": "arn:aws:iam::123456789012:role/runner",
        "EcsParameters": {
            "TaskDefinitionArn": "arn:aws:ecs:eu-central-1:123456789012:task-definition/nightly:1",
            "NetworkConfiguration": network,
        },
    }
    events, scheduler = scene.cloud.client("events"), scene.cloud.client("scheduler")
    tags = [{"Key": key, "Value": value} for key, value in MANAGED.items()]
    events.put_rule(Name="nightly", ScheduleExpression="rate(1 day)", Tags=tags)
    events.put_targets(Rule="nightly", Targets=[{"Id": "1", **target}])
    scheduler.create_schedule_group(Name="ours", Tags=tags)
    scheduler.create_schedule(
        Name="hourly",
        GroupName="ours",
        ScheduleExpression="rate(1 hour)",
        Description="kept as it is",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target=target,
    )


def subnets_of_callers(scene: CapacityScene) -> list[list[str]]:
    """What the rule and the schedule list now."""
    rule = scene.cloud.client("events").list_targets_by_rule(Rule="nightly")["Targets"][0]
    schedule = scene.cloud.client("scheduler").get_schedule(Name="hourly", GroupName="ours")["Target"]
    return [one["EcsParameters"]["NetworkConfiguration"]["awsvpcConfiguration"]["Subnets"] for one in (rule, schedule)]


def test_rules_and_schedules_that_run_tasks_in_the_subnet_are_wired_too() -> None:
    with a_vpc_short_of_room(CapacityCallerRoles="run*") as scene:
        a_rule_and_a_schedule(scene)
        scene.room_needed()
        scene.berthmaster.drain()
        (berth,) = scene.berths()
        assert subnets_of_callers(scene) == [[scene.subnets[0], berth["SubnetId"]]] * 2
        schedule = scene.cloud.client("scheduler").get_schedule(Name="hourly", GroupName="ours")
        assert schedule["Description"] == "kept as it is"


@pytest.mark.parametrize("roles", ["", "ecsEvents*"])
def test_rules_and_schedules_whose_role_is_not_named_are_left_to_a_person(roles: str) -> None:
    with a_vpc_short_of_room(CapacityCallerRoles=roles) as scene:
        a_rule_and_a_schedule(scene)
        scene.room_needed()
        scene.berthmaster.drain()
        assert len(scene.berths()) == 1
        assert subnets_of_callers(scene) == [[scene.subnets[0]]] * 2
        assert not {"PutTargets", "UpdateSchedule"} & set(scene.writes())
        message = scene.berthmaster.published[-1].message
        for caller in ("rule nightly", "schedule hourly"):
            assert f"{caller} runs in a subnet that is short, but CapacityCallerRoles does not name its role" in message


def test_an_expansion_that_a_rule_of_an_unnamed_role_lists_is_not_undone() -> None:
    with a_managed_vpc() as scene:
        expansion = expanded(scene)
        (berth,) = scene.berths()
        a_rule_and_a_schedule(scene)
        events = scene.cloud.client("events")
        target = events.list_targets_by_rule(Rule="nightly")["Targets"][0]
        target["EcsParameters"]["NetworkConfiguration"]["awsvpcConfiguration"]["Subnets"].append(berth["SubnetId"])
        events.put_targets(Rule="nightly", Targets=[target])
        scene.tell("Expansion Retired", expansion=expansion)
        assert scene.berths() == [berth]
        assert "rule nightly lists" in scene.events("Retirement Refused")[0]["reason"]


# Undo


def expanded(scene: CapacityScene) -> str:
    scene.tell("Expand Requested", vpc=scene.vpc_id, subnet=scene.subnets[0], addresses=50)
    assert len(scene.berths()) == 1
    return scene.expansion()


def test_an_expansion_nobody_uses_is_undone_without_a_trace() -> None:
    with a_managed_vpc() as scene:
        scene.tell("Expansion Retired", expansion=expanded(scene))
        scene.berthmaster.run(minutes=1)
        assert scene.berths() == []
        assert scene.blocks() == ["10.0.0.0/24"]
        assert len(scene.events("Expansion Undone")) == 1


def test_an_expansion_with_an_interface_in_it_is_not_undone() -> None:
    with a_managed_vpc() as scene:
        expansion = expanded(scene)
        (berth,) = scene.berths()
        scene.cloud.client("ec2").create_network_interface(SubnetId=berth["SubnetId"])
        scene.tell("Expansion Retired", expansion=expansion)
        assert len(scene.berths()) == 1
        assert "1 interfaces" in scene.events("Retirement Refused")[0]["reason"]


def test_a_service_stops_listing_a_subnet_before_it_is_taken_away() -> None:
    with a_managed_vpc() as scene:
        scene.workload.service("idle", scene.network.network_configuration(), 0, tags=MANAGED)
        scene.tell("Expansion Retired", expansion=expanded(scene))
        scene.berthmaster.run(minutes=5)
        assert scene.service_subnets("idle") == scene.subnets
        assert scene.berths() == []


def test_a_service_that_runs_nothing_but_tasks_in_the_expansion_keeps_it() -> None:
    with a_managed_vpc() as scene:
        expansion = expanded(scene)
        (berth,) = scene.berths()
        only = scene.network.network_configuration(berth["SubnetId"])
        scene.workload.service("only", only, 0, tags=MANAGED)
        scene.tell("Expansion Retired", expansion=expansion)
        assert len(scene.berths()) == 1
        assert "only" in scene.events("Retirement Refused")[0]["reason"]


def test_a_busy_service_leaves_a_subnet_by_a_deployment_before_the_subnet_goes() -> None:
    with a_managed_vpc() as scene:
        scene.workload.service("shop", scene.network.network_configuration(), 3, tags=MANAGED)
        scene.berthmaster.run(minutes=5)
        expansion = expanded(scene)
        gone = [call for call in scene.cloud.calls if call.operation == "DeleteSubnet"]
        scene.tell("Expansion Retired", expansion=expansion)
        assert gone == []
        assert set(scene.subnets) <= set(scene.service_subnets("shop"))


def test_an_expansion_under_way_is_abandoned_at_an_operators_word() -> None:
    with a_vpc_short_of_room() as scene:
        scene.room_needed()
        scene.berthmaster.run(minutes=1)
        (running,) = scene.berths()
        tags = {tag["Key"]: tag["Value"] for tag in running["Tags"]}
        scene.tell("Plan Rejected", expansion=tags["berthmaster:expansion"], by="mate")
        assert "abandoned by mate" in scene.events("Expansion Failed")[0]["note"]


def test_what_was_not_proved_is_nobodys_to_use() -> None:
    with a_vpc_short_of_room() as scene:
        scene.cloud.answers["ec2:ReplaceNetworkAclAssociation"] = refused_acl
        scene.room_needed()
        scene.berthmaster.drain()
        (stray,) = scene.berths()
        assert "berthmaster:sibling" not in {tag["Key"] for tag in stray["Tags"]}
        assert stray["SubnetId"] not in scene.service_subnets("shop")
        assert len(scene.events("Expansion Failed")) == 1


def refused_acl(_: Any, __: Any) -> None:
    raise AwsError("InvalidNetworkAclID.NotFound", "The network ACL does not exist.")


# Causes, and events that are wrong


def test_full_attachment_slots_are_named_and_no_block_is_added() -> None:
    with a_vpc_short_of_room() as scene:
        (record,) = json.loads((EVENTS / "capacity_expand_placement_failure.json").read_text())["Records"]
        scene.berthmaster.put_event(json.loads(record["body"]))
        scene.berthmaster.drain()
        assert scene.writes() == []
        assert [one["cause"] for one in scene.events("Cause Named")] == ["eni_slots"]


def test_an_event_that_is_wrong_changes_nothing_and_ends_in_the_dead_letter_queue() -> None:
    with a_vpc_short_of_room() as scene:
        scene.put("berthmaster.operator", "Expand Requested", bus=BUS, vpc="vpc-nonsense")
        scene.berthmaster.drain()
        assert scene.writes() == []
        (letter,) = scene.berthmaster.dead_letters(DEAD_LETTERS)
        assert letter["detail"] == {"vpc": "vpc-nonsense"}
        assert "detail.vpc" in scene.berthmaster.logs.text(EXPAND)


def test_one_wrong_event_does_not_keep_its_batch_from_being_done() -> None:
    with a_vpc_short_of_room() as scene:
        scene.put("berthmaster.operator", "Expand Requested", bus=BUS, vpc=17)
        scene.room_needed()
        scene.berthmaster.drain()
        assert len(scene.berths()) == 1
        assert len(scene.berthmaster.dead_letters(DEAD_LETTERS)) == 1


def test_an_operators_word_waits_while_the_vpc_is_worked_on() -> None:
    with a_managed_vpc(mode="approve") as scene:
        scene.somebody_works_on_it(seconds=200)
        scene.tell("Expand Requested", vpc=scene.vpc_id, subnet=scene.subnets[0], addresses=50)
        assert len(scene.events("Expansion Proposed")) == 1


@pytest.mark.parametrize("path", sorted(EVENTS.glob("capacity_expand_*.json")), ids=lambda path: path.stem)
def test_every_sample_event_is_handled_and_only_a_word_on_an_unknown_expansion_is_refused(path: Path) -> None:
    with a_managed_vpc() as scene:
        invocation = scene.berthmaster.invoke(EXPAND, json.loads(path.read_text()))
        assert invocation.error is None
        unknown = path.stem.endswith(("plan_approved", "plan_rejected", "expansion_retired"))
        assert len(invocation.result["batchItemFailures"]) == (1 if unknown else 0)
        assert scene.writes() == []
