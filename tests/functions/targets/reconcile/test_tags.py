"""What tags ask for is done, and tags that are wrong are reported once."""

import pytest

from tests.support.targets.scene import (
    COOL_DOWN,
    PORT,
    SHOP,
    TAG,
    a_targets_scene,
    addresses,
    tags_of,
)

BY_HAND = "10.0.0.61"


def test_a_detached_destination_loses_what_berthmaster_registered_and_nothing_else() -> None:
    with a_targets_scene() as scene:
        discovery = scene.cloud_map("shop", SHOP)
        scene.register_by_hand(BY_HAND)
        tasks = scene.serve(10)
        scene.wait(COOL_DOWN)
        scene.retag(scene.shop, {TAG: "detached"})
        scene.reconcile(times=2)
        assert scene.targets() == {BY_HAND}
        assert scene.instances(discovery) == addresses(tasks)
        assert scene.mails() == []
        scene.fleet.deploy("shop")
        scene.wait(120)
        scene.reconcile(times=2)
        assert scene.targets() == {BY_HAND}
        assert scene.instances(discovery) == addresses(scene.running())


def test_a_run_that_reads_the_tag_detaches() -> None:
    with a_targets_scene() as scene:
        scene.serve(3)
        scene.wait(COOL_DOWN)
        scene.retag(scene.shop, {TAG: "detached"})
        scene.reconcile()
        assert scene.targets() == set()


def test_targets_that_aws_no_longer_has_return_in_the_first_run_after_a_change_of_mind() -> None:
    with a_targets_scene() as scene:
        balancer = scene.network_load_balancer()
        group = scene.target_group("tcp", SHOP, protocol="TCP", balancer=balancer, drain=0)
        tasks = scene.serve(2)
        scene.wait(COOL_DOWN)
        scene.retag(group, {TAG: "detached"})
        scene.reconcile(minutes=0.25)
        assert [scene.state(task, group) for task in tasks] == ["", ""]
        scene.retag(group, {TAG: "managed"})
        scene.reconcile(minutes=0)
        assert all(scene.state(task, group) for task in tasks)


def test_targets_that_wait_for_a_drain_return_when_aws_has_ended_it() -> None:
    with a_targets_scene(drain=300) as scene:
        tasks = scene.serve(2)
        scene.wait(COOL_DOWN)
        scene.retag(scene.shop, {TAG: "detached"})
        scene.reconcile(minutes=0.25)
        scene.retag(scene.shop, {TAG: "managed"})
        scene.reconcile()
        assert {scene.state(task) for task in tasks} == {"draining"}
        scene.wait(240)
        scene.reconcile(minutes=0)
        assert "draining" not in {scene.state(task) for task in tasks}
        assert scene.targets() == addresses(tasks)


def test_an_event_registers_a_task_again_that_aws_no_longer_has() -> None:
    with a_targets_scene() as scene:
        group = scene.target_group("tcp", SHOP, protocol="TCP", balancer=scene.network_load_balancer(), drain=0)
        tasks = scene.serve(2)
        scene.wait(COOL_DOWN)
        scene.retag(group, {TAG: "detached"})
        scene.reconcile(minutes=0.25)
        scene.retag(group, {TAG: "managed"})
        scene.wait(45)
        scene.send_events(tasks)
        assert all(scene.state(task, group) for task in tasks)


def test_an_event_does_not_register_a_task_again_that_still_drains() -> None:
    with a_targets_scene(drain=300) as scene:
        tasks = scene.serve(2)
        scene.wait(COOL_DOWN)
        scene.retag(scene.shop, {TAG: "detached"})
        scene.reconcile(minutes=0.25)
        scene.retag(scene.shop, {TAG: "managed"})
        scene.wait(45)
        scene.send_events(tasks)
        assert {scene.state(task) for task in tasks} == {"draining"}
        scene.wait(300)
        assert scene.targets() == addresses(tasks)


def test_a_destination_for_another_service_changes_its_targets() -> None:
    with a_targets_scene() as scene:
        shop, till = scene.serve(2), scene.serve(2, name="till")
        scene.wait(COOL_DOWN)
        assert scene.targets() == addresses(shop)
        scene.retag(scene.shop, {"berthmaster:service": "till"})
        scene.reconcile()
        assert scene.targets() == addresses(shop) | addresses(till)
        scene.reconcile()
        assert scene.targets() == addresses(till)


def test_a_destination_without_its_tag_keeps_its_targets() -> None:
    with a_targets_scene() as scene:
        tasks = scene.serve(2)
        scene.wait(COOL_DOWN)
        scene.cloud.client("elbv2").remove_tags(ResourceArns=[scene.shop], TagKeys=[TAG])
        scene.reconcile(times=3)
        scene.fleet.scale("shop", 0)
        scene.wait(60)
        scene.reconcile(times=3)
        assert scene.targets() == addresses(tasks)


def test_wrong_tags_are_reported_once_and_again_when_they_are_wrong_in_another_way() -> None:
    with a_targets_scene() as scene:
        tasks = scene.serve(2)
        scene.wait(COOL_DOWN)
        scene.retag(scene.shop, {"berthmaster:family": "shop"})
        scene.reconcile(times=3)
        assert [code for code, _ in scene.findings()] == ["tags"]
        assert "exactly one of" in scene.mails()[0]
        scene.retag(scene.shop, {"berthmaster:port": "70000", "berthmaster:family": ""})
        scene.reconcile(times=3)
        assert [text for _, text in scene.findings()][1:] == ["berthmaster:port=70000 is not a port"]
        assert len(scene.mails()) == 2
        scene.retag(scene.shop, {"berthmaster:port": str(PORT)})
        scene.reconcile(times=3)
        assert len(scene.mails()) == 2
        assert scene.targets() == addresses(tasks)
        scene.wait(3600)
        scene.reconcile()
        scene.retag(scene.shop, {"berthmaster:port": "70000"})
        scene.reconcile(times=3)
        assert len(scene.mails()) == 3


