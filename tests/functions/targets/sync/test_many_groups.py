"""Events about more target groups than one invocation can read about."""

from tests.support.targets.scene import SYNC, a_targets_scene, addresses, tags_of

SERVICES = 100


def test_a_hundred_services_of_two_groups_each_start_while_nothing_is_known() -> None:
    """Each group must be asked about, which the rate of AWS allows for a part of them in an invocation."""
    with a_targets_scene() as scene:
        names = [f"service-{number}" for number in range(SERVICES)]
        groups = {
            name: [scene.target_group(f"{name}-{side}", tags_of(service=name), balancer=None) for side in "ab"]
            for name in names
        }
        with scene.without_events():
            for name in names:
                scene.fleet.service(name, scene.network.network_configuration(), 1)
            scene.wait(60)
        scene.berthmaster.runtime.kill_containers()
        for task in scene.fleet.tasks:
            scene.berthmaster.put_event(scene.task_event(task))
        scene.wait(150)
        assert [one for one in scene.berthmaster.invocations if one.function == SYNC and one.died] == []
        for name, arns in groups.items():
            assert [scene.targets(arn) for arn in arns] == [addresses(scene.running(name))] * 2
        scene.wait(120)
        assert scene.dead_letters() == []


def test_they_stop_while_no_attributes_are_known() -> None:
    """The attributes of each group must be read; what was read survives the container."""
    with a_targets_scene(drain=0) as scene:
        names = [f"service-{number}" for number in range(SERVICES)]
        groups = [scene.target_group(name, tags_of(service=name), balancer=None, drain=0) for name in names]
        for name in names:
            scene.fleet.service(name, scene.network.network_configuration(), 1)
        scene.wait(120)
        assert all(map(scene.targets, groups))
        with scene.without_events():
            for name in names:
                scene.fleet.scale(name, 0)
            scene.wait(5)
        scene.berthmaster.runtime.kill_containers()
        stopped = [task for task in scene.fleet.tasks if task.desired_status == "STOPPED"]
        assert len(stopped) == SERVICES
        for task in stopped:
            scene.berthmaster.put_event(scene.task_event(task))
        scene.wait(120)
        assert [one for one in scene.berthmaster.invocations if one.function == SYNC and one.died] == []
        assert [arn for arn in groups if scene.targets(arn)] == []
        assert scene.dead_letters() == []
