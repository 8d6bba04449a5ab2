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
from simulator.errors import AwsError
from simulator.task import Task
from tests.kubernetes.server import ApiServer, Reply, recorded, reply
from tests.target_scenes import BUS, CLUSTER, PORT, RECONCILE, SHOP, TAG, Quay, a_quay, tags_of

COOL_DOWN = 130
"""Seconds after which what an event touched is the reconciliation's again."""
BATCH = tags_of(family="batch")


def addresses(tasks: list[Task]) -> set[str]:
    return {task.address for task in tasks}


def unheard(quay: Quay, count: int, *, name: str = "shop") -> None:
    """Scale a service to so many tasks, and lose every event about it."""
    with quay.deaf():
        quay.fleet.scale(name, count)
        quay.wait(60)


def deregistered_by_hand(quay: Quay, task: Task, arn: str = "") -> None:
    quay.cloud.client("elbv2").deregister_targets(
        TargetGroupArn=arn or quay.shop, Targets=[{"Id": task.address, "Port": task.port}]
    )


def writes_of_reconcile(quay: Quay) -> list[str]:
    return [call.operation for call in quay.writes() if call.caller == RECONCILE]


def asked_by_name(quay: Quay) -> set[str]:
    """The tasks that passes have had described."""
    calls = quay.cloud.calls.of(RECONCILE).named("ecs:DescribeTasks")
    return {arn for call in calls for arn in call.params["tasks"]}


def messages(quay: Quay) -> list[str]:
    """What people were told."""
    return [one.message for one in quay.berthmaster.published]


# What events missed


def test_a_start_that_nobody_heard_of_is_healed() -> None:
    with a_quay() as quay:
        discovery = quay.cloud_map("shop", SHOP)
        with quay.deaf():
            tasks = quay.serve(3)
        assert quay.targets() == set()
        quay.reconcile()
        assert quay.targets() == quay.instances(discovery) == addresses(tasks)
        quay.reconcile(times=2)
        assert writes_of_reconcile(quay) == ["RegisterTargets"] + 3 * ["RegisterInstance"]


def test_a_stop_that_nobody_heard_of_is_healed_in_the_second_pass_when_ecs_has_been_asked_by_name() -> None:
    with a_quay() as quay:
        discovery = quay.cloud_map("shop", SHOP)
        gone, stays = quay.serve(2)
        with quay.deaf():
            quay.fleet.scale("shop", 1)
            quay.wait(COOL_DOWN)
        (left,) = quay.running()
        (lost,) = {gone, stays} - {left}
        quay.reconcile()
        assert quay.targets() == quay.instances(discovery) == addresses([gone, stays])
        assert lost.arn not in asked_by_name(quay)
        quay.reconcile()
        assert quay.targets() == quay.instances(discovery) == {left.address}
        assert lost.arn in asked_by_name(quay)


def test_a_task_that_ecs_lists_as_leaving_goes_at_once() -> None:
    with a_quay() as quay:
        (task,) = quay.serve(1)
        quay.wait(COOL_DOWN)
        with quay.deaf():
            quay.fleet.interrupt(task)
            quay.cloud.answers["ecs:ListTasks"] = lambda _cloud, _params: {"taskArns": [task.arn]}
            quay.wait(1)
        assert task.is_listening
        quay.reconcile(minutes=0)
        assert quay.targets() == set()


def test_a_task_of_no_service_is_healed_by_its_family() -> None:
    with a_quay() as quay:
        group = quay.target_group("batch", BATCH)
        with quay.deaf():
            task = quay.run_task("batch")
        quay.reconcile()
        assert quay.targets(group) == {task.address}


def test_a_task_that_waits_for_its_containers_health_is_waited_for_here_too() -> None:
    with a_quay() as quay:
        with quay.deaf():
            quay.fleet.service("shop", quay.first_subnet(), 1, health_check=True)
            quay.wait(5)
            (task,) = quay.fleet.tasks
            quay.until_status(task, "RUNNING")
            task.next.cancel()
            quay.wait(60)
        quay.reconcile(times=2)
        assert task.health_status == "UNKNOWN"
        assert quay.targets() == set()


# What others did


def test_a_target_that_somebody_took_out_is_put_back() -> None:
    with a_quay(drain=0) as quay:
        tasks = quay.serve(2)
        quay.wait(COOL_DOWN)
        deregistered_by_hand(quay, tasks[0])
        quay.reconcile()
        assert quay.targets() == addresses(tasks)


def test_an_instance_that_somebody_took_out_is_put_back() -> None:
    with a_quay() as quay:
        discovery = quay.cloud_map("shop", SHOP, ttl=10)
        tasks = quay.serve(2)
        quay.wait(COOL_DOWN)
        service_id = discovery.rpartition("/")[2]
        taken = next(iter(quay.cloud.discovery.instances(service_id)))
        quay.cloud.client("servicediscovery").deregister_instance(ServiceId=service_id, InstanceId=taken)
        quay.wait(10)
        quay.reconcile()
        assert quay.instances(discovery) == addresses(tasks)


