"""targets_sync, deployed from the template: from an event about a task to where traffic goes, or no longer goes."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from berthmaster.errors import InvalidEvent
from berthmaster.targets.triggers import parse
from simulator.errors import AwsError
from simulator.faults import Outage
from simulator.task import Task
from tests.spoiled import spoiled
from tests.target_scenes import CLUSTER, DEAD_LETTERS, PORT, QUEUE, SHOP, SYNC, TAG, Quay, a_quay, tags_of

EVENTS = sorted((Path(__file__).parents[2] / "events").glob("targets_sync_*.json"))
SAMPLES = [json.loads(record["body"]) for path in EVENTS for record in json.loads(path.read_text())["Records"]]
SPOILED = [json.dumps(one) for sample in SAMPLES for one in spoiled(sample)]
BATCH = tags_of(family="batch")


def registrations(quay: Quay) -> Counter[tuple[str, str]]:
    """How often each address was asked to be registered, by destination."""
    found: Counter[tuple[str, str]] = Counter()
    for call in quay.writes():
        if call.operation == "RegisterTargets":
            found.update((call.params["TargetGroupArn"], one["Id"]) for one in call.params["Targets"])
        elif call.operation == "RegisterInstance":
            found.update([(call.params["ServiceId"], call.params["Attributes"]["AWS_INSTANCE_IPV4"])])
    return found


def addresses(tasks: list[Task]) -> set[str]:
    return {task.address for task in tasks}


# Arrivals


def test_a_task_is_registered_within_two_seconds_of_running() -> None:
    with a_quay() as quay:
        quay.fleet.service("shop", quay.first_subnet(), 1)
        quay.wait(5)
        (task,) = quay.fleet.tasks
        quay.until_status(task, "RUNNING")
        quay.wait(2)
        assert quay.targets() == {task.address}


def test_a_task_is_registered_wherever_it_is_wanted_and_once() -> None:
    with a_quay() as quay:
        tcp = quay.target_group("shop-tcp", SHOP, protocol="TCP", balancer=quay.network_load_balancer())
        plain, records = quay.cloud_map("shop", SHOP), quay.cloud_map("shop-dns", SHOP, ttl=10)
        expected = addresses(quay.serve(3))
        assert len(expected) == 3
        assert quay.targets(quay.shop) == quay.targets(tcp) == expected
        assert quay.instances(plain) == quay.instances(records) == expected
        times = registrations(quay)
        assert len(times) == 4 * 3
        assert set(times.values()) == {1}
        assert quay.letters() == []


def test_a_task_of_no_service_is_registered_by_its_family() -> None:
    with a_quay() as quay:
        group = quay.target_group("batch", BATCH)
        task = quay.run_task("batch")
        quay.run_task("other")
        assert quay.targets(group) == {task.address}
        assert quay.targets(quay.shop) == set()


def test_a_destination_may_choose_its_port_by_number() -> None:
    with a_quay(shop=tags_of(service="shop", port="9901")) as quay:
        (task,) = quay.serve(1)
        assert quay.cloud.targets.routable(quay.shop) == {(task.address, 9901)}


def test_an_address_outside_of_the_target_groups_vpc_is_registered_in_all_zones() -> None:
    with a_quay() as quay:
        group = quay.target_group("away", SHOP, vpc_id=quay.other_vpc())
        (task,) = quay.serve(1)
        assert quay.targets(group) == {task.address}
        zones = {
            call.params["TargetGroupArn"]: call.params["Targets"][0].get("AvailabilityZone")
            for call in quay.writes()
            if call.operation == "RegisterTargets"
        }
        assert zones == {group: "all", quay.shop: None}


@pytest.mark.parametrize("waits", ["true", "false"])
def test_a_containers_health_check_is_waited_for_unless_told_otherwise(waits: str) -> None:
    with a_quay(TargetsWaitForHealth=waits) as quay:
        quay.fleet.service("shop", quay.first_subnet(), 1, health_check=True)
        quay.wait(5)
        (task,) = quay.fleet.tasks
        quay.until_status(task, "RUNNING")
        quay.wait(5)
        assert task.health_status == "UNKNOWN"
        assert quay.targets() == (set() if waits == "true" else {task.address})
        quay.wait(30)
        assert task.health_status == "HEALTHY"
        assert quay.targets() == {task.address}


def test_a_task_that_is_unhealthy_later_on_is_left_to_the_health_check_of_its_destination() -> None:
    with a_quay() as quay:
        (task,) = quay.serve(1, health_check=True)
        quay.berthmaster.put_event(quay.sighting(task, healthStatus="UNHEALTHY", version=task.version + 1))
        quay.wait(5)
        assert quay.targets() == {task.address}


# Departures


def stopped(quay: Quay, task: Task) -> None:
    quay.fleet.stop(task)


def interrupted(quay: Quay, task: Task) -> None:
    quay.fleet.interrupt(task)


@pytest.mark.parametrize("activates", [False, True])
@pytest.mark.parametrize("befalls", [stopped, interrupted])
def test_a_task_leaves_at_the_first_sign_while_it_still_serves(
    befalls: Callable[[Quay, Task], None], *, activates: bool
) -> None:
    with a_quay() as quay:
        discovery = quay.cloud_map("shop", SHOP)
        (task,) = quay.serve(1, activates=activates)
        befalls(quay, task)
        quay.wait(2)
        assert task.is_listening
        assert quay.targets() == set()
        assert quay.state(task) == "draining"
        quay.wait(5)
        assert quay.instances(discovery) == set()


def test_a_task_that_dies_is_taken_out_as_soon_as_ecs_tells() -> None:
    with a_quay() as quay:
        (task,) = quay.serve(1)
        quay.fleet.crash(task)
        quay.wait(4)
        assert quay.targets() == set()


def test_a_deployment_moves_all_traffic_to_the_new_tasks() -> None:
    with a_quay() as quay:
        old = addresses(quay.serve(4))
        quay.fleet.deploy("shop")
        quay.wait(240)
        new = addresses(quay.running())
        assert quay.targets() == new
        assert not old & new
        assert quay.letters() == []


# Events that come twice, late, or in the wrong order


def test_events_that_come_twice_change_nothing() -> None:
    with a_quay() as quay:
        tasks = quay.serve(3)
        before = len(quay.writes())
        for event in [event for task in tasks for event in quay.sightings(task)]:
            quay.berthmaster.put_event(event)
        quay.wait(60)
        assert len(quay.writes()) == before
        assert quay.targets() == addresses(tasks)


def test_events_redriven_after_three_days_change_nothing() -> None:
    with a_quay() as quay:
        (gone,) = quay.serve(1)
        events = quay.sightings(gone)
        quay.fleet.stop(gone)
        quay.wait(3 * 86_400)
        (task,) = quay.running()
        before = len(quay.writes())
        for event in (*events, *quay.sightings(task)):
            quay.berthmaster.put_event(event)
        quay.wait(600)
        assert len(quay.writes()) == before
        assert quay.targets() == {task.address}
        assert quay.letters() == []


def test_a_task_whose_stop_is_heard_before_its_start_is_not_registered() -> None:
    with a_quay() as quay:
        with quay.deaf():
            task = quay.serve(1)[0]
            running = quay.sightings(task)[-1]
            quay.fleet.scale("shop", 0)
            quay.until_status(task, "STOPPED")
        assert running["detail"]["lastStatus"] == running["detail"]["desiredStatus"] == "RUNNING"
        quay.berthmaster.put_event(quay.sightings(task)[-1])
        quay.wait(5)
        fresh = {name: value for name, value in running.items() if name != "time"}
        quay.berthmaster.put_event(fresh)
        quay.wait(60)
        assert quay.writes() == []


def test_a_start_that_is_heard_late_is_checked_with_ecs() -> None:
    with a_quay() as quay:
        with quay.deaf():
            lives, leaves = quay.serve(2)
            events = [quay.sightings(task)[-1] for task in (lives, leaves)]
            quay.fleet.scale("shop", 1)
            quay.wait(60)
        (left,) = quay.running()
        for event in events:
            quay.berthmaster.put_event(event)
        quay.wait(5)
        assert quay.targets() == {left.address}


# Addresses that change hands


def test_an_address_that_is_handed_over_is_registered_anew_when_its_former_owner_has_drained() -> None:
    with a_quay(reuse=1.0, drain=60) as quay:
        (former,) = quay.serve(1, spread=False)
        quay.fleet.crash(former)
        quay.wait(5)
        drained_at = quay.cloud.clock.timestamp() + 60
        quay.wait(30)
        (heir,) = quay.running()
        assert heir.address == former.address
        assert quay.state(heir) == "draining"
        quay.wait(drained_at + 2 - quay.cloud.clock.timestamp())
        assert quay.targets() == {heir.address}
        assert quay.state(heir) == "initial"
        quay.wait(30)
        assert quay.state(heir) == "healthy"
        assert [call.operation for call in quay.writes() if call.outcome != "ok"] == []
        assert registrations(quay)[quay.shop, heir.address] == 2


def test_a_network_load_balancers_targets_wait_for_its_slow_deregistration_before_an_address_is_used_again() -> None:
    with a_quay(reuse=1.0) as quay:
        tcp = quay.target_group("tcp", SHOP, protocol="TCP", balancer=quay.network_load_balancer(), drain=0)
        (former,) = quay.serve(1, spread=False)
        quay.fleet.crash(former)
        quay.wait(100)
        (heir,) = quay.running()
        assert heir.address == former.address
        assert quay.targets(tcp) == set()
        quay.wait(60)
        assert quay.targets(tcp) == {heir.address}


def test_an_instance_of_an_address_that_is_handed_over_is_its_new_owners() -> None:
    with a_quay(reuse=1.0, drain=5) as quay:
        discovery = quay.cloud_map("shop", SHOP, ttl=10)
        (former,) = quay.serve(1, spread=False)
        quay.fleet.crash(former)
        quay.wait(90)
        (heir,) = quay.running()
        assert heir.address == former.address
        (instance,) = quay.cloud.discovery.instances(discovery.rpartition("/")[2])
        assert heir.id in instance


def test_a_newcomer_of_nobodys_concern_drives_the_former_owner_of_its_address_out() -> None:
    with a_quay(reuse=1.0) as quay:
        group = quay.target_group("batch", BATCH)
        former = quay.run_task("batch")
        with quay.deaf():
            quay.fleet.stop(former)
            quay.until_status(former, "STOPPED")
        assert quay.targets(group) == {former.address}
        newcomer = quay.begin_task("other")
        quay.until_status(newcomer, "RUNNING")
        assert newcomer.address == former.address
        assert quay.targets(group) == set()


def test_what_happened_to_a_former_owner_does_not_touch_the_new_owner_of_its_address() -> None:
    with a_quay(reuse=1.0, drain=10) as quay:
        (former,) = quay.serve(1, spread=False)
        quay.fleet.crash(former)
        quay.wait(90)
        (heir,) = quay.running()
        assert quay.targets() == {heir.address} == {former.address}
        before = len(quay.writes())
        for event in quay.sightings(former):
            quay.berthmaster.put_event(event)
        quay.wait(60)
        assert len(quay.writes()) == before
        assert quay.targets() == {heir.address}


# What others do


def test_a_target_that_a_person_registered_is_never_touched() -> None:
    with a_quay() as quay:
        elb = quay.cloud.client("elbv2")
        elb.register_targets(TargetGroupArn=quay.shop, Targets=[{"Id": "10.0.0.61", "Port": PORT}])
        tasks = quay.serve(2)
        assert quay.targets() == addresses(tasks) | {"10.0.0.61"}
        quay.fleet.scale("shop", 0)
        quay.wait(60)
        assert quay.targets() == {"10.0.0.61"}


def test_a_task_that_a_person_registered_first_stays_the_persons() -> None:
    with a_quay() as quay:
        quay.fleet.service("shop", quay.first_subnet(), 1)
        quay.wait(5)
        (task,) = quay.fleet.tasks
        quay.until_status(task, "PENDING")
        elb = quay.cloud.client("elbv2")
        elb.register_targets(TargetGroupArn=quay.shop, Targets=[{"Id": task.address, "Port": task.port}])
        quay.wait(30)
        quay.fleet.stop(task)
        quay.wait(20)
        assert quay.targets() >= {task.address}
        assert [call.operation for call in quay.writes() if task.address in str(call.params)] == []


def test_where_ecs_itself_registers_a_service_its_tasks_are_left_to_ecs() -> None:
    with a_quay() as quay:
        mine = quay.target_group("mine", SHOP)
        quay.fleet.service("shop", quay.first_subnet(), 2)
        quay.cloud.ecs.services[f"{CLUSTER}:shop"].load_balancers = [
            {"targetGroupArn": quay.shop, "containerName": "shop", "containerPort": PORT}
        ]
        quay.wait(60)
        assert quay.targets(mine) == addresses(quay.running())
        assert {destination for destination, _ in registrations(quay)} == {mine}


def test_what_is_not_tagged_or_tagged_for_nobody_is_left_alone() -> None:
    with a_quay(shop={}) as quay:
        quay.target_group("nonsense", {TAG: "managed", "berthmaster:service": "shop"})
        quay.cloud_map("shop", {"team": "shop"})
        quay.serve(2)
        quay.fleet.scale("shop", 0)
        quay.wait(60)
        assert quay.writes() == []
        assert quay.letters() == []


# An operator's word


def test_a_task_that_is_to_drain_leaves_everything_and_is_stopped_when_it_has_drained() -> None:
    with a_quay() as quay:
        group = quay.target_group("batch", BATCH, drain=60)
        discovery = quay.cloud_map("batch", BATCH, ttl=20)
        task = quay.run_task("batch")
        assert quay.instances(discovery) == {task.address}
        before = len(quay.operations())
        quay.tell("Drain Requested", task=task.arn, by="mate")
        quay.wait(30)
        assert quay.targets(group) == quay.instances(discovery) == set()
        assert task.is_running
        quay.wait(60)
        assert task.desired_status == "STOPPED"
        operations = quay.operations()[before:]
        assert sorted(operations[:2]) == ["DeregisterInstance", "DeregisterTargets"]
        assert operations[2:] == ["StopTask"]
        out, stop = (quay.cloud.calls.named(name)[-1].at for name in ("elbv2:DeregisterTargets", "ecs:StopTask"))
        assert 60 <= stop - out <= 70
        assert [one["task"] for one in quay.events("Task Drained")] == [task.arn]
        assert quay.letters() == []


def test_a_task_of_a_service_that_is_to_drain_is_followed_by_another() -> None:
    with a_quay(drain=30) as quay:
        tired, other = quay.serve(2)
        quay.tell("Drain Requested", task=tired.arn)
        quay.wait(120)
        assert tired.desired_status == "STOPPED"
        assert len(quay.running()) == 2
        assert quay.targets() == addresses(quay.running()) >= {other.address}


def test_a_task_that_is_nobodys_concern_is_not_stopped_at_an_operators_word() -> None:
    with a_quay() as quay:
        task = quay.run_task("other")
        quay.tell("Drain Requested", task=task.arn)
        quay.wait(1200)
        assert task.is_running
        assert len(quay.letters()) == 1
        assert "detail.task: nothing that Berthmaster manages is to have" in quay.berthmaster.logs.text(SYNC)


def test_a_task_that_only_ecs_registers_is_not_stopped_and_the_log_says_that_it_would_not_drain() -> None:
    with a_quay() as quay:
        quay.fleet.service("shop", quay.first_subnet(), 1)
        quay.cloud.ecs.services[f"{CLUSTER}:shop"].load_balancers = [
            {"targetGroupArn": quay.shop, "containerName": "shop", "containerPort": PORT}
        ]
        quay.wait(60)
        (task,) = quay.running()
        quay.tell("Drain Requested", task=task.arn)
        quay.wait(10)
        assert task.is_running
        assert f"ECS itself registers its service in {quay.shop}" in quay.berthmaster.logs.text(SYNC)


def test_a_task_that_waits_for_its_health_check_may_be_drained() -> None:
    with a_quay() as quay:
        quay.fleet.service("shop", quay.first_subnet(), 1, health_check=True)
        quay.wait(5)
        (task,) = quay.fleet.tasks
        quay.until_status(task, "RUNNING")
        quay.tell("Drain Requested", task=task.arn)
        quay.wait(5)
        assert task.desired_status == "STOPPED"


def test_a_task_that_cannot_be_stopped_hinders_no_other() -> None:
    with a_quay() as quay:
        group = quay.target_group("batch", BATCH, drain=5)
        stubborn, meek = quay.run_task("batch"), quay.run_task("batch")
        healthy = quay.cloud.answers["ecs:StopTask"]

        def stop(cloud: Any, params: Any) -> Any:
            if params["task"] == stubborn.arn:
                raise AwsError("AccessDeniedException", "Not that one.")
            return healthy(cloud, params)

        quay.cloud.answers["ecs:StopTask"] = stop
        for task in (stubborn, meek):
            quay.tell("Drain Requested", task=task.arn)
        quay.wait(60)
        assert quay.targets(group) == set()
        assert (stubborn.desired_status, meek.desired_status) == ("RUNNING", "STOPPED")
        assert [one["task"] for one in quay.events("Task Drained")] == [meek.arn]
        quay.cloud.answers["ecs:StopTask"] = healthy
        quay.wait(60)
        assert stubborn.desired_status == "STOPPED"
        assert sorted(one["task"] for one in quay.events("Task Drained")) == sorted([stubborn.arn, meek.arn])
        assert quay.letters() == []


def test_a_task_that_ecs_does_not_know_cannot_be_drained() -> None:
    with a_quay() as quay:
        task = quay.run_task("other")
        quay.tell("Drain Requested", task=task.arn[:-1] + "x")
        quay.wait(1200)
        assert len(quay.letters()) == 1
        assert "detail.task" in quay.berthmaster.logs.text(SYNC)


# Modes


def test_in_mode_observe_nothing_is_changed_and_the_log_says_what_would_be() -> None:
    with a_quay(mode="observe") as quay:
        (task,) = quay.serve(1)
        quay.tell("Drain Requested", task=task.arn)
        quay.wait(10)
        quay.fleet.stop(task)
        quay.wait(30)
        assert quay.writes() == []
        assert any(
            record["message"] == "would change" and task.address in json.dumps(record)
            for record in quay.berthmaster.logs.records(SYNC)
        )


def test_in_mode_approve_nobody_is_registered_unasked_and_whoever_leaves_is_let_go() -> None:
    with a_quay() as quay:
        old = quay.serve(2)
        quay.change_mode("approve")
        quay.fleet.scale("shop", 3)
        quay.wait(60)
        assert quay.targets() == addresses(old)
        quay.fleet.stop(old[0])
        quay.wait(60)
        assert quay.targets() == {old[1].address}


# Limits and losses


def test_when_a_target_group_is_full_those_that_are_there_stay_and_newcomers_wait() -> None:
    with a_quay() as quay:
        quay.cloud.quotas.apply("L-A0D0B863", 3)
        old = quay.serve(3)
        quay.fleet.scale("shop", 5)
        quay.wait(60)
        assert len(quay.running()) == 5
        assert quay.targets() == addresses(old)
        assert quay.letters() == []
        assert "no room" in quay.berthmaster.logs.text(SYNC)


def test_as_many_newcomers_as_there_is_room_for_are_registered() -> None:
    with a_quay() as quay:
        quay.cloud.quotas.apply("L-A0D0B863", 3)
        tasks = quay.serve(5)
        assert len(quay.targets()) == 3
        assert quay.targets() < addresses(tasks)


def test_a_target_group_that_is_deleted_hinders_no_other() -> None:
    with a_quay() as quay:
        stays = quay.target_group("stays", SHOP)
        old = quay.serve(2)
        quay.cloud.client("elbv2").delete_target_group(TargetGroupArn=quay.shop)
        quay.fleet.scale("shop", 3)
        quay.fleet.stop(old[0])
        quay.wait(60)
        assert quay.targets(stays) == addresses(quay.running())
        quay.wait(1200)
        assert quay.letters() == []


def test_a_cluster_that_is_gone_leaves_no_task_to_register() -> None:
    with a_quay() as quay:
        with quay.deaf():
            task = quay.run_task("shop")
            (*_, running) = quay.sightings(task)
            quay.fleet.stop(task)
            quay.until_status(task, "STOPPED")
        quay.target_group("by-family", tags_of(family="shop"))
        quay.cloud.client("ecs").delete_cluster(cluster=CLUSTER)
        quay.berthmaster.put_event(running)
        quay.wait(1200)
        assert quay.writes() == []
        assert quay.letters() == []


def test_a_deregistration_that_cloud_map_fails_at_is_said_and_tried_again() -> None:
    with a_quay() as quay:
        discovery = quay.cloud_map("shop", SHOP)
        (task,) = quay.serve(1)
        quay.cloud.discovery.fail_next("INTERNAL_FAILURE")
        quay.fleet.scale("shop", 0)
        quay.wait(10)
        assert quay.instances(discovery) == {task.address}
        quay.wait(35)
        assert quay.instances(discovery) == set()
        assert "operation failed" in quay.berthmaster.logs.text(SYNC)
        assert quay.letters() == []


def test_a_deregistration_that_cloud_map_never_succeeds_at_is_told_to_people_and_not_called_for_all_the_time() -> None:
    with a_quay() as quay:
        quay.cloud_map("shop", SHOP)
        quay.serve(1)
        for _ in range(200):
            quay.cloud.discovery.fail_next("ACCESS_DENIED")
        quay.fleet.scale("shop", 0)
        for _ in range(10):
            quay.wait(30)
            quay.reconcile()
        calls = quay.cloud.calls.named("servicediscovery:DeregisterInstance")
        assert 5 < len(calls) < 60
        assert [code for code, _ in quay.findings()] == ["not deregistered"]


def test_a_registration_that_cloud_map_fails_at_is_said() -> None:
    with a_quay() as quay:
        discovery = quay.cloud_map("shop", SHOP)
        quay.cloud.discovery.fail_next("INTERNAL_FAILURE")
        (task,) = quay.serve(1)
        assert quay.instances(discovery) == set()
        assert quay.targets() == {task.address}
        assert "operation failed" in quay.berthmaster.logs.text(SYNC)


# Messages that fail


def failing_for(quay: Quay, group: str, code: str = "ServiceUnavailable") -> Callable[[], None]:
    """Let AWS fail at registrations in one target group; returns what ends that."""
    healthy = quay.cloud.answers["elbv2:RegisterTargets"]

    def fail(cloud: Any, params: Any) -> Any:
        if params["TargetGroupArn"] == group:
            raise AwsError(code, "Try again later.", status=503)
        return healthy(cloud, params)

    quay.cloud.answers["elbv2:RegisterTargets"] = fail

    def end() -> None:
        quay.cloud.answers["elbv2:RegisterTargets"] = healthy

    return end


def test_only_a_task_that_aws_failed_at_is_looked_at_again_and_soon() -> None:
    with a_quay() as quay:
        other = quay.target_group("other", tags_of(service="other"))
        mend = failing_for(quay, quay.shop)
        quay.fleet.service("shop", quay.first_subnet(), 1)
        (task,) = quay.serve(1, name="other")
        assert quay.targets(other) == {task.address}
        assert quay.targets(quay.shop) == set()
        (waiting,) = [json.loads(message)["detail"] for message in quay.berthmaster.messages(QUEUE)]
        assert waiting["owners"] == [one.arn for one in quay.running("shop")]
        mend()
        quay.wait(60)
        assert quay.targets(quay.shop) == addresses(quay.running("shop"))
        assert quay.letters() == []
        assert registrations(quay)[other, task.address] == 1


@pytest.mark.parametrize("seconds", [10, 20])
def test_a_task_that_dies_while_aws_fails_at_deregistrations_is_out_within_half_a_minute(seconds: float) -> None:
    with a_quay() as quay:
        (task,) = quay.serve(1)
        now = quay.cloud.clock.timestamp()
        quay.cloud.faults.begin_outage(Outage("elbv2:DeregisterTargets", until=now + seconds))
        quay.fleet.crash(task)
        quay.until_status(task, "DEPROVISIONING")
        with quay.deaf():
            quay.wait(30)
        outcomes = [call.outcome for call in quay.writes() if call.operation == "DeregisterTargets"]
        assert outcomes[0] != "ok"
        assert outcomes[-1] == "ok"
        assert task.address not in quay.targets()


def test_ecs_that_cannot_be_asked_for_a_while_delays_nothing_by_more_than_half_a_minute() -> None:
    with a_quay() as quay:
        now = quay.cloud.clock.timestamp()
        quay.cloud.faults.begin_outage(Outage("ecs:DescribeTaskDefinition", until=now + 60))
        quay.fleet.service("shop", quay.first_subnet(), 1)
        quay.wait(50)
        assert quay.targets() == set()
        quay.wait(40)
        assert quay.targets() == addresses(quay.running())
        assert quay.letters() == []


def test_what_aws_fails_at_again_and_again_ends_in_the_dead_letter_queue() -> None:
    with a_quay() as quay:
        failing_for(quay, quay.shop)
        (task,) = quay.serve(1)
        quay.wait(1500)
        letters = quay.letters()
        assert {owner for letter in letters for owner in letter["detail"]["owners"]} == {task.arn}
        assert [letter["detail"]["tries"] for letter in letters] == [5] * len(letters)


# What is told


def test_a_bus_that_takes_nothing_hinders_nobody_and_what_could_not_be_told_is_in_the_log() -> None:
    with a_quay() as quay:
        now = quay.cloud.clock.timestamp()
        quay.cloud.faults.begin_outage(Outage("events:PutEvents", until=now + 600))
        (task,) = quay.serve(1)
        assert quay.targets() == {task.address}
        assert quay.berthmaster.messages(QUEUE) == []
        (untold,) = [one for one in quay.berthmaster.logs.records(SYNC) if one["message"] == "could not be told"]
        assert untold["level"] == "ERROR"
        assert untold["events"][0]["detail_type"] == "Targets Registered"
        assert task.address in json.dumps(untold["events"])
        assert [one["Untold"] for one in quay.berthmaster.logs.metrics(SYNC) if "Untold" in one] == [[1.0]]
        assert quay.events("Targets Registered") == []


def seconds(quay: Quay, name: str) -> list[float]:
    """The values of a metric of targets_sync, in order."""
    return [value for record in quay.berthmaster.logs.metrics(SYNC) for value in record.get(name, [])]


def test_how_long_a_registration_takes_is_measured_from_the_event_on() -> None:
    with a_quay() as quay:
        (task,) = quay.serve(1)
        (took,) = seconds(quay, "SecondsToRegister")
        assert 0 < took < 3
        quay.fleet.stop(task)
        quay.fleet.scale("shop", 0)
        quay.wait(120)
        (took,) = seconds(quay, "SecondsToDeregister")
        assert 0 < took < 3


def test_a_call_that_succeeds_late_is_measured_from_the_event_on() -> None:
    with a_quay() as quay:
        (task,) = quay.serve(1)
        now = quay.cloud.clock.timestamp()
        quay.cloud.faults.begin_outage(Outage("elbv2:DeregisterTargets", until=now + 20))
        quay.fleet.scale("shop", 0)
        quay.wait(40)
        assert quay.targets() == set()
        told = next(one for one in quay.sightings(task) if one["detail"]["desiredStatus"] == "STOPPED")
        calls = [call for call in quay.writes() if call.operation == "DeregisterTargets"]
        assert [call.outcome for call in calls][-1] == "ok"
        (took,) = seconds(quay, "SecondsToDeregister")
        assert took == pytest.approx(calls[-1].at - datetime.fromisoformat(told["time"]).timestamp(), abs=2)


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("version", "seven", "version"),
        ("taskArn", "nonsense", "taskArn"),
        ("desiredStatus", None, "desiredStatus"),
        ("attachments", "none", "attachments"),
    ],
)
def test_an_event_that_is_wrong_ends_in_the_dead_letter_queue_and_hinders_no_other(
    field: str, value: Any, named: str
) -> None:
    with a_quay() as quay:
        quay.fleet.service("shop", quay.first_subnet(), 1)
        quay.wait(5)
        (task,) = quay.fleet.tasks
        quay.until_status(task, "RUNNING")
        wrong = quay.sighting(task)
        wrong["detail"][field] = value
        quay.berthmaster.put_event(wrong)
        quay.wait(2)
        assert quay.targets() == {task.address}
        before = len(quay.writes())
        quay.wait(1200)
        (letter,) = quay.letters()
        assert letter["detail"][field] == value
        failures = [
            record["error"] for record in quay.berthmaster.logs.records(SYNC) if record["message"] == "message failed"
        ]
        assert len(failures) == 5
        assert all(f"detail.{named}" in one for one in failures)
        assert len(quay.writes()) == before


@pytest.mark.parametrize(
    ("detail_type", "detail", "named"),
    [
        ("Drain Requested", {}, "detail.task"),
        ("Drain Requested", {"task": 17}, "detail.task"),
        ("Change Approved", {"change": "shop"}, "detail.change"),
        ("Change Approved", {"change": "shop.20260302T060000Z"}, "detail.change"),
        ("Change Rejected", {"by": "mate"}, "detail.change"),
    ],
)
def test_an_operators_word_that_makes_no_sense_ends_in_the_dead_letter_queue(
    detail_type: str, detail: dict[str, Any], named: str
) -> None:
    with a_quay() as quay:
        quay.tell(detail_type, **detail)
        quay.wait(1200)
        assert [letter["detail"] for letter in quay.letters()] == [detail]
        assert named in quay.berthmaster.logs.text(SYNC)
        assert quay.writes() == []


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: path.stem)
def test_every_sample_event_is_handled_and_only_a_word_on_something_unknown_is_refused(path: Path) -> None:
    with a_quay() as quay:
        tasks = quay.serve(1)
        before = len(quay.writes())
        invocation = quay.berthmaster.invoke(SYNC, json.loads(path.read_text()))
        assert invocation.error is None
        unknown = path.stem.endswith(("change_approved", "change_rejected", "drain_requested"))
        assert len(invocation.result["batchItemFailures"]) == (1 if unknown else 0)
        assert len(quay.writes()) == before
        assert quay.targets() == addresses(tasks)


def refused_field(body: str) -> str:
    try:
        parse(body)
    except InvalidEvent as refused:
        return refused.field
    return ""


def test_there_is_something_wrong_with_most_spoiled_events() -> None:
    assert sum(1 for body in SPOILED if refused_field(body)) > 1_000


@settings(max_examples=5, phases=[Phase.generate], deadline=None, suppress_health_check=list(HealthCheck))
@given(bodies=st.lists(st.sampled_from(SPOILED), min_size=60, max_size=60, unique=True))
def test_a_spoiled_event_registers_nothing_strange_and_is_kept_with_its_reason(bodies: list[str]) -> None:
    with a_quay() as quay:
        cranes = quay.target_group("cranes", tags_of(service="cranes"))
        tasks = quay.serve(2)
        queue = quay.berthmaster.template.identity(QUEUE).ref
        for body in bodies:
            quay.cloud.client("sqs").send_message(QueueUrl=queue, MessageBody=body)
        quay.wait(1200)
        assert quay.targets() == addresses(tasks)
        known = {one["value"] for sample in SAMPLES for one in details_of_interfaces(sample)}
        assert quay.targets(cranes) <= known
        letters, told = quay.berthmaster.messages(DEAD_LETTERS), quay.berthmaster.logs.text(SYNC)
        for body in bodies:
            if field := refused_field(body):
                assert body in letters
                assert f"InvalidEvent('{field}: " in told or f'InvalidEvent(\\"{field}: ' in told


def details_of_interfaces(sample: dict[str, Any]) -> list[dict[str, str]]:
    return [one for attachment in sample["detail"].get("attachments", []) for one in attachment["details"]]
