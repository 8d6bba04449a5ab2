"""Full and deleted destinations, and deleted clusters, do not hinder others."""

from tests.support.targets.scene import CLUSTER, SHOP, SYNC, a_targets_scene, addresses, tags_of


def test_in_a_full_target_group_registered_tasks_stay_and_new_ones_wait() -> None:
    with a_targets_scene() as scene:
        scene.cloud.quotas.apply("L-A0D0B863", 3)
        old = scene.serve(3)
        scene.fleet.scale("shop", 5)
        scene.wait(60)
        assert len(scene.running()) == 5
        assert scene.targets() == addresses(old)
        assert scene.dead_letters() == []
        assert "quota reached" in scene.berthmaster.logs.text(SYNC)


def test_as_many_new_tasks_are_registered_as_there_is_room_for() -> None:
    with a_targets_scene() as scene:
        scene.cloud.quotas.apply("L-A0D0B863", 3)
        tasks = scene.serve(5)
        assert len(scene.targets()) == 3
        assert scene.targets() < addresses(tasks)


def test_a_deleted_target_group_does_not_hinder_others() -> None:
    with a_targets_scene() as scene:
        other = scene.target_group("other", SHOP)
        old = scene.serve(2)
        scene.cloud.client("elbv2").delete_target_group(TargetGroupArn=scene.shop)
        scene.fleet.scale("shop", 3)
        scene.fleet.stop(old[0])
        scene.wait(60)
        assert scene.targets(other) == addresses(scene.running())
        scene.wait(1200)
        assert scene.dead_letters() == []


def test_a_late_event_of_a_deleted_cluster_registers_nothing() -> None:
    with a_targets_scene() as scene:
        with scene.without_events():
            task = scene.run_task("shop")
            (*_, running) = scene.task_events(task)
            scene.fleet.stop(task)
            scene.until_status(task, "STOPPED")
        scene.target_group("by-family", tags_of(family="shop"))
        scene.cloud.client("ecs").delete_cluster(cluster=CLUSTER)
        scene.berthmaster.put_event(running)
        scene.wait(1200)
        assert scene.writes() == []
        assert scene.dead_letters() == []