def test_a_target_that_somebody_took_out_and_that_drains_is_put_back_when_it_has_drained() -> None:
    with a_quay(drain=100) as quay:
        (task,) = quay.serve(1)
        quay.wait(COOL_DOWN)
        deregistered_by_hand(quay, task)
        quay.reconcile()
        assert quay.state(task) == "draining"
        quay.reconcile(times=2)
        assert quay.targets() == {task.address}
        assert [call.outcome for call in quay.writes()] == ["ok", "ok"]


def test_what_an_event_has_just_touched_is_left_alone_for_two_minutes() -> None:
    with a_quay(drain=0) as quay:
        quay.fleet.service("shop", quay.first_subnet(), 1)
        quay.wait(5)
        (task,) = quay.fleet.tasks
        quay.until_status(task, "RUNNING")
        quay.wait(2)
        deregistered_by_hand(quay, task)
        quay.wait(30)
        quay.reconcile(minutes=1)
        quay.reconcile(minutes=1)
        assert quay.targets() == set()
        quay.reconcile()
        assert quay.targets() == {task.address}


def test_a_target_that_a_person_registered_is_left_alone() -> None:
    with a_quay() as quay:
        elb = quay.cloud.client("elbv2")
        with quay.deaf():
            (task,) = quay.serve(1)
        for address in ("10.0.0.61", task.address):
            elb.register_targets(TargetGroupArn=quay.shop, Targets=[{"Id": address, "Port": PORT}])
        quay.reconcile(times=3)
        unheard(quay, 0)
        quay.reconcile(times=3)
        assert quay.targets() == {"10.0.0.61", task.address}
        assert quay.writes() == []


def test_where_ecs_itself_registers_a_service_its_tasks_are_left_to_ecs() -> None:
    with a_quay() as quay:
        quay.fleet.service("shop", quay.first_subnet(), 2)
        quay.cloud.ecs.services[f"{CLUSTER}:shop"].load_balancers = [
            {"targetGroupArn": quay.shop, "containerName": "shop", "containerPort": PORT}
        ]
        quay.wait(60)
        quay.reconcile(times=3)
        assert quay.writes() == []


@contextmanager
def a_lost_task_beside_a_persons_target() -> Iterator[tuple[Quay, str, Task]]:
    """A task of no service has stopped unheard in a group where a person has registered 10.0.0.61."""
    with a_quay(reuse=1.0) as quay:
        group = quay.target_group("batch", BATCH)
        quay.cloud.client("elbv2").register_targets(TargetGroupArn=group, Targets=[{"Id": "10.0.0.61", "Port": PORT}])
        former = quay.run_task("batch")
        quay.wait(COOL_DOWN)
        with quay.deaf():
            quay.fleet.stop(former)
            quay.until_status(former, "STOPPED")
        yield quay, group, former


def test_an_address_that_has_passed_on_to_somebody_unknown_is_left_to_a_person_where_others_register_too() -> None:
    with a_lost_task_beside_a_persons_target() as (quay, group, former):
        subnet_id = next(iter(quay.network.subnets))
        quay.cloud.client("ec2").create_network_interface(SubnetId=subnet_id, PrivateIpAddress=former.address)
        quay.reconcile(times=3)
        assert quay.targets(group) == {"10.0.0.61", former.address}
        (proposal,) = quay.events("Change Proposed")
        assert "passed on" in proposal["reason"]
        quay.tell("Change Approved", change=proposal["change"], by="mate")
        quay.wait(5)
        quay.reconcile()
        assert quay.targets(group) == {"10.0.0.61"}


def test_an_address_that_has_passed_on_to_a_task_of_nobodys_concern_is_taken_out() -> None:
    with a_lost_task_beside_a_persons_target() as (quay, group, former):
        with quay.deaf():
            newcomer = quay.run_task("other")
        assert newcomer.address == former.address
        quay.reconcile(times=3)
        assert quay.targets(group) == {"10.0.0.61"}
        assert quay.events("Change Proposed") == []


def test_an_address_that_has_passed_on_to_a_task_that_ecs_registers_there_is_left_to_ecs() -> None:
    with a_lost_task_beside_a_persons_target() as (quay, group, former):
        with quay.deaf():
            quay.fleet.service("native", quay.first_subnet(), 1)
            quay.cloud.ecs.services[f"{CLUSTER}:native"].load_balancers = [
                {"targetGroupArn": group, "containerName": "native", "containerPort": PORT}
            ]
            quay.wait(60)
        assert addresses(quay.running("native")) == {former.address}
        quay.reconcile(times=3)
        assert quay.targets(group) == {"10.0.0.61", former.address}
        assert writes_of_reconcile(quay) == []
        assert quay.events("Change Proposed") == []


