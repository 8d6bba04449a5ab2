"""targets_reconcile, deployed from the template: what each destination has, against what it should have."""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from berthmaster.lease import Leases
from simulator.aws.ecs.task import Task
from simulator.errors import AwsError
from tests.support.kubernetes.server import ApiServer, Reply, recorded, reply
from tests.support.targets.scene import BUS, CLUSTER, PORT, RECONCILE, SHOP, TAG, TargetsScene, a_targets_scene, tags_of

COOL_DOWN = 130
"""Seconds after which what an event touched is the reconciliation's again."""
BATCH = tags_of(family="batch")


def addresses(tasks: list[Task]) -> set[str]:
    return {task.address for task in tasks}


def unheard(scene: TargetsScene, count: int, *, name: str = "shop") -> None:
    """Scale a service to so many tasks, and lose every event about it."""
    with scene.deaf():
        scene.fleet.scale(name, count)
        scene.wait(60)


def deregistered_by_hand(scene: TargetsScene, task: Task, arn: str = "") -> None:
    scene.cloud.client("elbv2").deregister_targets(
        TargetGroupArn=arn or scene.shop, Targets=[{"Id": task.address, "Port": task.port}]
    )


def writes_of_reconcile(scene: TargetsScene) -> list[str]:
    return [call.operation for call in scene.writes() if call.caller == RECONCILE]


def asked_by_name(scene: TargetsScene) -> set[str]:
    """The tasks that passes have had described."""
    calls = scene.cloud.calls.of(RECONCILE).named("ecs:DescribeTasks")
    return {arn for call in calls for arn in call.params["tasks"]}


def messages(scene: TargetsScene) -> list[str]:
    """What people were told."""
    return [one.message for one in scene.berthmaster.published]


# What events missed


def test_a_start_that_nobody_heard_of_is_healed() -> None:
    with a_targets_scene() as scene:
        discovery = scene.cloud_map("shop", SHOP)
        with scene.deaf():
            tasks = scene.serve(3)
        assert scene.targets() == set()
        scene.reconcile()
        assert scene.targets() == scene.instances(discovery) == addresses(tasks)
        scene.reconcile(times=2)
        assert writes_of_reconcile(scene) == ["RegisterTargets"] + 3 * ["RegisterInstance"]


def test_a_stop_that_nobody_heard_of_is_healed_in_the_second_pass_when_ecs_has_been_asked_by_name() -> None:
    with a_targets_scene() as scene:
        discovery = scene.cloud_map("shop", SHOP)
        gone, stays = scene.serve(2)
        with scene.deaf():
            scene.fleet.scale("shop", 1)
            scene.wait(COOL_DOWN)
        (left,) = scene.running()
        (lost,) = {gone, stays} - {left}
        scene.reconcile()
        assert scene.targets() == scene.instances(discovery) == addresses([gone, stays])
        assert lost.arn not in asked_by_name(scene)
        scene.reconcile()
        assert scene.targets() == scene.instances(discovery) == {left.address}
        assert lost.arn in asked_by_name(scene)


def test_a_task_that_ecs_lists_as_leaving_goes_at_once() -> None:
    with a_targets_scene() as scene:
        (task,) = scene.serve(1)
        scene.wait(COOL_DOWN)
        with scene.deaf():
            scene.fleet.interrupt(task)
            scene.cloud.answers["ecs:ListTasks"] = lambda _cloud, _params: {"taskArns": [task.arn]}
            scene.wait(1)
        assert task.is_listening
        scene.reconcile(minutes=0)
        assert scene.targets() == set()


def test_a_task_of_no_service_is_healed_by_its_family() -> None:
    with a_targets_scene() as scene:
        group = scene.target_group("batch", BATCH)
        with scene.deaf():
            task = scene.run_task("batch")
        scene.reconcile()
        assert scene.targets(group) == {task.address}


def test_a_task_that_waits_for_its_containers_health_is_waited_for_here_too() -> None:
    with a_targets_scene() as scene:
        with scene.deaf():
            scene.fleet.service("shop", scene.first_subnet(), 1, health_check=True)
            scene.wait(5)
            (task,) = scene.fleet.tasks
            scene.until_status(task, "RUNNING")
            task.next.cancel()
            scene.wait(60)
        scene.reconcile(times=2)
        assert task.health_status == "UNKNOWN"
        assert scene.targets() == set()


# What others did


def test_a_target_that_somebody_took_out_is_put_back() -> None:
    with a_targets_scene(drain=0) as scene:
        tasks = scene.serve(2)
        scene.wait(COOL_DOWN)
        deregistered_by_hand(scene, tasks[0])
        scene.reconcile()
        assert scene.targets() == addresses(tasks)


def test_an_instance_that_somebody_took_out_is_put_back() -> None:
    with a_targets_scene() as scene:
        discovery = scene.cloud_map("shop", SHOP, ttl=10)
        tasks = scene.serve(2)
        scene.wait(COOL_DOWN)
        service_id = discovery.rpartition("/")[2]
        taken = next(iter(scene.cloud.discovery.instances(service_id)))
        scene.cloud.client("servicediscovery").deregister_instance(ServiceId=service_id, InstanceId=taken)
        scene.wait(10)
        scene.reconcile()
        assert scene.instances(discovery) == addresses(tasks)


