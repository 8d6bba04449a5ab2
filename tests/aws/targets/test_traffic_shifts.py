"""Whether tasks may take production traffic is unknown where ECS does not say so; memory is not trusted for long."""

from collections.abc import Iterator

import pytest

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.targets.model import EcsSelector, Task
from berthmaster.targets.observe.ecs import EcsTasks
from berthmaster.targets.observe.ecs_registrations import EcsRegistrations
from berthmaster.targets.observe.traffic_shifts import TrafficFound, TrafficShifts
from berthmaster.targets.plan.traffic_shift import Traffic
from tests.support.targets.traffic_shift import ShiftScene, a_shift_scene


@pytest.fixture
def shift() -> Iterator[ShiftScene]:
    """A service with two tasks; the test begins its deployments."""
    with a_shift_scene() as shift:
        shift.serve()
        yield shift


def the_tasks(shift: ShiftScene) -> list[Task]:
    return EcsTasks(Clients(), Clock()).selected(EcsSelector(shift.scene.fleet.cluster, services=("shop",)))


def shifts() -> TrafficShifts:
    return TrafficShifts(Clients(), EcsRegistrations(Clients()))


def counted(found: TrafficFound) -> list[Traffic]:
    return sorted(found.by_task.values())


def test_old_and_new_tasks_are_told_apart(shift: ShiftScene) -> None:
    shift.deploy(until="POST_SCALE_UP")
    found = shifts().of(the_tasks(shift), Clock().now())
    assert counted(found) == [Traffic.NOT_YET] * 2 + [Traffic.PRODUCTION] * 2


def test_a_deployment_that_is_not_listed_proves_nothing(shift: ShiftScene) -> None:
    shift.deploy(until="POST_SCALE_UP")
    shift.scene.cloud.handlers["ecs:ListServiceDeployments"] = lambda _cloud, _params: {"serviceDeployments": []}
    found = shifts().of(the_tasks(shift), Clock().now())
    assert set(counted(found)) == {Traffic.UNKNOWN}
    assert "lists none of its deployments" in found.problems["blue/shop"]


def test_what_there_is_no_time_to_read_is_unknown(shift: ShiftScene) -> None:
    shift.deploy(until="POST_SCALE_UP")
    found = shifts().of(the_tasks(shift), Clock().now(), may_begin=lambda: False)
    assert set(counted(found)) == {Traffic.UNKNOWN}
    assert found.problems == {"blue/shop": "there was no time to ask ECS"}


def test_a_task_of_a_deployment_that_is_not_remembered_is_asked_about(shift: ShiftScene) -> None:
    """As in a long run, whose time stays that of its beginning."""
    began = Clock().now()
    reader = shifts()
    shift.deploy(until="POST_PRODUCTION_TRAFFIC_SHIFT")
    assert reader.of(the_tasks(shift), began).by_task == {}
    shift.deploy(until="POST_SCALE_UP")
    assert Traffic.NOT_YET in counted(reader.of(the_tasks(shift), began))