def test_a_registration_that_cloud_map_failed_at_is_tried_again_after_five_minutes() -> None:
    with a_quay() as quay:
        discovery = quay.cloud_map("shop", SHOP)
        quay.cloud.discovery.fail_next("INTERNAL_FAILURE")
        (task,) = quay.serve(1)
        quay.reconcile(times=2)
        assert quay.instances(discovery) == set()
        quay.reconcile(times=5)
        assert quay.instances(discovery) == {task.address}


def test_an_operation_of_cloud_map_that_fails_in_a_pass_is_told_to_people_and_tried_again() -> None:
    with a_quay() as quay:
        discovery = quay.cloud_map("shop", SHOP)
        with quay.deaf():
            (task,) = quay.serve(1)
        quay.cloud.discovery.fail_next("INTERNAL_FAILURE")
        quay.reconcile(times=2)
        assert quay.instances(discovery) == set()
        assert [code for code, _ in quay.findings()] == ["operation failed"]
        quay.reconcile(times=6)
        assert quay.instances(discovery) == {task.address}
        assert len(messages(quay)) == 1


def test_a_task_that_drains_at_an_operators_word_is_not_put_back() -> None:
    with a_quay(drain=400) as quay:
        discovery = quay.cloud_map("shop", SHOP)
        (task,) = quay.serve(1)
        quay.tell("Drain Requested", task=task.arn, by="mate")
        quay.wait(COOL_DOWN)
        quay.reconcile(times=3)
        assert task.is_running
        assert quay.targets() == quay.instances(discovery) == set()
        quay.wait(120)
        assert task.desired_status == "STOPPED"
        assert writes_of_reconcile(quay) == []


# Evidence


def test_a_list_that_is_empty_by_mistake_removes_nothing() -> None:
    with a_quay() as quay:
        tasks = quay.serve(8)
        quay.wait(COOL_DOWN)
        quay.cloud.answers["ecs:ListTasks"] = lambda _cloud, _params: {"taskArns": []}
        quay.reconcile(times=5)
        assert quay.targets() == addresses(tasks)
        assert writes_of_reconcile(quay) == []
        assert messages(quay) == []


def down(code: str = "ServerException") -> Callable[[Any, Any], None]:
    def fail(_cloud: Any, _params: Any) -> None:
        raise AwsError(code, "Service Unavailable", status=500)

    return fail


@pytest.mark.parametrize("operation", ["ecs:ListTasks", "ecs:DescribeTasks"])
def test_an_ecs_that_does_not_answer_removes_nothing_and_fails_the_pass(operation: str) -> None:
    with a_quay() as quay:
        tasks = quay.serve(2)
        unheard(quay, 0)
        quay.wait(COOL_DOWN)
        quay.reconcile()
        healthy = quay.cloud.answers[operation]
        quay.cloud.answers[operation] = down()
        for _ in range(3):
            assert quay.berthmaster.invoke(RECONCILE, {}).error is not None
            quay.wait(60)
        assert quay.targets() == addresses(tasks)
        quay.cloud.answers[operation] = healthy
        quay.reconcile(times=2)
        assert quay.targets() == set()


def test_one_cluster_that_does_not_answer_hinders_no_other() -> None:
    with a_quay() as quay:
        quay.target_group("broken", {TAG: "managed", "berthmaster:cluster": "broken", "berthmaster:service": "x"})
        quay.target_group("absent", {TAG: "managed", "berthmaster:cluster": "absent", "berthmaster:service": "x"})
        healthy = quay.cloud.answers["ecs:ListTasks"]

        def answer(cloud: Any, params: Any) -> Any:
            if params["cluster"] == "broken":
                raise AwsError("ServerException", "Service Unavailable", status=500)
            if params["cluster"] == "absent":
                raise AwsError("ClusterNotFoundException", "Cluster not found.")
            return healthy(cloud, params)

        quay.cloud.answers["ecs:ListTasks"] = answer
        with quay.deaf():
            tasks = quay.serve(2)
        error = quay.berthmaster.invoke(RECONCILE, {}).error
        assert isinstance(error, ExceptionGroup)
        assert len(error.exceptions) == 1
        assert quay.targets() == addresses(tasks)
        assert [text for _, text in quay.findings()] == ["ECS knows no cluster absent"]


def test_a_task_that_ecs_no_longer_shows_is_believed_gone_after_an_hour() -> None:
    with a_quay() as quay:
        (task,) = quay.serve(1)
        unheard(quay, 0)
        quay.wait(2 * 3600)
        assert not quay.cloud.tasks.is_visible(task)
        quay.reconcile(times=58)
        assert quay.targets() == {task.address}
        quay.reconcile(times=4)
        assert quay.targets() == set()