def test_a_port_name_that_no_container_has_is_reported() -> None:
    with a_targets_scene(shop=tags_of(service="shop", port="grpc")) as scene:
        scene.serve(3)
        scene.reconcile(times=3)
        assert scene.findings() == [("port", "no container port is named 'grpc'")]
        assert len(scene.mails()) == 1


def test_a_wrong_port_tag_does_not_keep_stopped_tasks_registered() -> None:
    with a_targets_scene() as scene:
        tasks = scene.serve(2)
        scene.wait(COOL_DOWN)
        scene.retag(scene.shop, {"berthmaster:port": "htp"})
        scene.reconcile(times=3)
        assert scene.targets() == addresses(tasks)
        with scene.without_events():
            scene.fleet.stop(tasks[0])
            scene.wait(60)
        scene.reconcile(times=4)
        assert scene.targets() == {tasks[1].address}
        assert [code for code, _ in scene.findings()] == ["port"]


@pytest.mark.parametrize("kind", ["instance", "lambda"])
def test_a_target_group_of_another_type_is_reported_once(kind: str) -> None:
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


# A tag that is missing for a while: others may register targets meanwhile


@pytest.mark.parametrize("missing", [{TAG: ""}, {"berthmaster:family": "shop"}])
def test_what_others_registered_while_the_tag_was_missing_is_theirs(missing: dict[str, str]) -> None:
    with a_targets_scene(reuse=1.0, drain=10) as scene:
        tasks = scene.serve(2, spread=False)
        scene.wait(COOL_DOWN)
        scene.reconcile()
        scene.retag(scene.shop, missing)
        scene.reconcile()
        scene.fleet.scale("shop", 0)
        scene.wait(60)
        with scene.without_events():
            (other,) = scene.serve(1, name="other", spread=False)
        assert other.address in addresses(tasks)
        scene.register_by_hand(other.address)
        scene.retag(scene.shop, {TAG: "managed", "berthmaster:family": ""})
        scene.wait(60)
        scene.send_events([other])
        scene.reconcile(times=4)
        assert scene.targets() == {other.address}
        assert [code for code, _ in scene.findings() if code != "tags"] == ["given up"]


def test_what_stopped_while_the_tag_was_missing_leaves_when_it_is_back() -> None:
    with a_targets_scene(drain=10) as scene:
        tasks = scene.serve(3)
        scene.wait(COOL_DOWN)
        scene.reconcile()
        scene.retag(scene.shop, {TAG: ""})
        scene.reconcile()
        scene.fleet.scale("shop", 1)
        scene.wait(60)
        assert scene.targets() == addresses(tasks)
        scene.retag(scene.shop, {TAG: "managed"})
        scene.reconcile(times=3)
        assert scene.targets() == addresses(scene.running())
        assert scene.findings() == []
        scene.fleet.scale("shop", 0)
        scene.wait(30)
        assert scene.targets() == set()


def test_a_task_that_drains_while_the_tag_comes_back_is_stopped_after_its_target_has_left() -> None:
    with a_targets_scene(drain=10) as scene:
        task, _ = scene.serve(2)
        scene.wait(COOL_DOWN)
        scene.reconcile()
        scene.retag(scene.shop, {TAG: ""})
        scene.reconcile()
        scene.retag(scene.shop, {TAG: "managed"})
        scene.wait(60)
        scene.request("Drain Requested", task=task.arn, by="ann")
        scene.wait(20)
        assert task.address in scene.targets()
        assert task.desired_status == "RUNNING"
        scene.reconcile(times=4)
        assert task.address not in scene.targets()
        assert [one["task"] for one in scene.events("Task Drained")] == [task.arn]


def test_after_an_hour_in_which_nobody_looked_claims_are_doubted_too() -> None:
    with a_targets_scene(reuse=1.0, drain=10) as scene:
        (task,) = scene.serve(1, spread=False)
        scene.wait(COOL_DOWN)
        scene.reconcile()
        with scene.without_events():
            scene.fleet.scale("shop", 0)
            scene.wait(3700)
            (other,) = scene.serve(1, name="other", spread=False)
        assert other.address == task.address
        scene.register_by_hand(other.address)
        scene.reconcile(times=4)
        assert scene.targets() == {other.address}
        assert [code for code, _ in scene.findings()] == ["given up"]


def test_a_task_that_the_tags_select_inherits_the_target_at_its_address() -> None:
    with a_targets_scene(reuse=1.0, drain=10) as scene:
        (former,) = scene.serve(1, spread=False)
        scene.wait(COOL_DOWN)
        scene.reconcile()
        with scene.without_events():
            scene.fleet.crash(former)
            scene.wait(3700)
        (new,) = scene.running()
        assert new.address == former.address
        scene.reconcile(times=3)
        assert scene.targets() == {new.address}
        assert scene.operations() == ["RegisterTargets"]
        assert scene.findings() == []
        scene.fleet.scale("shop", 0)
        scene.wait(30)
        assert scene.targets() == set()
