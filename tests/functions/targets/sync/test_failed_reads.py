"""What AWS fails to return about one destination, task definition or operation concerns no other."""

from tests.support.targets.scene import BATCH, OTHER, SHOP, SYNC, a_targets_scene, addresses


def test_a_target_group_that_cannot_be_read_does_not_hinder_others() -> None:
    with a_targets_scene() as scene:
        broken, other = scene.target_group("broken", SHOP), scene.target_group("other", OTHER)
        with scene.without_events():
            tasks, others = scene.serve(2), scene.serve(2, name="other")
        with scene.failing("elbv2:DescribeTargetHealth", broken):
            scene.send_events(tasks + others)
            assert scene.targets(other) == addresses(others)
            assert scene.targets(broken) == set()
        scene.wait(300)
        assert scene.targets(broken) == scene.targets() == addresses(tasks)
        assert scene.dead_letters() == []


def test_a_target_group_that_was_deleted_does_not_hinder_others() -> None:
    with a_targets_scene() as scene:
        deleted, other = scene.target_group("deleted", SHOP), scene.target_group("other", OTHER)
        scene.serve(1)
        with scene.without_events():
            scene.fleet.scale("shop", 3)
            others = scene.serve(2, name="other")
        scene.cloud.client("elbv2").delete_target_group(TargetGroupArn=deleted)
        scene.send_events(scene.running() + others)
        assert scene.targets(other) == addresses(others)
        assert scene.targets() == addresses(scene.running())
        scene.wait(300)
        assert scene.dead_letters() == []


def test_a_leaving_task_is_deregistered_where_aws_answers_and_later_elsewhere() -> None:
    with a_targets_scene(drain=10) as scene:
        broken = scene.target_group("broken", SHOP, drain=10)
        tasks = scene.serve(2)
        assert scene.targets() == scene.targets(broken) == addresses(tasks)
        with scene.failing("elbv2:DescribeTargetGroupAttributes", broken):
            scene.fleet.scale("shop", 1)
            scene.wait(2)
            assert scene.targets() == addresses(scene.running())
            assert scene.targets(broken) == addresses(tasks)
        scene.wait(300)
        assert scene.targets(broken) == addresses(scene.running())
        assert scene.dead_letters() == []


def test_a_cloud_map_service_that_cannot_be_read_does_not_hinder_others() -> None:
    with a_targets_scene() as scene:
        discovery = scene.cloud_map("shop", SHOP)
        with scene.failing("servicediscovery:GetService"):
            tasks = scene.serve(2)
            assert scene.targets() == addresses(tasks)
            assert scene.instances(discovery) == set()
        scene.wait(300)
        assert scene.instances(discovery) == addresses(tasks)


def test_a_task_definition_that_cannot_be_read_delays_its_own_tasks_only() -> None:
    with a_targets_scene() as scene:
        batch = scene.target_group("batch", BATCH)
        with scene.without_events():
            task, tasks = scene.run_task("batch"), scene.serve(1)
        with scene.failing("ecs:DescribeTaskDefinition", "batch"):
            scene.send_events([task, *tasks])
            assert scene.targets() == addresses(tasks)
            assert scene.targets(batch) == set()
        scene.wait(300)
        assert scene.targets(batch) == {task.address}


def test_a_cloud_map_operation_that_cannot_be_read_does_not_hinder_others() -> None:
    with a_targets_scene() as scene:
        scene.cloud_map("batch", BATCH)
        with scene.without_events():
            tasks = scene.serve(2)
        with scene.failing("servicediscovery:GetOperation"):
            task = scene.run_task("batch")
            scene.send_events([task, *tasks])
            assert scene.targets() == addresses(tasks)
        scene.wait(600)
        assert scene.dead_letters() == []


def test_a_task_waits_while_it_is_unknown_where_the_former_owner_of_its_address_is_registered() -> None:
    with a_targets_scene(reuse=1.0, drain=10) as scene:
        broken = scene.target_group("broken", BATCH, drain=10)
        former = scene.run_task("batch")
        with scene.without_events():
            scene.fleet.stop(former)
            scene.wait(120)
        with scene.failing("elbv2:DescribeTargetGroupAttributes", broken):
            (new,) = scene.serve(1, spread=False)
            assert new.address == former.address
            assert scene.targets() == set()
        scene.wait(300)
        assert scene.targets() == {new.address}
        assert scene.targets(broken) == set()


def test_no_task_is_registered_while_it_is_unknown_what_ecs_itself_registers() -> None:
    with a_targets_scene() as scene:
        with scene.failing("ecs:DescribeServices", code="ServerException"):
            scene.serve(1)
            assert scene.targets() == set()
        scene.wait(300)
        assert scene.targets() == addresses(scene.running())
        assert scene.dead_letters() == []


def test_nothing_is_done_while_the_switch_cannot_be_read() -> None:
    with a_targets_scene(drain=30) as scene:
        with scene.failing("dynamodb:GetItem"):
            task = scene.start_task()
            scene.request("Drain Requested", task=task.arn, by="ann")
            scene.wait(20)
            assert scene.writes() == []
        scene.wait(300)
        assert task.desired_status == "STOPPED"
        assert scene.targets() == addresses(scene.running())
        assert scene.dead_letters() == []


def test_the_status_of_a_destination_is_trusted_for_five_minutes() -> None:
    with a_targets_scene() as scene:
        scene.serve(1)
        scene.reconcile()

        def asks_while_scaling_to(count: int) -> bool:
            seq = len(scene.cloud.calls)
            scene.fleet.scale("shop", count)
            scene.wait(60)
            assert scene.targets() == addresses(scene.running())
            return bool(scene.cloud.calls.since(seq).of(SYNC).named("elbv2:DescribeTargetHealth"))

        assert not asks_while_scaling_to(2)
        scene.wait(400)
        assert asks_while_scaling_to(3)
        scene.reconcile(times=8)
        assert not asks_while_scaling_to(4)