def test_a_cluster_that_is_gone_is_told_once_and_its_targets_go_after_an_hour() -> None:
    with a_quay() as quay:
        group = quay.target_group("batch", BATCH)
        task = quay.run_task("batch")
        with quay.deaf():
            quay.fleet.stop(task)
            quay.until_status(task, "STOPPED")
        quay.cloud.client("ecs").delete_cluster(cluster=CLUSTER)
        del quay.cloud.ecs.clusters[CLUSTER]
        quay.wait(COOL_DOWN)
        quay.reconcile(times=50)
        assert quay.targets(group) == {task.address}
        assert {text for _, text in quay.findings()} == {f"ECS knows no cluster {CLUSTER}"}
        assert len(messages(quay)) == 1
        quay.reconcile(times=15)
        assert quay.targets(group) == set()


# The breaker


@contextmanager
def a_great_loss(**scene: Any) -> Iterator[tuple[Quay, set[str], str]]:
    """Eight of ten tasks are gone and nobody heard of it; yields all addresses, and the id of what is proposed."""
    with a_quay(**scene) as quay:
        before = addresses(quay.serve(10))
        quay.wait(COOL_DOWN)
        unheard(quay, 2)
        quay.reconcile(times=2)
        (proposal,) = quay.events("Change Proposed")
        yield quay, before, str(proposal["change"])


def test_when_much_would_go_at_once_people_are_asked_and_asked_once() -> None:
    with a_great_loss() as (quay, before, _):
        quay.reconcile(times=5)
        assert quay.targets() == before
        assert writes_of_reconcile(quay) == []
        (message,) = messages(quay)
        assert "remove 8 of 10 targets" in message
        assert quay.berthmaster.published[0].subject == "Berthmaster targets: change proposed for shop"
        held = [record for record in quay.berthmaster.logs.metrics(RECONCILE) if record["HeldBack"] == [1.0]]
        assert len(held) == 6


def test_the_message_holds_the_command_that_approves_it() -> None:
    with a_great_loss() as (quay, _, _):
        command = next(line for line in messages(quay)[0].splitlines() if "Change Approved" in line)
        entries = json.loads(command[command.index("'") + 1 : command.rindex("'")])
        assert entries[0]["EventBusName"] == BUS
        quay.cloud.client("events").put_events(Entries=entries)
        quay.wait(5)
        quay.reconcile()
        assert quay.targets() == addresses(quay.running())
        assert len(messages(quay)) == 1


def test_what_is_not_much_goes_unasked() -> None:
    with a_quay() as quay:
        quay.serve(10)
        quay.wait(COOL_DOWN)
        unheard(quay, 5)
        quay.reconcile(times=2)
        assert quay.targets() == addresses(quay.running())
        assert messages(quay) == []


def test_only_what_was_approved_is_carried_out() -> None:
    with a_great_loss() as (quay, before, change):
        quay.tell("Change Approved", change=change, by="mate")
        quay.wait(5)
        proposed = {step["ip"] for step in quay.events("Change Proposed")[0]["steps"]}
        healthy = addresses(quay.running())
        assert proposed == before - healthy
        unheard(quay, 0)
        quay.reconcile()
        assert quay.targets() == healthy
        quay.reconcile()
        assert quay.targets() == set()
        assert len(quay.events("Change Proposed")) == 1


def test_what_more_comes_up_is_asked_for_by_itself() -> None:
    with a_quay() as quay:
        quay.serve(30)
        quay.wait(COOL_DOWN)
        unheard(quay, 20)
        quay.reconcile(times=2)
        (first,) = quay.events("Change Proposed")
        unheard(quay, 8)
        quay.reconcile()
        quay.tell("Change Approved", change=first["change"], by="mate")
        quay.wait(5)
        quay.reconcile()
        assert len(quay.targets()) == 20
        (_, second) = quay.events("Change Proposed")
        rest = {step["ip"] for step in second["steps"]}
        assert len(rest) == 12
        assert rest.isdisjoint({step["ip"] for step in first["steps"]})


def test_what_is_approved_and_no_longer_called_for_is_not_carried_out() -> None:
    with a_quay() as quay:
        before = quay.serve(10)
        quay.wait(COOL_DOWN)
        healthy = quay.cloud.answers["ecs:DescribeTasks"]

        def all_stopped(cloud: Any, params: Any) -> Any:
            answer = healthy(cloud, params)
            for task in answer["tasks"]:
                task |= {"lastStatus": "STOPPED", "desiredStatus": "STOPPED"}
            return answer

        quay.cloud.answers["ecs:DescribeTasks"] = all_stopped
        quay.reconcile(times=2)
        (proposal,) = quay.events("Change Proposed")
        quay.tell("Change Approved", change=proposal["change"], by="mate")
        quay.wait(5)
        quay.cloud.answers["ecs:DescribeTasks"] = healthy
        quay.reconcile(times=3)
        assert quay.targets() == addresses(before)
        assert writes_of_reconcile(quay) == []


