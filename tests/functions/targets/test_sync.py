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
from simulator.aws.ecs.task import Task
from simulator.errors import AwsError
from simulator.faults import Outage
from tests.support.spoiled import spoiled
from tests.support.targets.scene import (
    CLUSTER,
    DEAD_LETTERS,
    PORT,
    QUEUE,
    SHOP,
    SYNC,
    TAG,
    TargetsScene,
    a_targets_scene,
    tags_of,
)

EVENTS = sorted((Path(__file__).parents[3] / "events").glob("targets_sync_*.json"))
SAMPLES = [json.loads(record["body"]) for path in EVENTS for record in json.loads(path.read_text())["Records"]]
SPOILED = [json.dumps(one) for sample in SAMPLES for one in spoiled(sample)]
BATCH = tags_of(family="batch")


def registrations(scene: TargetsScene) -> Counter[tuple[str, str]]:
    """How often each address was asked to be registered, by destination."""
    found: Counter[tuple[str, str]] = Counter()
    for call in scene.writes():
        if call.operation == "RegisterTargets":
            found.update((call.params["TargetGroupArn"], one["Id"]) for one in call.params["Targets"])
        elif call.operation == "RegisterInstance":
            found.update([(call.params["ServiceId"], call.params["Attributes"]["AWS_INSTANCE_IPV4"])])
    return found


def addresses(tasks: list[Task]) -> set[str]:
    return {task.address for task in tasks}


# Arrivals


def test_a_task_is_registered_within_two_seconds_of_running() -> None:
    with a_targets_scene() as scene:
        scene.fleet.service("shop", scene.first_subnet(), 1)
        scene.wait(5)
        (task,) = scene.fleet.tasks
        scene.until_status(task, "RUNNING")
        scene.wait(2)
        assert scene.targets() == {task.address}


def test_a_task_is_registered_wherever_it_is_wanted_and_once() -> None:
    with a_targets_scene() as scene:
        tcp = scene.target_group("shop-tcp", SHOP, protocol="TCP", balancer=scene.network_load_balancer())
        plain, records = scene.cloud_map("shop", SHOP), scene.cloud_map("shop-dns", SHOP, ttl=10)
        expected = addresses(scene.serve(3))
        assert len(expected) == 3
        assert scene.targets(scene.shop) == scene.targets(tcp) == expected
        assert scene.instances(plain) == scene.instances(records) == expected
        times = registrations(scene)
        assert len(times) == 4 * 3
        assert set(times.values()) == {1}
        assert scene.letters() == []


def test_a_task_of_no_service_is_registered_by_its_family() -> None:
    with a_targets_scene() as scene:
        group = scene.target_group("batch", BATCH)
        task = scene.run_task("batch")
        scene.run_task("other")
        assert scene.targets(group) == {task.address}
        assert scene.targets(scene.shop) == set()


def test_a_destination_may_choose_its_port_by_number() -> None:
    with a_targets_scene(shop=tags_of(service="shop", port="9901")) as scene:
        (task,) = scene.serve(1)
        assert scene.cloud.targets.routable(scene.shop) == {(task.address, 9901)}


def test_an_address_outside_of_the_target_groups_vpc_is_registered_in_all_zones() -> None:
    with a_targets_scene() as scene:
        group = scene.target_group("away", SHOP, vpc_id=scene.other_vpc())
        (task,) = scene.serve(1)
        assert scene.targets(group) == {task.address}
        zones = {
            call.params["TargetGroupArn"]: call.params["Targets"][0].get("AvailabilityZone")
            for call in scene.writes()
            if call.operation == "RegisterTargets"
        }
        assert zones == {group: "all", scene.shop: None}