def test_a_target_that_somebody_took_out_and_that_drains_is_put_back_when_it_has_drained() -> None:
    with a_targets_scene(drain=100) as scene:
        (task,) = scene.serve(1)
        scene.wait(COOL_DOWN)
        deregistered_by_hand(scene, task)
        scene.reconcile()
        assert scene.state(task) == "draining"
        scene.reconcile(times=2)
        assert scene.targets() == {task.address}
        assert [call.outcome for call in scene.writes()] == ["ok", "ok"]


def test_what_an_event_has_just_touched_is_left_alone_for_two_minutes() -> None:
    with a_targets_scene(drain=0) as scene:
        scene.fleet.service("shop", scene.first_subnet(), 1)
        scene.wait(5)
        (task,) = scene.fleet.tasks
        scene.until_status(task, "RUNNING")
        scene.wait(2)
        deregistered_by_hand(scene, task)
        scene.wait(30)
        scene.reconcile(minutes=1)
        scene.reconcile(minutes=1)
        assert scene.targets() == set()
        scene.reconcile()
        assert scene.targets() == {task.address}


def test_a_target_that_a_person_registered_is_left_alone() -> None:
    with a_targets_scene() as scene:
        elb = scene.cloud.client("elbv2")
        with scene.deaf():
            (task,) = scene.serve(1)
        for address in ("10.0.0.61", task.address):
            elb.register_targets(TargetGroupArn=scene.shop, Targets=[{"Id": address, "Port": PORT}])
        scene.reconcile(times=3)
        unheard(scene, 0)
        scene.reconcile(times=3)
        assert scene.targets() == {"10.0.0.61", task.address}
        assert scene.writes() == []


def test_where_ecs_itself_registers_a_service_its_tasks_are_left_to_ecs() -> None:
    with a_targets_scene() as scene:
        scene.fleet.service("shop", scene.first_subnet(), 2)
        scene.cloud.ecs.services[f"{CLUSTER}:shop"].load_balancers = [
            {"targetGroupArn": scene.shop, "containerName": "shop", "containerPort": PORT}
        ]
        scene.wait(60)
        scene.reconcile(times=3)
        assert scene.writes() == []


@contextmanager
def a_lost_task_beside_a_persons_target() -> Iterator[tuple[TargetsScene, str, Task]]:
    """A task of no service has stopped unheard in a group where a person has registered 10.0.0.61."""
    with a_targets_scene(reuse=1.0) as scene:
        group = scene.target_group("batch", BATCH)
        scene.cloud.client("elbv2").register_targets(TargetGroupArn=group, Targets=[{"Id": "10.0.0.61", "Port": PORT}])
        former = scene.run_task("batch")
        scene.wait(COOL_DOWN)
        with scene.deaf():
            scene.fleet.stop(former)
            scene.until_status(former, "STOPPED")
        yield scene, group, former


def test_an_address_that_has_passed_on_to_somebody_unknown_is_left_to_a_person_where_others_register_too() -> None:
    with a_lost_task_beside_a_persons_target() as (scene, group, former):
        subnet_id = next(iter(scene.network.subnets))
        scene.cloud.client("ec2").create_network_interface(SubnetId=subnet_id, PrivateIpAddress=former.address)
        scene.reconcile(times=3)
        assert scene.targets(group) == {"10.0.0.61", former.address}
        (proposal,) = scene.events("Change Proposed")
        assert "passed on" in proposal["reason"]
        scene.tell("Change Approved", change=proposal["change"], by="mate")
        scene.wait(5)
        scene.reconcile()
        assert scene.targets(group) == {"10.0.0.61"}


def test_an_address_that_has_passed_on_to_a_task_of_nobodys_concern_is_taken_out() -> None:
    with a_lost_task_beside_a_persons_target() as (scene, group, former):
        with scene.deaf():
            newcomer = scene.run_task("other")
        assert newcomer.address == former.address
        scene.reconcile(times=3)
        assert scene.targets(group) == {"10.0.0.61"}
        assert scene.events("Change Proposed") == []


def test_an_address_that_has_passed_on_to_a_task_that_ecs_registers_there_is_left_to_ecs() -> None:
    with a_lost_task_beside_a_persons_target() as (scene, group, former):
        with scene.deaf():
            scene.fleet.service("native", scene.first_subnet(), 1)
            scene.cloud.ecs.services[f"{CLUSTER}:native"].load_balancers = [
                {"targetGroupArn": group, "containerName": "native", "containerPort": PORT}
            ]
            scene.wait(60)
        assert addresses(scene.running("native")) == {former.address}
        scene.reconcile(times=3)
        assert scene.targets(group) == {"10.0.0.61", former.address}
        assert writes_of_reconcile(scene) == []
        assert scene.events("Change Proposed") == []