def test_what_is_rejected_is_not_asked_again_for_a_day() -> None:
    with a_great_loss() as (quay, before, change):
        quay.tell("Change Rejected", change=change, by="mate")
        quay.wait(5)
        quay.reconcile(times=3)
        quay.wait(22 * 3600)
        quay.reconcile(times=2)
        assert quay.targets() == before
        assert len(messages(quay)) == 1
        quay.wait(2 * 3600)
        quay.reconcile(times=2)
        assert quay.targets() == before
        assert len(messages(quay)) == 2


def test_an_approval_older_than_a_day_approves_nothing() -> None:
    with a_great_loss() as (quay, before, change):
        quay.wait(25 * 3600)
        quay.tell("Change Approved", change=change, by="mate")
        quay.wait(5)
        quay.reconcile()
        assert quay.targets() == before


def test_the_breaker_is_the_operators_to_set() -> None:
    with a_quay(TargetsBreakerPercent="90", TargetsBreakerFloor="0") as quay:
        quay.serve(10)
        quay.wait(COOL_DOWN)
        unheard(quay, 1)
        quay.reconcile(times=2)
        assert quay.targets() == addresses(quay.running())


# Tags


def test_a_destination_that_is_detached_loses_what_berthmaster_registered_and_nothing_else() -> None:
    with a_quay() as quay:
        discovery = quay.cloud_map("shop", SHOP)
        elb = quay.cloud.client("elbv2")
        elb.register_targets(TargetGroupArn=quay.shop, Targets=[{"Id": "10.0.0.61", "Port": PORT}])
        tasks = quay.serve(10)
        quay.wait(COOL_DOWN)
        quay.retag(quay.shop, {TAG: "detached"})
        quay.reconcile(times=2)
        assert quay.targets() == {"10.0.0.61"}
        assert quay.instances(discovery) == addresses(tasks)
        assert messages(quay) == []
        quay.fleet.deploy("shop")
        quay.wait(120)
        quay.reconcile(times=2)
        assert quay.targets() == {"10.0.0.61"}
        assert quay.instances(discovery) == addresses(quay.running())


def test_a_destination_that_is_given_to_another_service_changes_its_targets() -> None:
    with a_quay() as quay:
        shop, till = quay.serve(2), quay.serve(2, name="till")
        quay.wait(COOL_DOWN)
        assert quay.targets() == addresses(shop)
        quay.retag(quay.shop, {"berthmaster:service": "till"})
        quay.reconcile()
        assert quay.targets() == addresses(shop) | addresses(till)
        quay.reconcile()
        assert quay.targets() == addresses(till)


def test_a_destination_whose_tag_is_taken_away_keeps_its_targets() -> None:
    with a_quay() as quay:
        tasks = quay.serve(2)
        quay.wait(COOL_DOWN)
        quay.cloud.client("elbv2").remove_tags(ResourceArns=[quay.shop], TagKeys=[TAG])
        quay.reconcile(times=3)
        quay.fleet.scale("shop", 0)
        quay.wait(60)
        quay.reconcile(times=3)
        assert quay.targets() == addresses(tasks)


def test_tags_that_make_no_sense_are_told_once_and_again_when_they_make_another_nonsense() -> None:
    with a_quay() as quay:
        tasks = quay.serve(2)
        quay.wait(COOL_DOWN)
        quay.retag(quay.shop, {"berthmaster:family": "shop"})
        quay.reconcile(times=3)
        assert [code for code, _ in quay.findings()] == ["tags"]
        assert "exactly one of" in messages(quay)[0]
        quay.retag(quay.shop, {"berthmaster:port": "70000", "berthmaster:family": ""})
        quay.reconcile(times=3)
        assert [text for _, text in quay.findings()][1:] == ["berthmaster:port=70000 is not a port"]
        assert len(messages(quay)) == 2
        quay.retag(quay.shop, {"berthmaster:port": str(PORT)})
        quay.reconcile(times=3)
        assert len(messages(quay)) == 2
        assert quay.targets() == addresses(tasks)
        quay.retag(quay.shop, {"berthmaster:port": "70000"})
        quay.reconcile(times=3)
        assert len(messages(quay)) == 3


def test_a_port_that_nobody_listens_on_is_told_by_name() -> None:
    with a_quay(shop=tags_of(service="shop", port="grpc")) as quay:
        quay.serve(3)
        quay.reconcile(times=3)
        assert quay.findings() == [("port", "no container port is named 'grpc'")]
        assert len(messages(quay)) == 1