@pytest.mark.parametrize("waits", ["true", "false"])
def test_a_containers_health_check_is_waited_for_unless_told_otherwise(waits: str) -> None:
    with a_targets_scene(TargetsWaitForHealth=waits) as scene:
        scene.fleet.service("shop", scene.first_subnet(), 1, health_check=True)
        scene.wait(5)
        (task,) = scene.fleet.tasks
        scene.until_status(task, "RUNNING")
        scene.wait(5)
        assert task.health_status == "UNKNOWN"
        assert scene.targets() == (set() if waits == "true" else {task.address})
        scene.wait(30)
        assert task.health_status == "HEALTHY"
        assert scene.targets() == {task.address}


def test_a_task_that_is_unhealthy_later_on_is_left_to_the_health_check_of_its_destination() -> None:
    with a_targets_scene() as scene:
        (task,) = scene.serve(1, health_check=True)
        scene.berthmaster.put_event(scene.sighting(task, healthStatus="UNHEALTHY", version=task.version + 1))
        scene.wait(5)
        assert scene.targets() == {task.address}


# Departures


def stopped(scene: TargetsScene, task: Task) -> None:
    scene.fleet.stop(task)


def interrupted(scene: TargetsScene, task: Task) -> None:
    scene.fleet.interrupt(task)


@pytest.mark.parametrize("activates", [False, True])
@pytest.mark.parametrize("befalls", [stopped, interrupted])
def test_a_task_leaves_at_the_first_sign_while_it_still_serves(
    befalls: Callable[[TargetsScene, Task], None], *, activates: bool
) -> None:
    with a_targets_scene() as scene:
        discovery = scene.cloud_map("shop", SHOP)
        (task,) = scene.serve(1, activates=activates)
        befalls(scene, task)
        scene.wait(2)
        assert task.is_listening
        assert scene.targets() == set()
        assert scene.state(task) == "draining"
        scene.wait(5)
        assert scene.instances(discovery) == set()


def test_a_task_that_dies_is_taken_out_as_soon_as_ecs_tells() -> None:
    with a_targets_scene() as scene:
        (task,) = scene.serve(1)
        scene.fleet.crash(task)
        scene.wait(4)
        assert scene.targets() == set()


def test_a_deployment_moves_all_traffic_to_the_new_tasks() -> None:
    with a_targets_scene() as scene:
        old = addresses(scene.serve(4))
        scene.fleet.deploy("shop")
        scene.wait(240)
        new = addresses(scene.running())
        assert scene.targets() == new
        assert not old & new
        assert scene.letters() == []


# Events that come twice, late, or in the wrong order


def test_events_that_come_twice_change_nothing() -> None:
    with a_targets_scene() as scene:
        tasks = scene.serve(3)
        before = len(scene.writes())
        for event in [event for task in tasks for event in scene.sightings(task)]:
            scene.berthmaster.put_event(event)
        scene.wait(60)
        assert len(scene.writes()) == before
        assert scene.targets() == addresses(tasks)


def test_events_redriven_after_three_days_change_nothing() -> None:
    with a_targets_scene() as scene:
        (gone,) = scene.serve(1)
        events = scene.sightings(gone)
        scene.fleet.stop(gone)
        scene.wait(3 * 86_400)
        (task,) = scene.running()
        before = len(scene.writes())
        for event in (*events, *scene.sightings(task)):
            scene.berthmaster.put_event(event)
        scene.wait(600)
        assert len(scene.writes()) == before
        assert scene.targets() == {task.address}
        assert scene.letters() == []


def test_a_task_whose_stop_is_heard_before_its_start_is_not_registered() -> None:
    with a_targets_scene() as scene:
        with scene.deaf():
            task = scene.serve(1)[0]
            running = scene.sightings(task)[-1]
            scene.fleet.scale("shop", 0)
            scene.until_status(task, "STOPPED")
        assert running["detail"]["lastStatus"] == running["detail"]["desiredStatus"] == "RUNNING"
        scene.berthmaster.put_event(scene.sightings(task)[-1])
        scene.wait(5)
        fresh = {name: value for name, value in running.items() if name != "time"}
        scene.berthmaster.put_event(fresh)
        scene.wait(60)
        assert scene.writes() == []


