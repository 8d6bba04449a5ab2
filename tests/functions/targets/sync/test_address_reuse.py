"""An address that gets a new owner drains before the new owner is registered there."""

from tests.support.targets.calls import registrations
from tests.support.targets.scene import BATCH, SHOP, a_targets_scene


def test_the_next_owner_of_an_address_is_registered_when_the_former_one_has_drained() -> None:
    with a_targets_scene(reuse=1.0, drain=60) as scene:
        (former,) = scene.serve(1, spread=False)
        scene.fleet.crash(former)
        scene.wait(5)
        drained_at = scene.cloud.clock.timestamp() + 60
        scene.wait(30)
        (new,) = scene.running()
        assert new.address == former.address
        assert scene.state(new) == "draining"
        scene.wait(drained_at + 2 - scene.cloud.clock.timestamp())
        assert scene.targets() == {new.address}
        assert scene.state(new) == "initial"
        scene.wait(30)
        assert scene.state(new) == "healthy"
        assert [call.operation for call in scene.writes() if call.outcome != "ok"] == []
        assert registrations(scene)[scene.shop, new.address] == 2


def test_behind_a_network_load_balancer_the_next_owner_waits_for_two_minutes() -> None:
    with a_targets_scene(reuse=1.0) as scene:
        tcp = scene.target_group("tcp", SHOP, protocol="TCP", balancer=scene.network_load_balancer(), drain=0)
        (former,) = scene.serve(1, spread=False)
        scene.fleet.crash(former)
        scene.wait(100)
        (new,) = scene.running()
        assert new.address == former.address
        assert scene.targets(tcp) == set()
        scene.wait(60)
        assert scene.targets(tcp) == {new.address}


def test_in_cloud_map_the_next_owner_has_an_instance_of_its_own() -> None:
    with a_targets_scene(reuse=1.0, drain=5) as scene:
        discovery = scene.cloud_map("shop", SHOP, ttl=10)
        (former,) = scene.serve(1, spread=False)
        scene.fleet.crash(former)
        scene.wait(90)
        (new,) = scene.running()
        assert new.address == former.address
        (instance,) = scene.cloud.discovery.instances(discovery.rpartition("/")[2])
        assert new.id in instance


def test_a_task_without_destinations_removes_the_former_owner_of_its_address() -> None:
    with a_targets_scene(reuse=1.0) as scene:
        group = scene.target_group("batch", BATCH)
        former = scene.run_task("batch")
        with scene.without_events():
            scene.fleet.stop(former)
            scene.until_status(former, "STOPPED")
        assert scene.targets(group) == {former.address}
        new = scene.begin_task("other")
        scene.until_status(new, "RUNNING")
        assert new.address == former.address
        assert scene.targets(group) == set()


def test_late_events_of_the_former_owner_do_not_touch_the_next_one() -> None:
    with a_targets_scene(reuse=1.0, drain=10) as scene:
        (former,) = scene.serve(1, spread=False)
        scene.fleet.crash(former)
        scene.wait(90)
        (new,) = scene.running()
        assert scene.targets() == {new.address} == {former.address}
        before = len(scene.writes())
        for event in scene.task_events(former):
            scene.berthmaster.put_event(event)
        scene.wait(60)
        assert len(scene.writes()) == before
        assert scene.targets() == {new.address}
