"""capacity_expand, deployed from the template: from an event to what is, or is not, changed."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from simulator.errors import AwsError
from simulator.network import MANAGED
from simulator.task_events import api_call_failed
from tests.scenes import BUS, DEAD_LETTERS, EXPAND, Harbour, a_harbour, a_harbour_short_of_room

EVENTS = Path(__file__).parents[2] / "events"


def test_enforce_adds_a_block_and_a_wired_subnet_and_says_so() -> None:
    with a_harbour_short_of_room() as harbour:
        harbour.room_needed()
        harbour.berthmaster.drain()
        assert harbour.blocks() == ["10.0.0.0/24", "100.64.0.0/20"]
        (berth,) = harbour.berths()
        assert berth["AvailabilityZone"] == "eu-central-1a"
        assert berth["SubnetId"] in harbour.service_subnets("shop")
        ec2 = harbour.cloud.client("ec2")
        tables = ec2.describe_route_tables(Filters=[{"Name": "association.subnet-id", "Values": [berth["SubnetId"]]}])[
            "RouteTables"
        ]
        assert [table["RouteTableId"] for table in tables] == [harbour.network.route_tables["a"]]
        acls = ec2.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": [berth["SubnetId"]]}])
        assert [acl["NetworkAclId"] for acl in acls["NetworkAcls"]] == [harbour.network.acl_id]
        assert len(harbour.events("Expansion Completed")) == 1
        assert "was expanded" in harbour.berthmaster.published[-1].subject


def test_every_new_subnet_is_proved_with_an_interface_that_is_gone_again() -> None:
    with a_harbour_short_of_room() as harbour:
        harbour.room_needed()
        harbour.berthmaster.drain()
        writes = harbour.writes()
        assert writes.count("CreateNetworkInterface") == writes.count("DeleteNetworkInterface") == 1


@pytest.mark.parametrize("mode", ["observe", "approve"])
def test_without_leave_nothing_is_changed_and_people_are_told_once(mode: str) -> None:
    with a_harbour_short_of_room(mode=mode) as harbour:
        for _ in range(3):
            harbour.room_needed()
            harbour.berthmaster.drain()
            harbour.berthmaster.run(minutes=5)
        assert harbour.writes() == []
        assert len(harbour.berthmaster.published) == 1
        assert "100.64.0.0/20" in harbour.berthmaster.published[0].message


def test_what_is_not_tagged_is_left_alone() -> None:
    with a_harbour_short_of_room(managed=False) as harbour:
        harbour.room_needed()
        harbour.tell("Expand Requested", vpc=harbour.vpc_id)
        assert harbour.writes() == []
        assert harbour.berthmaster.published == []


def test_an_event_about_a_vpc_with_room_changes_nothing() -> None:
    with a_harbour() as harbour:
        harbour.room_needed()
        harbour.berthmaster.drain()
        assert harbour.writes() == []


# Approval


def approve(harbour: Harbour, **more: Any) -> None:
    harbour.tell("Plan Approved", expansion=harbour.expansion(), by="mate", **more)


def proposed(harbour: Harbour) -> str:
    harbour.room_needed()
    harbour.berthmaster.drain()
    return harbour.expansion()


def test_an_approved_plan_is_carried_out_as_it_was_proposed() -> None:
    with a_harbour_short_of_room(mode="approve") as harbour:
        proposal = proposed(harbour)
        fingerprint = harbour.events("Expansion Proposed")[0]["fingerprint"]
        approve(harbour, fingerprint=fingerprint)
        done = harbour.events("Expansion Completed")
        assert [one["expansion"] for one in done] == [proposal]
        assert (done[0]["fingerprint"], done[0]["by"]) == (fingerprint, "mate")
        assert len(harbour.berths()) == 1


def test_the_notification_holds_the_command_that_approves_it() -> None:
    with a_harbour_short_of_room(mode="approve") as harbour:
        proposed(harbour)
        message = harbour.berthmaster.published[0].message
        command = next(line for line in message.splitlines() if "Plan Approved" in line)
        entries = json.loads(command[command.index("'") + 1 : command.rindex("'")])
        harbour.cloud.client("events").put_events(Entries=entries)
        harbour.berthmaster.drain()
        assert len(harbour.berths()) == 1


def test_approving_twice_expands_once() -> None:
    with a_harbour_short_of_room(mode="approve") as harbour:
        proposal = proposed(harbour)
        approve(harbour)
        harbour.tell("Plan Approved", expansion=proposal)
        assert len(harbour.berths()) == 1
        assert len(harbour.blocks()) == 2


def test_a_plan_that_no_longer_fits_is_proposed_anew_and_not_carried_out() -> None:
    with a_harbour_short_of_room(mode="approve") as harbour:
        old = proposed(harbour)
        harbour.cloud.client("ec2").associate_vpc_cidr_block(VpcId=harbour.vpc_id, CidrBlock="100.64.0.0/16")
        harbour.berthmaster.run(minutes=1)
        harbour.tell("Plan Approved", expansion=old)
        assert harbour.berths() == []
        assert harbour.expansion() != old
        assert "changed" in harbour.events("Decision Turned Down")[0]["reason"]


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        (lambda harbour: harbour.tell("Plan Rejected", expansion=harbour.expansion()), "rejected"),
        (lambda harbour: harbour.berthmaster.run(minutes=7 * 1440), "expired"),
    ],
)
def test_a_rejected_or_expired_plan_cannot_be_approved(before: Any, reason: str) -> None:
    with a_harbour_short_of_room(mode="approve") as harbour:
        proposed(harbour)
        before(harbour)
        approve(harbour)
        assert harbour.writes() == []
        assert reason in harbour.events("Decision Turned Down")[0]["reason"]


def test_a_fingerprint_of_another_plan_approves_nothing() -> None:
    with a_harbour_short_of_room(mode="approve") as harbour:
        proposed(harbour)
        approve(harbour, fingerprint="0123456789ab")
        assert harbour.writes() == []


def test_a_rejected_plan_is_not_proposed_again() -> None:
    with a_harbour_short_of_room(mode="approve") as harbour:
        harbour.tell("Plan Rejected", expansion=proposed(harbour))
        harbour.room_needed()
        harbour.berthmaster.drain()
        assert len(harbour.events("Expansion Proposed")) == 1


# Caps, obstacles, refusals


def test_a_storm_of_events_about_one_vpc_leads_to_one_expansion() -> None:
    with a_harbour_short_of_room() as harbour:
        for _ in range(500):
            harbour.room_needed()
            event = api_call_failed(harbour.cloud, subnet_id=harbour.subnets[0])
            harbour.berthmaster.put_event(event)
        harbour.berthmaster.drain()
        assert len(harbour.blocks()) == 2
        assert len(harbour.berths()) == 1
        assert len(harbour.berthmaster.published) == 1
        assert harbour.berthmaster.dead_letters(DEAD_LETTERS) == []


def test_a_run_of_expansions_is_capped() -> None:
    with a_harbour(CapacityExpansionsPerDay="2") as harbour:
        for which in (0, 1, 2):
            harbour.tell("Expand Requested", vpc=harbour.vpc_id, subnet=harbour.subnets[which], addresses=50)
        assert len(harbour.berths()) == 2
        assert "the most allowed" in harbour.events("Expansion Reported")[0]["note"]


def test_when_nothing_is_possible_people_learn_which_rule_stands_in_the_way() -> None:
    with a_harbour_short_of_room() as harbour:
        harbour.cloud.quotas.apply("L-83CA0A9D", 1)
        harbour.room_needed()
        harbour.berthmaster.drain()
        assert harbour.writes() == []
        message = harbour.berthmaster.published[0].message
        assert "quota" in message
        assert "L-83CA0A9D" in message


def test_a_block_whose_association_fails_is_not_tried_again() -> None:
    with a_harbour_short_of_room() as harbour:
        harbour.cloud.faults.fail_next_association()
        harbour.room_needed()
        harbour.berthmaster.drain()
        assert "could not be associated" in harbour.events("Expansion Failed")[0]["note"]
        harbour.berthmaster.run(minutes=5)
        harbour.room_needed()
        harbour.berthmaster.drain()
        assert harbour.blocks() == ["10.0.0.0/24", "100.64.16.0/20"]


def test_free_space_inside_the_vpc_is_used_without_a_new_block() -> None:
    with a_harbour_short_of_room() as harbour:
        ec2 = harbour.cloud.client("ec2")
        ec2.associate_vpc_cidr_block(VpcId=harbour.vpc_id, CidrBlock="100.70.0.0/16")
        harbour.berthmaster.run(minutes=1)
        harbour.room_needed()
        harbour.berthmaster.drain()
        assert harbour.blocks() == ["10.0.0.0/24", "100.70.0.0/16"]
        assert len(harbour.berths()) == 1


def test_a_second_shortage_beside_a_berth_with_room_only_wires() -> None:
    with a_harbour_short_of_room() as harbour:
        harbour.room_needed()
        harbour.berthmaster.drain()
        harbour.workload.service("late", harbour.network.network_configuration(harbour.subnets[0]), 0, tags=MANAGED)
        harbour.berthmaster.run(minutes=5)
        harbour.room_needed()
        harbour.berthmaster.drain()
        (berth,) = harbour.berths()
        assert berth["SubnetId"] in harbour.service_subnets("late")


# Workloads


def test_a_service_that_is_not_tagged_is_named_and_left_alone() -> None:
    with a_harbour_short_of_room() as harbour:
        harbour.workload.service("theirs", harbour.network.network_configuration(), 3)
        harbour.berthmaster.run(minutes=5)
        harbour.room_needed()
        harbour.berthmaster.drain()
        assert harbour.service_subnets("theirs") == harbour.subnets
        assert any("theirs" in warning for warning in harbour.events("Expansion Completed")[0]["warnings"])


def test_services_deploy_one_after_the_other() -> None:
    with a_harbour() as harbour:
        for name in ("shop", "cart", "till"):
            harbour.workload.service(name, harbour.network.network_configuration(), 3, tags=MANAGED)
        harbour.berthmaster.run(minutes=5)
        harbour.fill(leave=3)
        harbour.room_needed()
        harbour.berthmaster.drain()
        updates = [call.at for call in harbour.cloud.calls.of(EXPAND).named("ecs:UpdateService")]
        assert len(updates) == 3
        assert all(later - earlier >= 60 for earlier, later in itertools.pairwise(updates))


def test_a_deployment_that_does_not_end_is_waited_for_and_then_left_to_a_person() -> None:
    with a_harbour_short_of_room() as harbour:
        harbour.workload.service("stuck", harbour.network.network_configuration(harbour.subnets[0]), 9, tags=MANAGED)
        harbour.berthmaster.run(minutes=5)
        harbour.room_needed()
        harbour.berthmaster.drain()
        (berth,) = harbour.berths()
        assert berth["SubnetId"] in harbour.service_subnets("shop")
        assert harbour.service_subnets("stuck") == [harbour.subnets[0]]
        message = harbour.berthmaster.published[-1].message
        assert f"stuck: its deployment does not end; add {berth['SubnetId']} to its subnets yourself" in message


def a_rule_and_a_schedule(harbour: Harbour) -> None:
    """Both run tasks in the first subnet, with the role `runner`."""
    network = {"awsvpcConfiguration": {"Subnets": [harbour.subnets[0]], "AssignPublicIp": "DISABLED"}}
    target = {
        "Arn": f"arn:aws:ecs:eu-central-1:123456789012:cluster/{harbour.workload.cluster}",
        "RoleArn": "arn:aws:iam::123456789012:role/runner",
        "EcsParameters": {
            "TaskDefinitionArn": "arn:aws:ecs:eu-central-1:123456789012:task-definition/nightly:1",
            "NetworkConfiguration": network,
        },
    }
    events, scheduler = harbour.cloud.client("events"), harbour.cloud.client("scheduler")
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


def subnets_of_callers(harbour: Harbour) -> list[list[str]]:
    """What the rule and the schedule list now."""
    rule = harbour.cloud.client("events").list_targets_by_rule(Rule="nightly")["Targets"][0]
    schedule = harbour.cloud.client("scheduler").get_schedule(Name="hourly", GroupName="ours")["Target"]
    return [one["EcsParameters"]["NetworkConfiguration"]["awsvpcConfiguration"]["Subnets"] for one in (rule, schedule)]


def test_rules_and_schedules_that_run_tasks_in_the_subnet_are_wired_too() -> None:
    with a_harbour_short_of_room(CapacityCallerRoles="run*") as harbour:
        a_rule_and_a_schedule(harbour)
        harbour.room_needed()
        harbour.berthmaster.drain()
        (berth,) = harbour.berths()
        assert subnets_of_callers(harbour) == [[harbour.subnets[0], berth["SubnetId"]]] * 2
        schedule = harbour.cloud.client("scheduler").get_schedule(Name="hourly", GroupName="ours")
        assert schedule["Description"] == "kept as it is"


@pytest.mark.parametrize("roles", ["", "ecsEvents*"])
def test_rules_and_schedules_whose_role_is_not_named_are_left_to_a_person(roles: str) -> None:
    with a_harbour_short_of_room(CapacityCallerRoles=roles) as harbour:
        a_rule_and_a_schedule(harbour)
        harbour.room_needed()
        harbour.berthmaster.drain()
        assert len(harbour.berths()) == 1
        assert subnets_of_callers(harbour) == [[harbour.subnets[0]]] * 2
        assert not {"PutTargets", "UpdateSchedule"} & set(harbour.writes())
        message = harbour.berthmaster.published[-1].message
        for caller in ("rule nightly", "schedule hourly"):
            assert f"{caller} runs in a subnet that is short, but CapacityCallerRoles does not name its role" in message


def test_an_expansion_that_a_rule_of_an_unnamed_role_lists_is_not_undone() -> None:
    with a_harbour() as harbour:
        expansion = expanded(harbour)
        (berth,) = harbour.berths()
        a_rule_and_a_schedule(harbour)
        events = harbour.cloud.client("events")
        target = events.list_targets_by_rule(Rule="nightly")["Targets"][0]
        target["EcsParameters"]["NetworkConfiguration"]["awsvpcConfiguration"]["Subnets"].append(berth["SubnetId"])
        events.put_targets(Rule="nightly", Targets=[target])
        harbour.tell("Expansion Retired", expansion=expansion)
        assert harbour.berths() == [berth]
        assert "rule nightly lists" in harbour.events("Retirement Refused")[0]["reason"]


# Undo


def expanded(harbour: Harbour) -> str:
    harbour.tell("Expand Requested", vpc=harbour.vpc_id, subnet=harbour.subnets[0], addresses=50)
    assert len(harbour.berths()) == 1
    return harbour.expansion()


def test_an_expansion_nobody_uses_is_undone_without_a_trace() -> None:
    with a_harbour() as harbour:
        harbour.tell("Expansion Retired", expansion=expanded(harbour))
        harbour.berthmaster.run(minutes=1)
        assert harbour.berths() == []
        assert harbour.blocks() == ["10.0.0.0/24"]
        assert len(harbour.events("Expansion Undone")) == 1


def test_an_expansion_with_an_interface_in_it_is_not_undone() -> None:
    with a_harbour() as harbour:
        expansion = expanded(harbour)
        (berth,) = harbour.berths()
        harbour.cloud.client("ec2").create_network_interface(SubnetId=berth["SubnetId"])
        harbour.tell("Expansion Retired", expansion=expansion)
        assert len(harbour.berths()) == 1
        assert "1 interfaces" in harbour.events("Retirement Refused")[0]["reason"]


def test_a_service_stops_listing_a_subnet_before_it_is_taken_away() -> None:
    with a_harbour() as harbour:
        harbour.workload.service("idle", harbour.network.network_configuration(), 0, tags=MANAGED)
        harbour.tell("Expansion Retired", expansion=expanded(harbour))
        harbour.berthmaster.run(minutes=5)
        assert harbour.service_subnets("idle") == harbour.subnets
        assert harbour.berths() == []


def test_a_service_that_runs_nothing_but_tasks_in_the_expansion_keeps_it() -> None:
    with a_harbour() as harbour:
        expansion = expanded(harbour)
        (berth,) = harbour.berths()
        only = harbour.network.network_configuration(berth["SubnetId"])
        harbour.workload.service("only", only, 0, tags=MANAGED)
        harbour.tell("Expansion Retired", expansion=expansion)
        assert len(harbour.berths()) == 1
        assert "only" in harbour.events("Retirement Refused")[0]["reason"]


def test_a_busy_service_leaves_a_subnet_by_a_deployment_before_the_subnet_goes() -> None:
    with a_harbour() as harbour:
        harbour.workload.service("shop", harbour.network.network_configuration(), 3, tags=MANAGED)
        harbour.berthmaster.run(minutes=5)
        expansion = expanded(harbour)
        gone = [call for call in harbour.cloud.calls if call.operation == "DeleteSubnet"]
        harbour.tell("Expansion Retired", expansion=expansion)
        assert gone == []
        assert set(harbour.subnets) <= set(harbour.service_subnets("shop"))


def test_an_expansion_under_way_is_abandoned_at_an_operators_word() -> None:
    with a_harbour_short_of_room() as harbour:
        harbour.room_needed()
        harbour.berthmaster.run(minutes=1)
        (running,) = harbour.berths()
        tags = {tag["Key"]: tag["Value"] for tag in running["Tags"]}
        harbour.tell("Plan Rejected", expansion=tags["berthmaster:expansion"], by="mate")
        assert "abandoned by mate" in harbour.events("Expansion Failed")[0]["note"]


def test_what_was_not_proved_is_nobodys_to_use() -> None:
    with a_harbour_short_of_room() as harbour:
        harbour.cloud.answers["ec2:ReplaceNetworkAclAssociation"] = refused_acl
        harbour.room_needed()
        harbour.berthmaster.drain()
        (stray,) = harbour.berths()
        assert "berthmaster:sibling" not in {tag["Key"] for tag in stray["Tags"]}
        assert stray["SubnetId"] not in harbour.service_subnets("shop")
        assert len(harbour.events("Expansion Failed")) == 1


def refused_acl(_: Any, __: Any) -> None:
    raise AwsError("InvalidNetworkAclID.NotFound", "The network ACL does not exist.")


# Causes, and events that are wrong


def test_full_attachment_slots_are_named_and_no_block_is_added() -> None:
    with a_harbour_short_of_room() as harbour:
        (record,) = json.loads((EVENTS / "capacity_expand_placement_failure.json").read_text())["Records"]
        harbour.berthmaster.put_event(json.loads(record["body"]))
        harbour.berthmaster.drain()
        assert harbour.writes() == []
        assert [one["cause"] for one in harbour.events("Cause Named")] == ["eni_slots"]


def test_an_event_that_is_wrong_changes_nothing_and_ends_in_the_dead_letter_queue() -> None:
    with a_harbour_short_of_room() as harbour:
        harbour.put("berthmaster.operator", "Expand Requested", bus=BUS, vpc="vpc-nonsense")
        harbour.berthmaster.drain()
        assert harbour.writes() == []
        (letter,) = harbour.berthmaster.dead_letters(DEAD_LETTERS)
        assert letter["detail"] == {"vpc": "vpc-nonsense"}
        assert "detail.vpc" in harbour.berthmaster.logs.text(EXPAND)


def test_one_wrong_event_does_not_keep_its_batch_from_being_done() -> None:
    with a_harbour_short_of_room() as harbour:
        harbour.put("berthmaster.operator", "Expand Requested", bus=BUS, vpc=17)
        harbour.room_needed()
        harbour.berthmaster.drain()
        assert len(harbour.berths()) == 1
        assert len(harbour.berthmaster.dead_letters(DEAD_LETTERS)) == 1


def test_an_operators_word_waits_while_the_vpc_is_worked_on() -> None:
    with a_harbour(mode="approve") as harbour:
        harbour.somebody_works_on_it(seconds=200)
        harbour.tell("Expand Requested", vpc=harbour.vpc_id, subnet=harbour.subnets[0], addresses=50)
        assert len(harbour.events("Expansion Proposed")) == 1


@pytest.mark.parametrize("path", sorted(EVENTS.glob("capacity_expand_*.json")), ids=lambda path: path.stem)
def test_every_sample_event_is_handled_and_only_a_word_on_an_unknown_expansion_is_refused(path: Path) -> None:
    with a_harbour() as harbour:
        invocation = harbour.berthmaster.invoke(EXPAND, json.loads(path.read_text()))
        assert invocation.error is None
        unknown = path.stem.endswith(("plan_approved", "plan_rejected", "expansion_retired"))
        assert len(invocation.result["batchItemFailures"]) == (1 if unknown else 0)
        assert harbour.writes() == []