def test_a_start_that_is_heard_late_is_checked_with_ecs() -> None:
    with a_targets_scene() as scene:
        with scene.deaf():
            lives, leaves = scene.serve(2)
            events = [scene.sightings(task)[-1] for task in (lives, leaves)]
            scene.fleet.scale("shop", 1)
            scene.wait(60)
        (left,) = scene.running()
        for event in events:
            scene.berthmaster.put_event(event)
        scene.wait(5)
        assert scene.targets() == {left.address}


# Addresses that change hands


def test_an_address_that_is_handed_over_is_registered_anew_when_its_former_owner_has_drained() -> None:
    with a_targets_scene(reuse=1.0, drain=60) as scene:
        (former,) = scene.serve(1, spread=False)
        scene.fleet.crash(former)
        scene.wait(5)
        drained_at = scene.cloud.clock.timestamp() + 60
        scene.wait(30)
        (heir,) = scene.running()
        assert heir.address == former.address
        assert scene.state(heir) == "draining"
        scene.wait(drained_at + 2 - scene.cloud.clock.timestamp())
        assert scene.targets() == {heir.address}
        assert scene.state(heir) == "initial"
        scene.wait(30)
        assert scene.state(heir) == "healthy"
        assert [call.operation for call in scene.writes() if call.outcome != "ok"] == []
        assert registrations(scene)[scene.shop, heir.address] == 2


def test_a_network_load_balancers_targets_wait_for_its_slow_deregistration_before_an_address_is_used_again() -> None:
    with a_targets_scene(reuse=1.0) as scene:
        tcp = scene.target_group("tcp", SHOP, protocol="TCP", balancer=scene.network_load_balancer(), drain=0)
        (former,) = scene.serve(1, spread=False)
        scene.fleet.crash(former)
        scene.wait(100)
        (heir,) = scene.running()
        assert heir.address == former.address
        assert scene.targets(tcp) == set()
        scene.wait(60)
        assert scene.targets(tcp) == {heir.address}


def test_an_instance_of_an_address_that_is_handed_over_is_its_new_owners() -> None:
    with a_targets_scene(reuse=1.0, drain=5) as scene:
        discovery = scene.cloud_map("shop", SHOP, ttl=10)
        (former,) = scene.serve(1, spread=False)
        scene.fleet.crash(former)
        scene.wait(90)
        (heir,) = scene.running()
        assert heir.address == former.address
        (instance,) = scene.cloud.discovery.instances(discovery.rpartition("/")[2])
        assert heir.id in instance


def test_a_newcomer_of_nobodys_concern_drives_the_former_owner_of_its_address_out() -> None:
    with a_targets_scene(reuse=1.0) as scene:
        group = scene.target_group("batch", BATCH)
        former = scene.run_task("batch")
        with scene.deaf():
            scene.fleet.stop(former)
            scene.until_status(former, "STOPPED")
        assert scene.targets(group) == {former.address}
        newcomer = scene.begin_task("other")
        scene.until_status(newcomer, "RUNNING")
        assert newcomer.address == former.address
        assert scene.targets(group) == set()


def test_what_happened_to_a_former_owner_does_not_touch_the_new_owner_of_its_address() -> None:
    with a_targets_scene(reuse=1.0, drain=10) as scene:
        (former,) = scene.serve(1, spread=False)
        scene.fleet.crash(former)
        scene.wait(90)
        (heir,) = scene.running()
        assert scene.targets() == {heir.address} == {former.address}
        before = len(scene.writes())
        for event in scene.sightings(former):
            scene.berthmaster.put_event(event)
        scene.wait(60)
        assert len(scene.writes()) == before
        assert scene.targets() == {heir.address}


# What others do