def test_a_registration_that_cloud_map_failed_at_is_tried_again_after_five_minutes() -> None:
    with a_targets_scene() as scene:
        discovery = scene.cloud_map("shop", SHOP)
        scene.cloud.discovery.fail_next("INTERNAL_FAILURE")
        (task,) = scene.serve(1)
        scene.reconcile(times=2)
        assert scene.instances(discovery) == set()
        scene.reconcile(times=5)
        assert scene.instances(discovery) == {task.address}


def test_an_operation_of_cloud_map_that_fails_in_a_pass_is_told_to_people_and_tried_again() -> None:
    with a_targets_scene() as scene:
        discovery = scene.cloud_map("shop", SHOP)
        with scene.deaf():
            (task,) = scene.serve(1)
        scene.cloud.discovery.fail_next("INTERNAL_FAILURE")
        scene.reconcile(times=2)
        assert scene.instances(discovery) == set()
        assert [code for code, _ in scene.findings()] == ["operation failed"]
        scene.reconcile(times=6)
        assert scene.instances(discovery) == {task.address}
        assert len(messages(scene)) == 1


def test_a_task_that_drains_at_an_operators_word_is_not_put_back() -> None:
    with a_targets_scene(drain=400) as scene:
        discovery = scene.cloud_map("shop", SHOP)
        (task,) = scene.serve(1)
        scene.tell("Drain Requested", task=task.arn, by="mate")
        scene.wait(COOL_DOWN)
        scene.reconcile(times=3)
        assert task.is_running
        assert scene.targets() == scene.instances(discovery) == set()
        scene.wait(120)
        assert task.desired_status == "STOPPED"
        assert writes_of_reconcile(scene) == []


# Evidence


def test_a_list_that_is_empty_by_mistake_removes_nothing() -> None:
    with a_targets_scene() as scene:
        tasks = scene.serve(8)
        scene.wait(COOL_DOWN)
        scene.cloud.answers["ecs:ListTasks"] = lambda _cloud, _params: {"taskArns": []}
        scene.reconcile(times=5)
        assert scene.targets() == addresses(tasks)
        assert writes_of_reconcile(scene) == []
        assert messages(scene) == []


def down(code: str = "ServerException") -> Callable[[Any, Any], None]:
    def fail(_cloud: Any, _params: Any) -> None:
        raise AwsError(code, "Service Unavailable", status=500)

    return fail


@pytest.mark.parametrize("operation", ["ecs:ListTasks", "ecs:DescribeTasks"])
def test_an_ecs_that_does_not_answer_removes_nothing_and_fails_the_pass(operation: str) -> None:
    with a_targets_scene() as scene:
        tasks = scene.serve(2)
        unheard(scene, 0)
        scene.wait(COOL_DOWN)
        scene.reconcile()
        healthy = scene.cloud.answers[operation]
        scene.cloud.answers[operation] = down()
        for _ in range(3):
            assert scene.berthmaster.invoke(RECONCILE, {}).error is not None
            scene.wait(60)
        assert scene.targets() == addresses(tasks)
        scene.cloud.answers[operation] = healthy
        scene.reconcile(times=2)
        assert scene.targets() == set()


def test_one_cluster_that_does_not_answer_hinders_no_other() -> None:
    with a_targets_scene() as scene:
        scene.target_group("broken", {TAG: "managed", "berthmaster:cluster": "broken", "berthmaster:service": "x"})
        scene.target_group("absent", {TAG: "managed", "berthmaster:cluster": "absent", "berthmaster:service": "x"})
        healthy = scene.cloud.answers["ecs:ListTasks"]

        def answer(cloud: Any, params: Any) -> Any:
            if params["cluster"] == "broken":
                raise AwsError("ServerException", "Service Unavailable", status=500)
            if params["cluster"] == "absent":
                raise AwsError("ClusterNotFoundException", "Cluster not found.")
            return healthy(cloud, params)

        scene.cloud.answers["ecs:ListTasks"] = answer
        with scene.deaf():
            tasks = scene.serve(2)
        error = scene.berthmaster.invoke(RECONCILE, {}).error
        assert isinstance(error, ExceptionGroup)
        assert len(error.exceptions) == 1
        assert scene.targets() == addresses(tasks)
        assert [text for _, text in scene.findings()] == ["ECS knows no cluster absent"]


def test_a_task_that_ecs_no_longer_shows_is_believed_gone_after_an_hour() -> None:
    with a_targets_scene() as scene:
        (task,) = scene.serve(1)
        unheard(scene, 0)
        scene.wait(2 * 3600)
        assert not scene.cloud.tasks.is_visible(task)
        scene.reconcile(times=58)
        assert scene.targets() == {task.address}
        scene.reconcile(times=4)
        assert scene.targets() == set()


def test_a_cluster_that_is_gone_is_told_once_and_its_targets_go_after_an_hour() -> None:
    with a_targets_scene() as scene:
        group = scene.target_group("batch", BATCH)
        task = scene.run_task("batch")
        with scene.deaf():
            scene.fleet.stop(task)
            scene.until_status(task, "STOPPED")
        scene.cloud.client("ecs").delete_cluster(cluster=CLUSTER)
        del scene.cloud.ecs.clusters[CLUSTER]
        scene.wait(COOL_DOWN)
        scene.reconcile(times=50)
        assert scene.targets(group) == {task.address}
        assert {text for _, text in scene.findings()} == {f"ECS knows no cluster {CLUSTER}"}
        assert len(messages(scene)) == 1
        scene.reconcile(times=15)
        assert scene.targets(group) == set()


