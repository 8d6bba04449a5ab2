"""A stack that is deployed again with the table of the deleted one."""

import json
from dataclasses import replace

import pytest

from simulator.stack.deployment import Deployment
from simulator.template_contract.application import source
from tests.support.capacity.scene import BUS, EXPAND, UNSCHEDULED, WATCH, a_managed_vpc


def test_a_new_stack_with_the_table_of_the_deleted_one_retires_what_that_added() -> None:
    with a_managed_vpc() as scene:
        expansion, table = scene.expand(), scene.table
        del scene.cloud.backend("events").event_buses[BUS]
        parameters = {"CapacityMode": "enforce", "CapacityTableName": table}
        again = Deployment(scene.cloud, parameters=parameters, stack="again", unscheduled=UNSCHEDULED)
        again.schedules_enabled = False
        replace(scene, berthmaster=again).request("Retirement Requested", expansion=expansion)
        again.run(minutes=2)
        assert (scene.added_subnets(), scene.blocks()) == ([], ["10.0.0.0/24"])
        assert not [seen for seen in again.bus_events if seen.event["detail-type"] == "Expansion Found"]
        tables = scene.cloud.client("dynamodb").list_tables()["TableNames"]
        assert [name for name in tables if "Capacity" in name] == [table]


@pytest.mark.parametrize("function", [EXPAND, WATCH])
def test_every_function_uses_that_table_and_may(function: str) -> None:
    resources = source()["Resources"]
    variables = resources[function]["Properties"]["Environment"]["Variables"]
    assert "CapacityTableName" in json.dumps(variables["CAPACITY_TABLE"])
    policies = resources[function.replace("Function", "Role")]["Properties"]["Policies"]
    documents = [policy["PolicyDocument"] for policy in policies if "PolicyDocument" in policy]
    statements = [one for document in documents for one in document["Statement"]]
    on_table = [one for one in statements if "CapacityTable" in json.dumps(one.get("Resource"))]
    assert on_table
    assert all("CapacityTableName" in json.dumps(one["Resource"]) for one in on_table)