def test_a_target_that_a_person_registered_is_never_touched() -> None:
    with a_targets_scene() as scene:
        elb = scene.cloud.client("elbv2")
        elb.register_targets(TargetGroupArn=scene.shop, Targets=[{"Id": "10.0.0.61", "Port": PORT}])
        tasks = scene.serve(2)
        assert scene.targets() == addresses(tasks) | {"10.0.0.61"}
        scene.fleet.scale("shop", 0)
        scene.wait(60)
        assert scene.targets() == {"10.0.0.61"}


def test_a_task_that_a_person_registered_first_stays_the_persons() -> None:
    with a_targets_scene() as scene:
        scene.fleet.service("shop", scene.first_subnet(), 1)
        scene.wait(5)
        (task,) = scene.fleet.tasks
        scene.until_status(task, "PENDING")
        elb = scene.cloud.client("elbv2")
        elb.register_targets(TargetGroupArn=scene.shop, Targets=[{"Id": task.address, "Port": task.port}])
        scene.wait(30)
        scene.fleet.stop(task)
        scene.wait(20)
        assert scene.targets() >= {task.address}
        assert [call.operation for call in scene.writes() if task.address in str(call.params)] == []


def test_where_ecs_itself_registers_a_service_its_tasks_are_left_to_ecs() -> None:
    with a_targets_scene() as scene:
        mine = scene.target_group("mine", SHOP)
        scene.fleet.service("shop", scene.first_subnet(), 2)
        scene.cloud.ecs.services[f"{CLUSTER}:shop"].load_balancers = [
            {"targetGroupArn": scene.shop, "containerName": "shop", "containerPort": PORT}
        ]
        scene.wait(60)
        assert scene.targets(mine) == addresses(scene.running())
        assert {destination for destination, _ in registrations(scene)} == {mine}


def test_what_is_not_tagged_or_tagged_for_nobody_is_left_alone() -> None:
    with a_targets_scene(shop={}) as scene:
        scene.target_group("nonsense", {TAG: "managed", "berthmaster:service": "shop"})
        scene.cloud_map("shop", {"team": "shop"})
        scene.serve(2)
        scene.fleet.scale("shop", 0)
        scene.wait(60)
        assert scene.writes() == []
        assert scene.letters() == []


# An operator's word


def test_a_task_that_is_to_drain_leaves_everything_and_is_stopped_when_it_has_drained() -> None:
    with a_targets_scene() as scene:
        group = scene.target_group("batch", BATCH, drain=60)
        discovery = scene.cloud_map("batch", BATCH, ttl=20)
        task = scene.run_task("batch")
        assert scene.instances(discovery) == {task.address}
        before = len(scene.operations())
        scene.tell("Drain Requested", task=task.arn, by="mate")
        scene.wait(30)
        assert scene.targets(group) == scene.instances(discovery) == set()
        assert task.is_running
        scene.wait(60)
        assert task.desired_status == "STOPPED"
        operations = scene.operations()[before:]
        assert sorted(operations[:2]) == ["DeregisterInstance", "DeregisterTargets"]
        assert operations[2:] == ["StopTask"]
        out, stop = (scene.cloud.calls.named(name)[-1].at for name in ("elbv2:DeregisterTargets", "ecs:StopTask"))
        assert 60 <= stop - out <= 70
        assert [one["task"] for one in scene.events("Task Drained")] == [task.arn]
        assert scene.letters() == []


def test_a_task_of_a_service_that_is_to_drain_is_followed_by_another() -> None:
    with a_targets_scene(drain=30) as scene:
        tired, other = scene.serve(2)
        scene.tell("Drain Requested", task=tired.arn)
        scene.wait(120)
        assert tired.desired_status == "STOPPED"
        assert len(scene.running()) == 2
        assert scene.targets() == addresses(scene.running()) >= {other.address}


def test_a_task_that_is_nobodys_concern_is_not_stopped_at_an_operators_word() -> None:
    with a_targets_scene() as scene:
        task = scene.run_task("other")
        scene.tell("Drain Requested", task=task.arn)
        scene.wait(1200)
        assert task.is_running
        assert len(scene.letters()) == 1
        assert "detail.task: nothing that Berthmaster manages is to have" in scene.berthmaster.logs.text(SYNC)