# The breaker


@contextmanager
def a_great_loss(**options: Any) -> Iterator[tuple[TargetsScene, set[str], str]]:
    """Eight of ten tasks are gone and nobody heard of it; yields all addresses, and the id of what is proposed."""
    with a_targets_scene(**options) as scene:
        before = addresses(scene.serve(10))
        scene.wait(COOL_DOWN)
        unheard(scene, 2)
        scene.reconcile(times=2)
        (proposal,) = scene.events("Change Proposed")
        yield scene, before, str(proposal["change"])


def test_when_much_would_go_at_once_people_are_asked_and_asked_once() -> None:
    with a_great_loss() as (scene, before, _):
        scene.reconcile(times=5)
        assert scene.targets() == before
        assert writes_of_reconcile(scene) == []
        (message,) = messages(scene)
        assert "remove 8 of 10 targets" in message
        assert scene.berthmaster.published[0].subject == "Berthmaster targets: change proposed for shop"
        held = [record for record in scene.berthmaster.logs.metrics(RECONCILE) if record["HeldBack"] == [1.0]]
        assert len(held) == 6


def test_the_message_holds_the_command_that_approves_it() -> None:
    with a_great_loss() as (scene, _, _):
        command = next(line for line in messages(scene)[0].splitlines() if "Change Approved" in line)
        entries = json.loads(command[command.index("'") + 1 : command.rindex("'")])
        assert entries[0]["EventBusName"] == BUS
        scene.cloud.client("events").put_events(Entries=entries)
        scene.wait(5)
        scene.reconcile()
        assert scene.targets() == addresses(scene.running())
        assert len(messages(scene)) == 1


def test_what_is_not_much_goes_unasked() -> None:
    with a_targets_scene() as scene:
        scene.serve(10)
        scene.wait(COOL_DOWN)
        unheard(scene, 5)
        scene.reconcile(times=2)
        assert scene.targets() == addresses(scene.running())
        assert messages(scene) == []


def test_only_what_was_approved_is_carried_out() -> None:
    with a_great_loss() as (scene, before, change):
        scene.tell("Change Approved", change=change, by="mate")
        scene.wait(5)
        proposed = {step["ip"] for step in scene.events("Change Proposed")[0]["steps"]}
        healthy = addresses(scene.running())
        assert proposed == before - healthy
        unheard(scene, 0)
        scene.reconcile()
        assert scene.targets() == healthy
        scene.reconcile()
        assert scene.targets() == set()
        assert len(scene.events("Change Proposed")) == 1


def test_what_more_comes_up_is_asked_for_by_itself() -> None:
    with a_targets_scene() as scene:
        scene.serve(30)
        scene.wait(COOL_DOWN)
        unheard(scene, 20)
        scene.reconcile(times=2)
        (first,) = scene.events("Change Proposed")
        unheard(scene, 8)
        scene.reconcile()
        scene.tell("Change Approved", change=first["change"], by="mate")
        scene.wait(5)
        scene.reconcile()
        assert len(scene.targets()) == 20
        (_, second) = scene.events("Change Proposed")
        rest = {step["ip"] for step in second["steps"]}
        assert len(rest) == 12
        assert rest.isdisjoint({step["ip"] for step in first["steps"]})


def test_what_is_approved_and_no_longer_called_for_is_not_carried_out() -> None:
    with a_targets_scene() as scene:
        before = scene.serve(10)
        scene.wait(COOL_DOWN)
        healthy = scene.cloud.answers["ecs:DescribeTasks"]

        def all_stopped(cloud: Any, params: Any) -> Any:
            answer = healthy(cloud, params)
            for task in answer["tasks"]:
                task |= {"lastStatus": "STOPPED", "desiredStatus": "STOPPED"}
            return answer

        scene.cloud.answers["ecs:DescribeTasks"] = all_stopped
        scene.reconcile(times=2)
        (proposal,) = scene.events("Change Proposed")
        scene.tell("Change Approved", change=proposal["change"], by="mate")
        scene.wait(5)
        scene.cloud.answers["ecs:DescribeTasks"] = healthy
        scene.reconcile(times=3)
        assert scene.targets() == addresses(before)
        assert writes_of_reconcile(scene) == []


def test_what_is_rejected_is_not_asked_again_for_a_day() -> None:
    with a_great_loss() as (scene, before, change):
        scene.tell("Change Rejected", change=change, by="mate")
        scene.wait(5)
        scene.reconcile(times=3)
        scene.wait(22 * 3600)
        scene.reconcile(times=2)
        assert scene.targets() == before
        assert len(messages(scene)) == 1
        scene.wait(2 * 3600)
        scene.reconcile(times=2)
        assert scene.targets() == before
        assert len(messages(scene)) == 2


