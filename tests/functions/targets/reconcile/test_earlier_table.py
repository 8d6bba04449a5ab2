"""A stack that is deployed again with the table of the deleted one."""

import json

import pytest

from simulator.stack.deployment import Deployment
from simulator.template_contract.application import source
from tests.support.targets.pods import FOLLOW
from tests.support.targets.scene import BUS, COOL_DOWN, GATE, RECONCILE, SYNC, a_targets_scene, addresses

PARAMETERS = {"TargetsMode": "enforce"}


def test_a_new_stack_with_the_table_of_the_deleted_one_deregisters_what_that_registered() -> None:
    with a_targets_scene() as scene:
        tasks = scene.serve(3)
        scene.wait(COOL_DOWN)
        table = scene.table
        with scene.without_events():
            scene.fleet.scale("shop", 2)
            scene.wait(60)
        del scene.cloud.backend("events").event_buses[BUS]
        again = Deployment(scene.cloud, parameters=PARAMETERS | {"TargetsTableName": table}, stack="again")
        again.schedules_enabled = False
        scene.berthmaster = again
        scene.reconcile(times=2)
        assert scene.targets() == addresses(scene.running()) < addresses(tasks)
        tables = scene.cloud.client("dynamodb").list_tables()["TableNames"]
        assert [name for name in tables if "Targets" in name] == [table]


@pytest.mark.parametrize("function", [SYNC, RECONCILE, GATE, FOLLOW])
def test_every_function_uses_that_table_and_may(function: str) -> None:
    resources = source()["Resources"]
    variables = resources[function]["Properties"]["Environment"]["Variables"]
    assert "TargetsTableName" in json.dumps(variables["TARGETS_TABLE"])
    (policy,) = resources[function.replace("Function", "Role")]["Properties"]["Policies"]
    on_table = [
        one for one in policy["PolicyDocument"]["Statement"] if "TargetsTable" in json.dumps(one.get("Resource"))
    ]
    assert on_table
    assert all("TargetsTableName" in json.dumps(one["Resource"]) for one in on_table)