def test_a_task_that_only_ecs_registers_is_not_stopped_and_the_log_says_that_it_would_not_drain() -> None:
    with a_targets_scene() as scene:
        scene.fleet.service("shop", scene.first_subnet(), 1)
        scene.cloud.ecs.services[f"{CLUSTER}:shop"].load_balancers = [
            {"targetGroupArn": scene.shop, "containerName": "shop", "containerPort": PORT}
        ]
        scene.wait(60)
        (task,) = scene.running()
        scene.tell("Drain Requested", task=task.arn)
        scene.wait(10)
        assert task.is_running
        assert f"ECS itself registers its service in {scene.shop}" in scene.berthmaster.logs.text(SYNC)


def test_a_task_that_waits_for_its_health_check_may_be_drained() -> None:
    with a_targets_scene() as scene:
        scene.fleet.service("shop", scene.first_subnet(), 1, health_check=True)
        scene.wait(5)
        (task,) = scene.fleet.tasks
        scene.until_status(task, "RUNNING")
        scene.tell("Drain Requested", task=task.arn)
        scene.wait(5)
        assert task.desired_status == "STOPPED"


def test_a_task_that_cannot_be_stopped_hinders_no_other() -> None:
    with a_targets_scene() as scene:
        group = scene.target_group("batch", BATCH, drain=5)
        stubborn, meek = scene.run_task("batch"), scene.run_task("batch")
        healthy = scene.cloud.answers["ecs:StopTask"]

        def stop(cloud: Any, params: Any) -> Any:
            if params["task"] == stubborn.arn:
                raise AwsError("AccessDeniedException", "Not that one.")
            return healthy(cloud, params)

        scene.cloud.answers["ecs:StopTask"] = stop
        for task in (stubborn, meek):
            scene.tell("Drain Requested", task=task.arn)
        scene.wait(60)
        assert scene.targets(group) == set()
        assert (stubborn.desired_status, meek.desired_status) == ("RUNNING", "STOPPED")
        assert [one["task"] for one in scene.events("Task Drained")] == [meek.arn]
        scene.cloud.answers["ecs:StopTask"] = healthy
        scene.wait(60)
        assert stubborn.desired_status == "STOPPED"
        assert sorted(one["task"] for one in scene.events("Task Drained")) == sorted([stubborn.arn, meek.arn])
        assert scene.letters() == []


def test_a_task_that_ecs_does_not_know_cannot_be_drained() -> None:
    with a_targets_scene() as scene:
        task = scene.run_task("other")
        scene.tell("Drain Requested", task=task.arn[:-1] + "x")
        scene.wait(1200)
        assert len(scene.letters()) == 1
        assert "detail.task" in scene.berthmaster.logs.text(SYNC)


# Modes


def test_in_mode_observe_nothing_is_changed_and_the_log_says_what_would_be() -> None:
    with a_targets_scene(mode="observe") as scene:
        (task,) = scene.serve(1)
        scene.tell("Drain Requested", task=task.arn)
        scene.wait(10)
        scene.fleet.stop(task)
        scene.wait(30)
        assert scene.writes() == []
        assert any(
            record["message"] == "would change" and task.address in json.dumps(record)
            for record in scene.berthmaster.logs.records(SYNC)
        )


def test_in_mode_approve_nobody_is_registered_unasked_and_whoever_leaves_is_let_go() -> None:
    with a_targets_scene() as scene:
        old = scene.serve(2)
        scene.change_mode("approve")
        scene.fleet.scale("shop", 3)
        scene.wait(60)
        assert scene.targets() == addresses(old)
        scene.fleet.stop(old[0])
        scene.wait(60)
        assert scene.targets() == {old[1].address}


# Limits and losses