def test_an_approval_older_than_a_day_approves_nothing() -> None:
    with a_great_loss() as (scene, before, change):
        scene.wait(25 * 3600)
        scene.tell("Change Approved", change=change, by="mate")
        scene.wait(5)
        scene.reconcile()
        assert scene.targets() == before


def test_the_breaker_is_the_operators_to_set() -> None:
    with a_targets_scene(TargetsBreakerPercent="90", TargetsBreakerFloor="0") as scene:
        scene.serve(10)
        scene.wait(COOL_DOWN)
        unheard(scene, 1)
        scene.reconcile(times=2)
        assert scene.targets() == addresses(scene.running())


# Tags


def test_a_destination_that_is_detached_loses_what_berthmaster_registered_and_nothing_else() -> None:
    with a_targets_scene() as scene:
        discovery = scene.cloud_map("shop", SHOP)
        elb = scene.cloud.client("elbv2")
        elb.register_targets(TargetGroupArn=scene.shop, Targets=[{"Id": "10.0.0.61", "Port": PORT}])
        tasks = scene.serve(10)
        scene.wait(COOL_DOWN)
        scene.retag(scene.shop, {TAG: "detached"})
        scene.reconcile(times=2)
        assert scene.targets() == {"10.0.0.61"}
        assert scene.instances(discovery) == addresses(tasks)
        assert messages(scene) == []
        scene.fleet.deploy("shop")
        scene.wait(120)
        scene.reconcile(times=2)
        assert scene.targets() == {"10.0.0.61"}
        assert scene.instances(discovery) == addresses(scene.running())


def test_a_destination_that_is_given_to_another_service_changes_its_targets() -> None:
    with a_targets_scene() as scene:
        shop, till = scene.serve(2), scene.serve(2, name="till")
        scene.wait(COOL_DOWN)
        assert scene.targets() == addresses(shop)
        scene.retag(scene.shop, {"berthmaster:service": "till"})
        scene.reconcile()
        assert scene.targets() == addresses(shop) | addresses(till)
        scene.reconcile()
        assert scene.targets() == addresses(till)


def test_a_destination_whose_tag_is_taken_away_keeps_its_targets() -> None:
    with a_targets_scene() as scene:
        tasks = scene.serve(2)
        scene.wait(COOL_DOWN)
        scene.cloud.client("elbv2").remove_tags(ResourceArns=[scene.shop], TagKeys=[TAG])
        scene.reconcile(times=3)
        scene.fleet.scale("shop", 0)
        scene.wait(60)
        scene.reconcile(times=3)
        assert scene.targets() == addresses(tasks)


def test_tags_that_make_no_sense_are_told_once_and_again_when_they_make_another_nonsense() -> None:
    with a_targets_scene() as scene:
        tasks = scene.serve(2)
        scene.wait(COOL_DOWN)
        scene.retag(scene.shop, {"berthmaster:family": "shop"})
        scene.reconcile(times=3)
        assert [code for code, _ in scene.findings()] == ["tags"]
        assert "exactly one of" in messages(scene)[0]
        scene.retag(scene.shop, {"berthmaster:port": "70000", "berthmaster:family": ""})
        scene.reconcile(times=3)
        assert [text for _, text in scene.findings()][1:] == ["berthmaster:port=70000 is not a port"]
        assert len(messages(scene)) == 2
        scene.retag(scene.shop, {"berthmaster:port": str(PORT)})
        scene.reconcile(times=3)
        assert len(messages(scene)) == 2
        assert scene.targets() == addresses(tasks)
        scene.retag(scene.shop, {"berthmaster:port": "70000"})
        scene.reconcile(times=3)
        assert len(messages(scene)) == 3


def test_a_port_that_nobody_listens_on_is_told_by_name() -> None:
    with a_targets_scene(shop=tags_of(service="shop", port="grpc")) as scene:
        scene.serve(3)
        scene.reconcile(times=3)
        assert scene.findings() == [("port", "no container port is named 'grpc'")]
        assert len(messages(scene)) == 1


@pytest.mark.parametrize("kind", ["instance", "lambda"])
def test_a_target_group_of_another_type_is_told_once(kind: str) -> None:
    with a_targets_scene() as scene:
        elb = scene.cloud.client("elbv2")
        network = {} if kind == "lambda" else {"Protocol": "HTTP", "Port": 80, "VpcId": scene.network.vpc_id}
        tags = [{"Key": key, "Value": value} for key, value in SHOP.items()]
        elb.create_target_group(Name="other", TargetType=kind, Tags=tags, **network)
        tasks = scene.serve(1)
        scene.reconcile(times=3)
        ((code, text),) = scene.findings()
        assert code == "target type"
        assert kind in text
        assert scene.targets() == addresses(tasks)


# Quotas