@pytest.mark.parametrize("kind", ["instance", "lambda"])
def test_a_target_group_of_another_type_is_told_once(kind: str) -> None:
    with a_quay() as quay:
        elb = quay.cloud.client("elbv2")
        network = {} if kind == "lambda" else {"Protocol": "HTTP", "Port": 80, "VpcId": quay.network.vpc_id}
        tags = [{"Key": key, "Value": value} for key, value in SHOP.items()]
        elb.create_target_group(Name="other", TargetType=kind, Tags=tags, **network)
        tasks = quay.serve(1)
        quay.reconcile(times=3)
        ((code, text),) = quay.findings()
        assert code == "target type"
        assert kind in text
        assert quay.targets() == addresses(tasks)


# Quotas


def test_a_target_group_that_is_full_is_told_once_and_newcomers_follow_those_who_leave() -> None:
    with a_quay(drain=10) as quay:
        quay.cloud.quotas.apply("L-A0D0B863", 3)
        first = quay.serve(3)
        quay.fleet.scale("shop", 5)
        quay.wait(60)
        quay.reconcile(times=12)
        assert quay.targets() == addresses(first)
        assert [code for code, _ in quay.findings()] == ["no room"]
        assert len(messages(quay)) == 1
        quay.fleet.scale("shop", 3)
        quay.wait(60)
        quay.reconcile(times=8)
        assert quay.targets() == addresses(quay.running())


def test_a_service_of_cloud_map_that_is_full_is_told() -> None:
    with a_quay() as quay:
        discovery = quay.cloud_map("shop", SHOP)
        quay.cloud.discovery.instances_per_service = 2
        with quay.deaf():
            quay.serve(3)
        quay.reconcile()
        assert len(quay.instances(discovery)) == 2
        assert [code for code, _ in quay.findings()] == ["no room"]


def test_a_target_that_aws_refuses_is_told_once_however_often_it_is_tried() -> None:
    with a_quay() as quay:
        healthy = quay.cloud.answers["elbv2:RegisterTargets"]

        def refuse(_cloud: Any, _params: Any) -> None:
            raise AwsError("InvalidTarget", "The target is not what it should be.")

        quay.cloud.answers["elbv2:RegisterTargets"] = refuse
        with quay.deaf():
            tasks = quay.serve(1)
        quay.reconcile(times=20)
        ((code, text),) = quay.findings()
        assert code == "refused"
        assert tasks[0].address in text
        assert len(messages(quay)) == 1
        quay.cloud.answers["elbv2:RegisterTargets"] = healthy
        quay.reconcile(times=6)
        assert quay.targets() == addresses(tasks)


# Time


def test_what_one_pass_has_no_time_for_has_its_turn_in_another_though_every_container_dies() -> None:
    with a_quay() as quay:
        groups = [quay.target_group(f"shop-{number}", SHOP) for number in range(8)]
        with quay.deaf():
            tasks = quay.serve(1)
        quay.cloud.call_latency = 0.6
        quay.reconcile(minutes=0)
        done = [arn for arn in (quay.shop, *groups) if quay.targets(arn)]
        assert 0 < len(done) < 9
        assert "no time for all" in quay.berthmaster.logs.text(RECONCILE)
        for _ in range(8):
            quay.wait(30)
            quay.berthmaster.runtime.kill_containers()
            quay.reconcile(minutes=0)
        assert all(quay.targets(arn) == addresses(tasks) for arn in (quay.shop, *groups))


def test_a_pass_that_begins_while_another_runs_does_nothing() -> None:
    with a_quay() as quay:
        with quay.deaf():
            tasks = quay.serve(1)
        now = quay.cloud.clock.now()
        leases = Leases(quay.cloud.client("dynamodb"), quay.table)
        leases.acquire("targets reconciliation", owner="another", now=now, deadline=now + timedelta(seconds=30))
        quay.reconcile(minutes=0)
        assert quay.targets() == set()
        quay.wait(45)
        quay.reconcile(minutes=0)
        assert quay.targets() == addresses(tasks)


def test_passes_and_events_together_call_for_everything_once() -> None:
    with a_quay(watched=True, drain=30) as quay:
        quay.serve(4)
        quay.fleet.deploy("shop")
        quay.wait(600)
        assert quay.targets() == addresses(quay.running())
        asked = [
            (call.operation, target["Id"])
            for call in quay.writes()
            if call.operation in {"RegisterTargets", "DeregisterTargets"}
            for target in call.params["Targets"]
        ]
        assert len(asked) == len(set(asked)) == 12
        assert messages(quay) == []
        assert quay.letters() == []


# Modes