def test_when_a_target_group_is_full_those_that_are_there_stay_and_newcomers_wait() -> None:
    with a_targets_scene() as scene:
        scene.cloud.quotas.apply("L-A0D0B863", 3)
        old = scene.serve(3)
        scene.fleet.scale("shop", 5)
        scene.wait(60)
        assert len(scene.running()) == 5
        assert scene.targets() == addresses(old)
        assert scene.letters() == []
        assert "no room" in scene.berthmaster.logs.text(SYNC)


def test_as_many_newcomers_as_there_is_room_for_are_registered() -> None:
    with a_targets_scene() as scene:
        scene.cloud.quotas.apply("L-A0D0B863", 3)
        tasks = scene.serve(5)
        assert len(scene.targets()) == 3
        assert scene.targets() < addresses(tasks)


def test_a_target_group_that_is_deleted_hinders_no_other() -> None:
    with a_targets_scene() as scene:
        stays = scene.target_group("stays", SHOP)
        old = scene.serve(2)
        scene.cloud.client("elbv2").delete_target_group(TargetGroupArn=scene.shop)
        scene.fleet.scale("shop", 3)
        scene.fleet.stop(old[0])
        scene.wait(60)
        assert scene.targets(stays) == addresses(scene.running())
        scene.wait(1200)
        assert scene.letters() == []


def test_a_cluster_that_is_gone_leaves_no_task_to_register() -> None:
    with a_targets_scene() as scene:
        with scene.deaf():
            task = scene.run_task("shop")
            (*_, running) = scene.sightings(task)
            scene.fleet.stop(task)
            scene.until_status(task, "STOPPED")
        scene.target_group("by-family", tags_of(family="shop"))
        scene.cloud.client("ecs").delete_cluster(cluster=CLUSTER)
        scene.berthmaster.put_event(running)
        scene.wait(1200)
        assert scene.writes() == []
        assert scene.letters() == []


def test_a_deregistration_that_cloud_map_fails_at_is_said_and_tried_again() -> None:
    with a_targets_scene() as scene:
        discovery = scene.cloud_map("shop", SHOP)
        (task,) = scene.serve(1)
        scene.cloud.discovery.fail_next("INTERNAL_FAILURE")
        scene.fleet.scale("shop", 0)
        scene.wait(10)
        assert scene.instances(discovery) == {task.address}
        scene.wait(35)
        assert scene.instances(discovery) == set()
        assert "operation failed" in scene.berthmaster.logs.text(SYNC)
        assert scene.letters() == []


def test_a_deregistration_that_cloud_map_never_succeeds_at_is_told_to_people_and_not_called_for_all_the_time() -> None:
    with a_targets_scene() as scene:
        scene.cloud_map("shop", SHOP)
        scene.serve(1)
        for _ in range(200):
            scene.cloud.discovery.fail_next("ACCESS_DENIED")
        scene.fleet.scale("shop", 0)
        for _ in range(10):
            scene.wait(30)
            scene.reconcile()
        calls = scene.cloud.calls.named("servicediscovery:DeregisterInstance")
        assert 5 < len(calls) < 60
        assert [code for code, _ in scene.findings()] == ["not deregistered"]


def test_a_registration_that_cloud_map_fails_at_is_said() -> None:
    with a_targets_scene() as scene:
        discovery = scene.cloud_map("shop", SHOP)
        scene.cloud.discovery.fail_next("INTERNAL_FAILURE")
        (task,) = scene.serve(1)
        assert scene.instances(discovery) == set()
        assert scene.targets() == {task.address}
        assert "operation failed" in scene.berthmaster.logs.text(SYNC)


# Messages that fail


def failing_for(scene: TargetsScene, group: str, code: str = "ServiceUnavailable") -> Callable[[], None]:
    """Let AWS fail at registrations in one target group; returns what ends that."""
    healthy = scene.cloud.answers["elbv2:RegisterTargets"]

    def fail(cloud: Any, params: Any) -> Any:
        if params["TargetGroupArn"] == group:
            raise AwsError(code, "Try again later.", status=503)
        return healthy(cloud, params)

    scene.cloud.answers["elbv2:RegisterTargets"] = fail

    def end() -> None:
        scene.cloud.answers["elbv2:RegisterTargets"] = healthy

    return end