def test_a_target_group_that_is_full_is_told_once_and_newcomers_follow_those_who_leave() -> None:
    with a_targets_scene(drain=10) as scene:
        scene.cloud.quotas.apply("L-A0D0B863", 3)
        first = scene.serve(3)
        scene.fleet.scale("shop", 5)
        scene.wait(60)
        scene.reconcile(times=12)
        assert scene.targets() == addresses(first)
        assert [code for code, _ in scene.findings()] == ["no room"]
        assert len(messages(scene)) == 1
        scene.fleet.scale("shop", 3)
        scene.wait(60)
        scene.reconcile(times=8)
        assert scene.targets() == addresses(scene.running())


def test_a_service_of_cloud_map_that_is_full_is_told() -> None:
    with a_targets_scene() as scene:
        discovery = scene.cloud_map("shop", SHOP)
        scene.cloud.discovery.instances_per_service = 2
        with scene.deaf():
            scene.serve(3)
        scene.reconcile()
        assert len(scene.instances(discovery)) == 2
        assert [code for code, _ in scene.findings()] == ["no room"]


def test_a_target_that_aws_refuses_is_told_once_however_often_it_is_tried() -> None:
    with a_targets_scene() as scene:
        healthy = scene.cloud.answers["elbv2:RegisterTargets"]

        def refuse(_cloud: Any, _params: Any) -> None:
            raise AwsError("InvalidTarget", "The target is not what it should be.")

        scene.cloud.answers["elbv2:RegisterTargets"] = refuse
        with scene.deaf():
            tasks = scene.serve(1)
        scene.reconcile(times=20)
        ((code, text),) = scene.findings()
        assert code == "refused"
        assert tasks[0].address in text
        assert len(messages(scene)) == 1
        scene.cloud.answers["elbv2:RegisterTargets"] = healthy
        scene.reconcile(times=6)
        assert scene.targets() == addresses(tasks)


# Time


def test_what_one_pass_has_no_time_for_has_its_turn_in_another_though_every_container_dies() -> None:
    with a_targets_scene() as scene:
        groups = [scene.target_group(f"shop-{number}", SHOP) for number in range(8)]
        with scene.deaf():
            tasks = scene.serve(1)
        scene.cloud.call_latency = 0.6
        scene.reconcile(minutes=0)
        done = [arn for arn in (scene.shop, *groups) if scene.targets(arn)]
        assert 0 < len(done) < 9
        assert "no time for all" in scene.berthmaster.logs.text(RECONCILE)
        for _ in range(8):
            scene.wait(30)
            scene.berthmaster.runtime.kill_containers()
            scene.reconcile(minutes=0)
        assert all(scene.targets(arn) == addresses(tasks) for arn in (scene.shop, *groups))


def test_a_pass_that_begins_while_another_runs_does_nothing() -> None:
    with a_targets_scene() as scene:
        with scene.deaf():
            tasks = scene.serve(1)
        now = scene.cloud.clock.now()
        leases = Leases(scene.cloud.client("dynamodb"), scene.table)
        leases.acquire("targets reconciliation", owner="another", now=now, deadline=now + timedelta(seconds=30))
        scene.reconcile(minutes=0)
        assert scene.targets() == set()
        scene.wait(45)
        scene.reconcile(minutes=0)
        assert scene.targets() == addresses(tasks)


def test_passes_and_events_together_call_for_everything_once() -> None:
    with a_targets_scene(watched=True, drain=30) as scene:
        scene.serve(4)
        scene.fleet.deploy("shop")
        scene.wait(600)
        assert scene.targets() == addresses(scene.running())
        asked = [
            (call.operation, target["Id"])
            for call in scene.writes()
            if call.operation in {"RegisterTargets", "DeregisterTargets"}
            for target in call.params["Targets"]
        ]
        assert len(asked) == len(set(asked)) == 12
        assert messages(scene) == []
        assert scene.letters() == []


# Modes


def test_mode_observe_changes_nothing_and_reports_once() -> None:
    with a_targets_scene(mode="observe") as scene:
        tasks = scene.serve(2)
        scene.reconcile(times=4)
        assert scene.writes() == []
        (report,) = scene.events("Change Reported")
        assert {step["ip"] for step in report["steps"]} == addresses(tasks)
        assert len(messages(scene)) == 1
        assert "Change Approved" not in messages(scene)[0]


def test_in_mode_approve_arrivals_are_proposed_and_registered_after_approval() -> None:
    with a_targets_scene(mode="approve") as scene:
        tasks = scene.serve(2)
        scene.reconcile(times=3)
        assert scene.targets() == set()
        (proposal,) = scene.events("Change Proposed")
        assert {(step["call"], step["ip"]) for step in proposal["steps"]} == {
            ("register", address) for address in addresses(tasks)
        }
        assert len(messages(scene)) == 1
        scene.tell("Change Approved", change=proposal["change"], by="mate")
        scene.wait(5)
        scene.reconcile()
        assert scene.targets() == addresses(tasks)
        scene.fleet.scale("shop", 1)
        scene.wait(30)
        assert scene.targets() == addresses(scene.running())