def test_mode_observe_changes_nothing_and_reports_once() -> None:
    with a_quay(mode="observe") as quay:
        tasks = quay.serve(2)
        quay.reconcile(times=4)
        assert quay.writes() == []
        (report,) = quay.events("Change Reported")
        assert {step["ip"] for step in report["steps"]} == addresses(tasks)
        assert len(messages(quay)) == 1
        assert "Change Approved" not in messages(quay)[0]


def test_in_mode_approve_arrivals_are_proposed_and_registered_after_approval() -> None:
    with a_quay(mode="approve") as quay:
        tasks = quay.serve(2)
        quay.reconcile(times=3)
        assert quay.targets() == set()
        (proposal,) = quay.events("Change Proposed")
        assert {(step["call"], step["ip"]) for step in proposal["steps"]} == {
            ("register", address) for address in addresses(tasks)
        }
        assert len(messages(quay)) == 1
        quay.tell("Change Approved", change=proposal["change"], by="mate")
        quay.wait(5)
        quay.reconcile()
        assert quay.targets() == addresses(tasks)
        quay.fleet.scale("shop", 1)
        quay.wait(30)
        assert quay.targets() == addresses(quay.running())


def test_in_mode_approve_what_somebody_took_out_is_not_put_back_unasked() -> None:
    with a_quay(drain=0) as quay:
        (task,) = quay.serve(1)
        quay.wait(150)
        quay.change_mode("approve")
        deregistered_by_hand(quay, task)
        quay.reconcile(times=4)
        assert quay.targets() == set()
        (proposal,) = quay.events("Change Proposed")
        assert [(step["call"], step["ip"]) for step in proposal["steps"]] == [("register", task.address)]
        quay.tell("Change Approved", change=proposal["change"], by="mate")
        quay.wait(5)
        quay.reconcile()
        assert quay.targets() == {task.address}


def test_what_was_reported_in_mode_observe_is_proposed_in_mode_approve() -> None:
    with a_quay(mode="observe") as quay:
        quay.serve(2)
        quay.reconcile(times=2)
        quay.change_mode("approve")
        quay.reconcile(times=2)
        assert len(quay.events("Change Reported")) == len(quay.events("Change Proposed")) == 1


def test_in_mode_approve_nobody_inherits_what_was_approved_for_another() -> None:
    with a_quay(reuse=1.0, drain=60) as quay:
        (former,) = quay.serve(1, spread=False)
        quay.wait(COOL_DOWN)
        quay.change_mode("approve")
        with quay.deaf():
            quay.fleet.crash(former)
            quay.wait(60)
        (heir,) = quay.running()
        assert heir.address == former.address
        quay.reconcile(minutes=0)
        assert quay.state(heir) == "draining"
        quay.reconcile(times=4)
        assert quay.state(heir) == ""
        (proposal,) = quay.events("Change Proposed")
        assert [(step["call"], step["owner"]) for step in proposal["steps"]] == [("register", heir.arn)]
        quay.tell("Change Approved", change=proposal["change"], by="mate")
        quay.wait(5)
        quay.reconcile()
        assert quay.targets() == {heir.address}


def test_in_mode_approve_nobody_is_registered_unasked_while_the_breaker_holds_others_back() -> None:
    with a_quay(drain=10) as quay:
        quay.serve(10)
        quay.wait(COOL_DOWN)
        quay.change_mode("approve")
        with quay.deaf():
            quay.fleet.deploy("shop")
            quay.wait(240)
        quay.reconcile(times=3)
        assert quay.targets().isdisjoint(addresses(quay.running()))
        assert {step["call"] for event in quay.events("Change Proposed") for step in event["steps"]} == {
            "register",
            "deregister",
        }
        for proposal in quay.events("Change Proposed"):
            quay.tell("Change Approved", change=proposal["change"], by="mate")
        quay.wait(5)
        quay.reconcile()
        assert quay.targets() == addresses(quay.running())


# Pods

SLICES = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices"
PODS = {TAG: "managed", "berthmaster:eks-cluster": "blue", "berthmaster:namespace": "shop"}
PODS |= {"berthmaster:k8s-service": "web"}


@dataclass
class Pods:
    """The pods of the Service `web`, and the EKS cluster `blue` that tells of them."""

    quay: Quay
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
    with a_quay() as quay, ApiServer() as server:
        quay.cloud.client("eks").create_cluster(
            name="blue",
            roleArn=f"arn:aws:iam::{quay.cloud.account}:role/eks",
            resourcesVpcConfig={"subnetIds": list(quay.network.subnets), "endpointPublicAccess": True},
        )
        cluster = quay.cloud.backend("eks").clusters["blue"]
        cluster.endpoint = server.url
        cluster.certificate_authority = {"data": b64encode(server.identity.authority.encode()).decode()}
        quay.serve(1)
        pods = Pods(quay, server, quay.target_group("web", PODS, drain=30))
        pods.say(*first)
        quay.reconcile()
        yield pods