def test_only_a_task_that_aws_failed_at_is_looked_at_again_and_soon() -> None:
    with a_targets_scene() as scene:
        other = scene.target_group("other", tags_of(service="other"))
        mend = failing_for(scene, scene.shop)
        scene.fleet.service("shop", scene.first_subnet(), 1)
        (task,) = scene.serve(1, name="other")
        assert scene.targets(other) == {task.address}
        assert scene.targets(scene.shop) == set()
        (waiting,) = [json.loads(message)["detail"] for message in scene.berthmaster.messages(QUEUE)]
        assert waiting["owners"] == [one.arn for one in scene.running("shop")]
        mend()
        scene.wait(60)
        assert scene.targets(scene.shop) == addresses(scene.running("shop"))
        assert scene.letters() == []
        assert registrations(scene)[other, task.address] == 1


@pytest.mark.parametrize("seconds", [10, 20])
def test_a_task_that_dies_while_aws_fails_at_deregistrations_is_out_within_half_a_minute(seconds: float) -> None:
    with a_targets_scene() as scene:
        (task,) = scene.serve(1)
        now = scene.cloud.clock.timestamp()
        scene.cloud.faults.begin_outage(Outage("elbv2:DeregisterTargets", until=now + seconds))
        scene.fleet.crash(task)
        scene.until_status(task, "DEPROVISIONING")
        with scene.deaf():
            scene.wait(30)
        outcomes = [call.outcome for call in scene.writes() if call.operation == "DeregisterTargets"]
        assert outcomes[0] != "ok"
        assert outcomes[-1] == "ok"
        assert task.address not in scene.targets()


def test_ecs_that_cannot_be_asked_for_a_while_delays_nothing_by_more_than_half_a_minute() -> None:
    with a_targets_scene() as scene:
        now = scene.cloud.clock.timestamp()
        scene.cloud.faults.begin_outage(Outage("ecs:DescribeTaskDefinition", until=now + 60))
        scene.fleet.service("shop", scene.first_subnet(), 1)
        scene.wait(50)
        assert scene.targets() == set()
        scene.wait(40)
        assert scene.targets() == addresses(scene.running())
        assert scene.letters() == []


def test_what_aws_fails_at_again_and_again_ends_in_the_dead_letter_queue() -> None:
    with a_targets_scene() as scene:
        failing_for(scene, scene.shop)
        (task,) = scene.serve(1)
        scene.wait(1500)
        letters = scene.letters()
        assert {owner for letter in letters for owner in letter["detail"]["owners"]} == {task.arn}
        assert [letter["detail"]["tries"] for letter in letters] == [5] * len(letters)


# What is told


def test_a_bus_that_takes_nothing_hinders_nobody_and_what_could_not_be_told_is_in_the_log() -> None:
    with a_targets_scene() as scene:
        now = scene.cloud.clock.timestamp()
        scene.cloud.faults.begin_outage(Outage("events:PutEvents", until=now + 600))
        (task,) = scene.serve(1)
        assert scene.targets() == {task.address}
        assert scene.berthmaster.messages(QUEUE) == []
        (untold,) = [one for one in scene.berthmaster.logs.records(SYNC) if one["message"] == "could not be told"]
        assert untold["level"] == "ERROR"
        assert untold["events"][0]["detail_type"] == "Targets Registered"
        assert task.address in json.dumps(untold["events"])
        assert [one["Untold"] for one in scene.berthmaster.logs.metrics(SYNC) if "Untold" in one] == [[1.0]]
        assert scene.events("Targets Registered") == []


def seconds(scene: TargetsScene, name: str) -> list[float]:
    """The values of a metric of targets_sync, in order."""
    return [value for record in scene.berthmaster.logs.metrics(SYNC) for value in record.get(name, [])]


