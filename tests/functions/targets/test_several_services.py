"""One destination for the tasks of several services, or of several families."""

import pytest

from tests.support.targets.scene import COOL_DOWN, a_targets_scene, addresses, tags_of


@pytest.mark.parametrize("tag", ["service", "family"])
def test_tasks_of_every_name_are_registered_and_no_others(tag: str) -> None:
    with a_targets_scene(shop=tags_of(**{tag: "shop cart"})) as scene:
        tasks = scene.serve(2) + scene.serve(1, name="cart")
        scene.serve(1, name="tea")
        assert scene.targets() == addresses(tasks)
        scene.fleet.scale("cart", 0)
        scene.wait(60)
        assert scene.targets() == addresses(scene.running())


def test_a_name_that_is_added_is_followed_by_the_reconciliation() -> None:
    with a_targets_scene() as scene:
        scene.serve(2)
        scene.serve(1, name="cart")
        scene.wait(COOL_DOWN)
        scene.retag(scene.shop, {"berthmaster:service": "shop cart"})
        scene.reconcile()
        assert scene.targets() == addresses(scene.fleet.tasks)
        scene.wait(COOL_DOWN)
        scene.retag(scene.shop, {"berthmaster:service": "cart"})
        scene.reconcile(times=2)
        assert scene.targets() == addresses(scene.running("cart"))


def test_a_service_that_does_not_exist_does_not_hinder_the_others() -> None:
    with a_targets_scene(shop=tags_of(service="shop later")) as scene:
        with scene.without_events():
            tasks = scene.serve(2)
        scene.reconcile(times=2)
        assert scene.targets() == addresses(tasks)
        assert scene.findings() == [("not found", "ECS does not know the service later")]
        scene.scale_without_events(1)
        scene.reconcile(times=3)
        assert scene.targets() == addresses(scene.running())