def test_pods_are_registered_when_they_are_ready() -> None:
    with pods_of_a_cluster(pod(1), pod(2, ready=False)) as pods:
        assert pods.quay.targets(pods.group) == {"10.0.0.21"}
        pods.say(pod(1), pod(2))
        pods.quay.reconcile()
        assert pods.quay.cloud.targets.routable(pods.group) == {("10.0.0.21", 8080), ("10.0.0.22", 8080)}
        assert writes_of_reconcile(pods.quay) == 2 * ["RegisterTargets"]


def test_a_pod_that_terminates_is_taken_out_at_once() -> None:
    with pods_of_a_cluster(pod(1), pod(2)) as pods:
        pods.say(pod(1), pod(2, terminating=True))
        pods.quay.reconcile(minutes=0)
        assert pods.quay.targets(pods.group) == {"10.0.0.21"}


def test_a_pod_that_is_gone_is_taken_out_when_the_cluster_says_so_of_that_very_pod() -> None:
    with pods_of_a_cluster(pod(1), pod(2)) as pods:
        pods.say(pod(1))
        pods.forget(2)
        pods.quay.reconcile()
        assert pods.quay.targets(pods.group) == {"10.0.0.21", "10.0.0.22"}
        pods.quay.reconcile()
        assert pods.quay.targets(pods.group) == {"10.0.0.21"}


def test_pods_that_live_stay_when_their_service_lists_nobody() -> None:
    with pods_of_a_cluster(pod(1)) as pods:
        pods.say()
        pods.keep(1)
        pods.quay.reconcile(times=4)
        assert pods.quay.targets(pods.group) == {"10.0.0.21"}


def test_a_cluster_that_does_not_answer_is_told_once_and_nobody_is_taken_out() -> None:
    with pods_of_a_cluster(pod(1)) as pods:
        pods.say_nothing()
        pods.quay.reconcile(times=4)
        assert pods.quay.targets(pods.group) == {"10.0.0.21"}
        assert pods.quay.targets(pods.quay.shop) == addresses(pods.quay.running())
        ((code, text),) = pods.quay.findings()
        assert code == "no evidence"
        assert "HTTP 500" in text
        assert len(messages(pods.quay)) == 1


def test_a_pod_whose_address_another_pod_has_by_now_drains_first() -> None:
    with pods_of_a_cluster(pod(1)) as pods:
        heir = pod(2) | {"addresses": ["10.0.0.21"]}
        pods.say(heir)
        pods.forget(1)
        pods.quay.reconcile(minutes=0.2)
        assert pods.quay.cloud.targets.state(pods.group, "10.0.0.21", 8080) == "draining"
        pods.quay.reconcile(times=2)
        assert pods.quay.targets(pods.group) == {"10.0.0.21"}
        assert writes_of_reconcile(pods.quay) == ["RegisterTargets", "DeregisterTargets", "RegisterTargets"]


# Destinations that change hands


@pytest.mark.parametrize("count", [3, 10])
def test_a_service_that_is_handed_over_to_ecs_keeps_the_targets_of_its_tasks(count: int) -> None:
    with a_quay() as quay:
        tasks = quay.serve(count)
        quay.wait(150)
        service = quay.cloud.ecs.services[f"{CLUSTER}:shop"]
        service.load_balancers = [{"targetGroupArn": quay.shop, "containerName": "shop", "containerPort": PORT}]
        quay.reconcile(times=6)
        assert quay.targets() == addresses(tasks)
        quay.fleet.stop(tasks[0])
        quay.wait(60)
        assert tasks[0].address not in quay.targets()


def test_a_port_that_makes_no_sense_hinders_no_departure() -> None:
    with a_quay() as quay:
        tasks = quay.serve(2)
        quay.wait(150)
        quay.retag(quay.shop, {"berthmaster:port": "htp"})
        quay.reconcile(times=3)
        assert quay.targets() == addresses(tasks)
        with quay.deaf():
            quay.fleet.stop(tasks[0])
            quay.wait(60)
        quay.reconcile(times=4)
        assert quay.targets() == {tasks[1].address}
        assert [code for code, _ in quay.findings()] == ["port"]


def test_an_approval_is_good_for_once() -> None:
    with a_quay(mode="approve", drain=0) as quay:
        (task,) = quay.serve(1)
        quay.reconcile(times=2)
        (proposal,) = quay.events("Change Proposed")
        quay.tell("Change Approved", change=proposal["change"], by="mate")
        quay.reconcile(times=2)
        assert quay.targets() == {task.address}
        quay.wait(150)
        deregistered_by_hand(quay, task)
        quay.reconcile(times=4)
        assert quay.targets() == set()
        assert len(quay.events("Change Proposed")) == 2