def test_how_long_a_registration_takes_is_measured_from_the_event_on() -> None:
    with a_targets_scene() as scene:
        (task,) = scene.serve(1)
        (took,) = seconds(scene, "SecondsToRegister")
        assert 0 < took < 3
        scene.fleet.stop(task)
        scene.fleet.scale("shop", 0)
        scene.wait(120)
        (took,) = seconds(scene, "SecondsToDeregister")
        assert 0 < took < 3


def test_a_call_that_succeeds_late_is_measured_from_the_event_on() -> None:
    with a_targets_scene() as scene:
        (task,) = scene.serve(1)
        now = scene.cloud.clock.timestamp()
        scene.cloud.faults.begin_outage(Outage("elbv2:DeregisterTargets", until=now + 20))
        scene.fleet.scale("shop", 0)
        scene.wait(40)
        assert scene.targets() == set()
        told = next(one for one in scene.sightings(task) if one["detail"]["desiredStatus"] == "STOPPED")
        calls = [call for call in scene.writes() if call.operation == "DeregisterTargets"]
        assert [call.outcome for call in calls][-1] == "ok"
        (took,) = seconds(scene, "SecondsToDeregister")
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
    with a_targets_scene() as scene:
        scene.fleet.service("shop", scene.first_subnet(), 1)
        scene.wait(5)
        (task,) = scene.fleet.tasks
        scene.until_status(task, "RUNNING")
        wrong = scene.sighting(task)
        wrong["detail"][field] = value
        scene.berthmaster.put_event(wrong)
        scene.wait(2)
        assert scene.targets() == {task.address}
        before = len(scene.writes())
        scene.wait(1200)
        (letter,) = scene.letters()
        assert letter["detail"][field] == value
        failures = [
            record["error"] for record in scene.berthmaster.logs.records(SYNC) if record["message"] == "message failed"
        ]
        assert len(failures) == 5
        assert all(f"detail.{named}" in one for one in failures)
        assert len(scene.writes()) == before


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
    with a_targets_scene() as scene:
        scene.tell(detail_type, **detail)
        scene.wait(1200)
        assert [letter["detail"] for letter in scene.letters()] == [detail]
        assert named in scene.berthmaster.logs.text(SYNC)
        assert scene.writes() == []


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: path.stem)
def test_every_sample_event_is_handled_and_only_a_word_on_something_unknown_is_refused(path: Path) -> None:
    with a_targets_scene() as scene:
        tasks = scene.serve(1)
        before = len(scene.writes())
        invocation = scene.berthmaster.invoke(SYNC, json.loads(path.read_text()))
        assert invocation.error is None
        unknown = path.stem.endswith(("change_approved", "change_rejected", "drain_requested"))
        assert len(invocation.result["batchItemFailures"]) == (1 if unknown else 0)
        assert len(scene.writes()) == before
        assert scene.targets() == addresses(tasks)


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
    with a_targets_scene() as scene:
        cranes = scene.target_group("cranes", tags_of(service="cranes"))
        tasks = scene.serve(2)
        queue = scene.berthmaster.template.identity(QUEUE).ref
        for body in bodies:
            scene.cloud.client("sqs").send_message(QueueUrl=queue, MessageBody=body)
        scene.wait(1200)
        assert scene.targets() == addresses(tasks)
        known = {one["value"] for sample in SAMPLES for one in details_of_interfaces(sample)}
        assert scene.targets(cranes) <= known
        letters, told = scene.berthmaster.messages(DEAD_LETTERS), scene.berthmaster.logs.text(SYNC)
        for body in bodies:
            if field := refused_field(body):
                assert body in letters
                assert f"InvalidEvent('{field}: " in told or f'InvalidEvent(\\"{field}: ' in told


def details_of_interfaces(sample: dict[str, Any]) -> list[dict[str, str]]:
    return [one for attachment in sample["detail"].get("attachments", []) for one in attachment["details"]]