def test_in_mode_approve_what_somebody_took_out_is_not_put_back_unasked() -> None:
    with a_targets_scene(drain=0) as scene:
        (task,) = scene.serve(1)
        scene.wait(150)
        scene.change_mode("approve")
        deregistered_by_hand(scene, task)
        scene.reconcile(times=4)
        assert scene.targets() == set()
        (proposal,) = scene.events("Change Proposed")
        assert [(step["call"], step["ip"]) for step in proposal["steps"]] == [("register", task.address)]
        scene.tell("Change Approved", change=proposal["change"], by="mate")
        scene.wait(5)
        scene.reconcile()
        assert scene.targets() == {task.address}


def test_what_was_reported_in_mode_observe_is_proposed_in_mode_approve() -> None:
    with a_targets_scene(mode="observe") as scene:
        scene.serve(2)
        scene.reconcile(times=2)
        scene.change_mode("approve")
        scene.reconcile(times=2)
        assert len(scene.events("Change Reported")) == len(scene.events("Change Proposed")) == 1


def test_in_mode_approve_nobody_inherits_what_was_approved_for_another() -> None:
    with a_targets_scene(reuse=1.0, drain=60) as scene:
        (former,) = scene.serve(1, spread=False)
        scene.wait(COOL_DOWN)
        scene.change_mode("approve")
        with scene.deaf():
            scene.fleet.crash(former)
            scene.wait(60)
        (heir,) = scene.running()
        assert heir.address == former.address
        scene.reconcile(minutes=0)
        assert scene.state(heir) == "draining"
        scene.reconcile(times=4)
        assert scene.state(heir) == ""
        (proposal,) = scene.events("Change Proposed")
        assert [(step["call"], step["owner"]) for step in proposal["steps"]] == [("register", heir.arn)]
        scene.tell("Change Approved", change=proposal["change"], by="mate")
        scene.wait(5)
        scene.reconcile()
        assert scene.targets() == {heir.address}


def test_in_mode_approve_nobody_is_registered_unasked_while_the_breaker_holds_others_back() -> None:
    with a_targets_scene(drain=10) as scene:
        scene.serve(10)
        scene.wait(COOL_DOWN)
        scene.change_mode("approve")
        with scene.deaf():
            scene.fleet.deploy("shop")
            scene.wait(240)
        scene.reconcile(times=3)
        assert scene.targets().isdisjoint(addresses(scene.running()))
        assert {step["call"] for event in scene.events("Change Proposed") for step in event["steps"]} == {
            "register",
            "deregister",
        }
        for proposal in scene.events("Change Proposed"):
            scene.tell("Change Approved", change=proposal["change"], by="mate")
        scene.wait(5)
        scene.reconcile()
        assert scene.targets() == addresses(scene.running())


# Pods

SLICES = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices"
PODS = {TAG: "managed", "berthmaster:eks-cluster": "blue", "berthmaster:namespace": "shop"}
PODS |= {"berthmaster:k8s-service": "web"}


@dataclass
class Pods:
    """The pods of the Service `web`, and the EKS cluster `blue` that tells of them."""

    scene: TargetsScene
    server: ApiServer
    group: str

    def say(self, *pods: dict[str, Any]) -> None:
        """Let the cluster list these endpoints."""
        answer = recorded("slices_during_a_move")
        answer["items"] = [answer["items"][0] | {"endpoints": list(pods)}]
        self.server.answers[SLICES] = [Reply(body=json.dumps(answer).encode())]

    def say_nothing(self) -> None:
        self.server.answers[SLICES] = [reply("internal_error")]

    def forget(self, number: int) -> None:
        """Let the cluster know no such pod any more."""
        name = pod(number)["targetRef"]["name"]
        answer = recorded("no_such_pod")
        answer["details"]["name"] = name
        self.server.answers[f"/api/v1/namespaces/shop/pods/{name}"] = [Reply(404, json.dumps(answer).encode())]

    def keep(self, number: int) -> None:
        """Let the cluster show a pod that lives."""
        reference = pod(number)["targetRef"]
        answer = recorded("pod")
        answer["metadata"] |= {"name": reference["name"], "uid": reference["uid"]}
        path = f"/api/v1/namespaces/shop/pods/{reference['name']}"
        self.server.answers[path] = [Reply(body=json.dumps(answer).encode())]


def pod(number: int, *, ready: bool = True, terminating: bool = False) -> dict[str, Any]:
    """An endpoint at 10.0.0.(20 + number)."""
    return {
        "addresses": [f"10.0.0.{20 + number}"],
        "conditions": {"ready": ready and not terminating, "serving": ready, "terminating": terminating},
        "targetRef": {
            "kind": "Pod",
            "namespace": "shop",
            "name": f"web-6d4cf56db6-{number:05}",
            "uid": f"0f3c2a9e-5b1d-4c8e-9a77-{number:012}",
        },
        "zone": "eu-central-1a",
    }


@contextmanager
def pods_of_a_cluster(*first: dict[str, Any]) -> Iterator[Pods]:
    with a_targets_scene() as scene, ApiServer() as server:
        scene.cloud.client("eks").create_cluster(
            name="blue",
            roleArn=f"arn:aws:iam::{scene.cloud.account}:role/eks",
            resourcesVpcConfig={"subnetIds": list(scene.network.subnets), "endpointPublicAccess": True},
        )
        cluster = scene.cloud.backend("eks").clusters["blue"]
        cluster.endpoint = server.url
        cluster.certificate_authority = {"data": b64encode(server.identity.authority.encode()).decode()}
        scene.serve(1)
        pods = Pods(scene, server, scene.target_group("web", PODS, drain=30))
        pods.say(*first)
        scene.reconcile()
        yield pods


