"""capacity_watch, deployed from the template: what it measures, records and reports."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from berthmaster.capacity import watch
from berthmaster.capacity.ledger.expansions import Expansion, Expansions, ExpansionState
from berthmaster.capacity.model.plan import Plan
from berthmaster.capacity.model.updates import ServiceUpdate, UpdateState
from berthmaster.capacity.plan.demand import assess
from berthmaster.capacity.settings import MetricDetail, WatchSettings
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.modes import Mode
from simulator.errors import AwsError
from simulator.workload.network import MANAGED, Network
from tests.support.capacity.scene import BUS, WATCH, CapacityScene, a_managed_vpc

EVENT = json.loads((Path(__file__).parents[3] / "events" / "capacity_watch.json").read_text())


def cycle(scene: CapacityScene) -> Mapping[str, Any]:
    invocation = scene.berthmaster.invoke(WATCH, EVENT)
    assert invocation.error is None
    result: Mapping[str, Any] = invocation.result
    return result


def measured(scene: CapacityScene, name: str) -> dict[str, list[float]]:
    """The last values of a metric, by resource; "" for the fleet."""
    found = {}
    for record in scene.berthmaster.logs.metrics(WATCH):
        if name in record:
            found[record.get("VpcId") or record.get("SubnetId") or ""] = record[name]
    return found


def an_expansion_in_progress(scene: CapacityScene) -> Expansion:
    """One that no invocation works on."""
    now = scene.cloud.clock.now()
    expansion = Expansion(
        id=f"{scene.vpc_id}.20260302T120000Z",
        vpc_id=scene.vpc_id,
        state=ExpansionState.RUNNING,
        plan=Plan(vpc_id=scene.vpc_id, needs=()),
        created_at=now,
        changed_at=now,
    )
    return Expansions(scene.cloud.client("dynamodb"), scene.table).save(expansion)


def test_a_fleet_with_room_is_measured_and_nothing_is_reported() -> None:
    with a_managed_vpc() as scene:
        assert cycle(scene) == {"vpcs": 1, "subnets": 3, "vpcs_short_of_room": 0, "expansions_stalled": 0}
        assert measured(scene, "ManagedVpcs") == {"": [1.0]}
        assert measured(scene, "VpcsShortOfRoom") == {"": [0.0]}
        assert scene.events("Room Needed", "Expansion Stalled") == []
        assert scene.cloud.calls.of(WATCH).named("dynamodb:PutItem") != []


def test_a_vpc_without_the_tag_is_not_measured() -> None:
    with a_managed_vpc(managed=False) as scene:
        assert cycle(scene)["vpcs"] == 0
        assert scene.cloud.calls.of(WATCH).named("ec2:DescribeNetworkInterfaces") == []


def test_a_vpc_short_of_room_is_reported_once_with_its_short_subnets() -> None:
    with a_managed_vpc() as scene:
        cycle(scene)
        scene.fill(leave=1, which=0)
        scene.fill(leave=1, which=2)

        assert cycle(scene)["vpcs_short_of_room"] == 1

        (needed,) = scene.events("Room Needed")
        assert (needed["vpc"], needed["cidrs_left"]) == (scene.vpc_id, 4)
        short = {one["subnet"]: one for one in needed["subnets"]}
        assert short.keys() == {scene.subnets[0], scene.subnets[2]}
        assert all(one["free"] == 1 and one["reason"] for one in short.values())
        assert {one["zone"] for one in short.values()} == {"eu-central-1a", "eu-central-1c"}
        assert sum(short[scene.subnets[0]]["holders"].values()) == 58
        (line,) = [one for one in scene.berthmaster.logs.records(WATCH) if one["message"] == "room needed"]
        assert line["detail"] == needed


def test_the_event_of_the_watch_leads_to_an_expansion() -> None:
    with a_managed_vpc(watched=True) as scene:
        scene.workload.service("shop", scene.network.network_configuration(), 3, tags=MANAGED)
        scene.berthmaster.run(minutes=10)
        scene.fill(leave=0, which=0)

        scene.berthmaster.run(minutes=10)
        scene.berthmaster.drain()

        assert len(scene.added_subnets()) == 1
        assert len(scene.events("Expansion Completed")) == 1


@pytest.mark.parametrize(
    ("detail", "leave", "vpcs", "subnets"),
    [("attention", 59, 0, 0), ("attention", 10, 1, 0), ("vpc", 59, 1, 0), ("subnet", 59, 1, 3)],
)
def test_metrics_of_resources_are_as_many_as_the_setting_allows(
    detail: str, leave: int, vpcs: int, subnets: int
) -> None:
    with a_managed_vpc(CapacityMetrics=detail) as scene:
        scene.fill(leave=leave)
        cycle(scene)

        free = measured(scene, "FreeAddresses")
        assert sum(1 for name in free if name.startswith("vpc-")) == vpcs
        assert sum(1 for name in free if name.startswith("subnet-")) == subnets
        for subnet in free.keys() & set(scene.subnets):
            assert free[subnet] == [float(scene.network.free(subnet))]


def test_prefixes_are_measured_where_they_are_used_and_hours_only_if_they_run_out() -> None:
    with a_managed_vpc(CapacityMetrics="subnet") as scene:
        scene.cloud.client("ec2").create_network_interface(SubnetId=scene.subnets[2], Ipv4PrefixCount=1)
        cycle(scene)

        prefixes = measured(scene, "FreePrefixes")
        assert prefixes.keys() == {scene.vpc_id, scene.subnets[2]}
        assert prefixes[scene.subnets[2]][0] in {4.0, 5.0}
        assert measured(scene, "HoursToExhaustion") == {}


def test_a_service_whose_update_is_in_progress_is_not_short_and_one_whose_list_was_reset_is() -> None:
    with a_managed_vpc() as scene:
        expansion = scene.expand()
        (added,) = scene.added_subnets()
        scene.workload.service("shop", scene.network.network_configuration(scene.subnets[0]), 40, tags=MANAGED)
        scene.berthmaster.run(minutes=10)
        expansions = Expansions(scene.cloud.client("dynamodb"), scene.table)
        done = expansions.get(expansion)
        assert done is not None
        given = ServiceUpdate(cluster=scene.workload.cluster, service="shop", subnet_ids=(added["SubnetId"],))
        wiring = expansions.save(replace(done, state=ExpansionState.WIRING, updates=(given,)))
        assert cycle(scene)["vpcs_short_of_room"] == 0
        reset = replace(given, state=UpdateState.RESET)
        expansions.save(replace(wiring, state=ExpansionState.DONE, updates=(reset,)))
        assert cycle(scene)["vpcs_short_of_room"] == 1


def test_an_expansion_that_no_invocation_works_on_is_resumed() -> None:
    with a_managed_vpc() as scene:
        expansion = an_expansion_in_progress(scene)

        assert cycle(scene)["expansions_stalled"] == 1

        stalled = {"expansion": expansion.id, "vpc": scene.vpc_id, "state": "running"}
        assert scene.events("Expansion Stalled") == [stalled]


def test_an_expansion_that_an_invocation_works_on_is_left_to_it() -> None:
    with a_managed_vpc() as scene:
        an_expansion_in_progress(scene)
        scene.hold_lease(seconds=120)

        assert cycle(scene)["expansions_stalled"] == 0

        scene.berthmaster.run(minutes=5)
        assert cycle(scene)["expansions_stalled"] == 1


def refuse(scene: CapacityScene, operation: str) -> None:
    def answer(*_: Any) -> Any:
        raise AwsError("AccessDeniedException", "no")

    scene.cloud.handlers[operation] = answer


def failed(scene: CapacityScene) -> ExceptionGroup[Exception]:
    invocation = scene.berthmaster.invoke(WATCH, EVENT)
    assert isinstance(invocation.error, ExceptionGroup)
    return invocation.error


def test_if_services_cannot_be_listed_a_shortage_is_reported_and_the_error_leaves_the_handler() -> None:
    with a_managed_vpc() as scene:
        scene.fill(leave=0)
        refuse(scene, "ecs:ListClusters")

        errors = failed(scene)

        assert [str(error) for error in errors.exceptions] == [
            "An error occurred (AccessDeniedException) when calling the ListClusters operation: no"
        ]
        assert len(scene.events("Room Needed")) == 1


def test_a_fleet_that_cannot_be_measured_is_not_an_empty_fleet_and_stalled_expansions_are_resumed() -> None:
    with a_managed_vpc() as scene:
        an_expansion_in_progress(scene)
        refuse(scene, "ec2:DescribeSubnets")

        failed(scene)

        assert measured(scene, "ManagedVpcs") == {}
        assert len(scene.events("Expansion Stalled")) == 1


def test_a_damaged_history_is_named_by_an_error_and_stops_no_expansion() -> None:
    with a_managed_vpc() as scene:
        scene.workload.service("shop", scene.network.network_configuration(), 3, tags=MANAGED)
        scene.berthmaster.run(minutes=5)
        cycle(scene)
        dynamodb = scene.cloud.client("dynamodb")
        (item,) = dynamodb.query(
            TableName=scene.table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": "history"}},
        )["Items"]
        dynamodb.put_item(TableName=scene.table, Item={**item, "samples": {"B": b"\x01?"}})
        scene.fill(leave=0)

        errors = failed(scene)

        assert all(f"sk={item['sk']['S']} is damaged" in str(error) for error in errors.exceptions)
        assert len(scene.events("Room Needed")) == 1
        scene.berthmaster.drain()
        assert len(scene.events("Expansion Completed")) == 1


def test_one_vpc_that_cannot_be_assessed_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    with a_managed_vpc() as scene:
        scene.fill(leave=0)
        broken = Network.create(scene.cloud, "10.9.0.0/24").vpc_id

        def assess_but(snapshot: Any, history: Any) -> Any:
            if snapshot.vpc_id == broken:
                raise ZeroDivisionError
            return assess(snapshot, history)

        monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Berthmaster")
        monkeypatch.setattr(watch, "assess", assess_but)
        settings = WatchSettings(
            capacity_table=scene.table,
            event_bus=BUS,
            capacity_mode=Mode.OBSERVE,
            capacity_metrics=MetricDetail.ATTENTION,
        )
        watching = watch.Watch(settings, Clients(), Clock())

        with pytest.RaisesGroup(ZeroDivisionError):
            watching.cycle(scene.cloud.clock.now() + timedelta(seconds=120))

        assert [needed["vpc"] for needed in scene.events("Room Needed")] == [scene.vpc_id]