def test_pods_are_registered_when_they_are_ready() -> None:
    with pods_of_a_cluster(pod(1), pod(2, ready=False)) as pods:
        assert pods.scene.targets(pods.group) == {"10.0.0.21"}
        pods.say(pod(1), pod(2))
        pods.scene.reconcile()
        assert pods.scene.cloud.targets.routable(pods.group) == {("10.0.0.21", 8080), ("10.0.0.22", 8080)}
        assert writes_of_reconcile(pods.scene) == 2 * ["RegisterTargets"]


def test_a_pod_that_terminates_is_taken_out_at_once() -> None:
    with pods_of_a_cluster(pod(1), pod(2)) as pods:
        pods.say(pod(1), pod(2, terminating=True))
        pods.scene.reconcile(minutes=0)
        assert pods.scene.targets(pods.group) == {"10.0.0.21"}


def test_a_pod_that_is_gone_is_taken_out_when_the_cluster_says_so_of_that_very_pod() -> None:
    with pods_of_a_cluster(pod(1), pod(2)) as pods:
        pods.say(pod(1))
        pods.forget(2)
        pods.scene.reconcile()
        assert pods.scene.targets(pods.group) == {"10.0.0.21", "10.0.0.22"}
        pods.scene.reconcile()
        assert pods.scene.targets(pods.group) == {"10.0.0.21"}


def test_pods_that_live_stay_when_their_service_lists_nobody() -> None:
    with pods_of_a_cluster(pod(1)) as pods:
        pods.say()
        pods.keep(1)
        pods.scene.reconcile(times=4)
        assert pods.scene.targets(pods.group) == {"10.0.0.21"}


def test_a_cluster_that_does_not_answer_is_told_once_and_nobody_is_taken_out() -> None:
    with pods_of_a_cluster(pod(1)) as pods:
        pods.say_nothing()
        pods.scene.reconcile(times=4)
        assert pods.scene.targets(pods.group) == {"10.0.0.21"}
        assert pods.scene.targets(pods.scene.shop) == addresses(pods.scene.running())
        ((code, text),) = pods.scene.findings()
        assert code == "no evidence"
        assert "HTTP 500" in text
        assert len(messages(pods.scene)) == 1


def test_a_pod_whose_address_another_pod_has_by_now_drains_first() -> None:
    with pods_of_a_cluster(pod(1)) as pods:
        heir = pod(2) | {"addresses": ["10.0.0.21"]}
        pods.say(heir)
        pods.forget(1)
        pods.scene.reconcile(minutes=0.2)
        assert pods.scene.cloud.targets.state(pods.group, "10.0.0.21", 8080) == "draining"
        pods.scene.reconcile(times=2)
        assert pods.scene.targets(pods.group) == {"10.0.0.21"}
        assert writes_of_reconcile(pods.scene) == ["RegisterTargets", "DeregisterTargets", "RegisterTargets"]


# Destinations that change hands


@pytest.mark.parametrize("count", [3, 10])
def test_a_service_that_is_handed_over_to_ecs_keeps_the_targets_of_its_tasks(count: int) -> None:
    with a_targets_scene() as scene:
        tasks = scene.serve(count)
        scene.wait(150)
        service = scene.cloud.ecs.services[f"{CLUSTER}:shop"]
        service.load_balancers = [{"targetGroupArn": scene.shop, "containerName": "shop", "containerPort": PORT}]
        scene.reconcile(times=6)
        assert scene.targets() == addresses(tasks)
        scene.fleet.stop(tasks[0])
        scene.wait(60)
        assert tasks[0].address not in scene.targets()


def test_a_port_that_makes_no_sense_hinders_no_departure() -> None:
    with a_targets_scene() as scene:
        tasks = scene.serve(2)
        scene.wait(150)
        scene.retag(scene.shop, {"berthmaster:port": "htp"})
        scene.reconcile(times=3)
        assert scene.targets() == addresses(tasks)
        with scene.deaf():
            scene.fleet.stop(tasks[0])
            scene.wait(60)
        scene.reconcile(times=4)
        assert scene.targets() == {tasks[1].address}
        assert [code for code, _ in scene.findings()] == ["port"]


def test_an_approval_is_good_for_once() -> None:
    with a_targets_scene(mode="approve", drain=0) as scene:
        (task,) = scene.serve(1)
        scene.reconcile(times=2)
        (proposal,) = scene.events("Change Proposed")
        scene.tell("Change Approved", change=proposal["change"], by="mate")
        scene.reconcile(times=2)
        assert scene.targets() == {task.address}
        scene.wait(150)
        deregistered_by_hand(scene, task)
        scene.reconcile(times=4)
        assert scene.targets() == set()
        assert len(scene.events("Change Proposed")) == 2
