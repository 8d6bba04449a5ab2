"""capacity_watch, deployed from the template: what it measures, remembers and says."""

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from berthmaster.capacity import watch as watching
from berthmaster.capacity.ledger.expansions import Expansion, Expansions, ExpansionState
from berthmaster.capacity.model import Plan
from berthmaster.capacity.plan.demand import assess
from berthmaster.capacity.settings import MetricDetail, WatchSettings
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.lease import Leases
from simulator.errors import AwsError
from simulator.workload.network import Network
from tests.support.capacity.scene import BUS, WATCH, CapacityScene, a_managed_vpc

EVENT = json.loads((Path(__file__).parents[3] / "events" / "capacity_watch.json").read_text())


def cycle(scene: CapacityScene) -> Mapping[str, Any]:
    invocation = scene.berthmaster.invoke(WATCH, EVENT)
    assert invocation.error is None
    result: Mapping[str, Any] = invocation.result
    return result


def table(scene: CapacityScene) -> str:
    name: str = scene.cloud.client("dynamodb").list_tables()["TableNames"][0]
    return name


def measures(scene: CapacityScene, name: str) -> dict[str, list[float]]:
    """The last values of a metric, by the resource they are of; "" for the fleet."""
    found = {}
    for record in scene.berthmaster.logs.metrics(WATCH):
        if name in record:
            found[record.get("VpcId") or record.get("SubnetId") or ""] = record[name]
    return found


def begun(scene: CapacityScene) -> Expansion:
    now = scene.berthmaster.cloud.clock.now()
    expansion = Expansion(
        id=f"{scene.vpc_id}.20260302T120000Z",
        vpc_id=scene.vpc_id,
        state=ExpansionState.RUNNING,
        plan=Plan(vpc_id=scene.vpc_id, needs=()),
        created_at=now,
        changed_at=now,
    )
    return Expansions(scene.cloud.client("dynamodb"), table(scene)).save(expansion)


def test_a_calm_fleet_is_measured_and_nothing_is_asked_for() -> None:
    with a_managed_vpc() as scene:
        assert cycle(scene) == {"vpcs": 1, "subnets": 3, "vpcs_short_of_room": 0, "expansions_stalled": 0}
        assert measures(scene, "ManagedVpcs") == {"": [1.0]}
        assert measures(scene, "VpcsShortOfRoom") == {"": [0.0]}
        assert scene.events("Room Needed", "Expansion Stalled") == []
        assert scene.berthmaster.cloud.calls.of(WATCH).named("dynamodb:PutItem") != []


def test_an_unmanaged_vpc_is_invisible() -> None:
    with a_managed_vpc(managed=False) as scene:
        assert cycle(scene)["vpcs"] == 0
        assert scene.berthmaster.cloud.calls.of(WATCH).named("ec2:DescribeNetworkInterfaces") == []


def test_a_vpc_short_of_room_gets_one_event_that_names_its_subnets() -> None:
    with a_managed_vpc() as scene:
        cycle(scene)
        scene.fill(leave=1, which=0)
        scene.fill(leave=1, which=2)

        assert cycle(scene)["vpcs_short_of_room"] == 1

        (told,) = scene.events("Room Needed")
        assert told["vpc"] == scene.vpc_id
        assert {short["subnet"] for short in told["subnets"]} == {scene.subnets[0], scene.subnets[2]}
        assert all(short["free"] == 1 and short["reason"] for short in told["subnets"])
        assert {short["zone"] for short in told["subnets"]} == {"eu-central-1a", "eu-central-1c"}
        (line,) = [one for one in scene.berthmaster.logs.records(WATCH) if one["message"] == "room needed"]
        assert line["cidrs_left"] == 4
        holders = {subnet: held for short in line["subnets"] for subnet, held in short["holders"].items()}
        assert sum(holders[scene.subnets[0]].values()) == 58


def test_the_event_of_the_watch_leads_to_an_expansion() -> None:
    with a_managed_vpc(watched=True) as scene:
        scene.berthmaster.run(minutes=10)
        scene.fill(leave=0, which=0)

        scene.berthmaster.run(minutes=10)
        scene.berthmaster.drain()

        assert len(scene.berths()) == 1
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

        told = measures(scene, "FreeAddresses")
        assert sum(1 for name in told if name.startswith("vpc-")) == vpcs
        assert sum(1 for name in told if name.startswith("subnet-")) == subnets
        for subnet in told.keys() & set(scene.subnets):
            assert told[subnet] == [float(scene.network.free(subnet))]


def test_prefixes_are_measured_where_somebody_takes_them_and_hours_only_when_they_end() -> None:
    with a_managed_vpc(CapacityMetrics="subnet") as scene:
        scene.cloud.client("ec2").create_network_interface(SubnetId=scene.subnets[2], Ipv4PrefixCount=1)
        cycle(scene)

        prefixes = measures(scene, "FreePrefixes")
        assert prefixes.keys() == {scene.vpc_id, scene.subnets[2]}
        assert prefixes[scene.subnets[2]][0] in {4.0, 5.0}
        assert measures(scene, "HoursToExhaustion") == {}


def test_an_expansion_nobody_works_on_is_carried_on() -> None:
    with a_managed_vpc() as scene:
        expansion = begun(scene)

        assert cycle(scene)["expansions_stalled"] == 1

        assert scene.events("Expansion Stalled") == [{"expansion": expansion.id, "vpc": scene.vpc_id}]


def test_an_expansion_somebody_works_on_is_left_to_them() -> None:
    with a_managed_vpc() as scene:
        begun(scene)
        now = scene.berthmaster.cloud.clock.now()
        leases = Leases(scene.cloud.client("dynamodb"), table(scene))
        leases.acquire(scene.vpc_id, owner="another", now=now, deadline=now + timedelta(minutes=2))

        assert cycle(scene)["expansions_stalled"] == 0

        scene.berthmaster.run(minutes=5)
        assert cycle(scene)["expansions_stalled"] == 1


def refuse(scene: CapacityScene, operation: str) -> None:
    def answer(*_: Any) -> Any:
        raise AwsError("AccessDeniedException", "no")

    scene.cloud.answers[operation] = answer


def failed(scene: CapacityScene) -> ExceptionGroup[Exception]:
    invocation = scene.berthmaster.invoke(WATCH, EVENT)
    assert isinstance(invocation.error, ExceptionGroup)
    return invocation.error


def test_services_that_cannot_be_listed_do_not_hide_a_shortage_and_the_error_leaves_the_handler() -> None:
    with a_managed_vpc() as scene:
        scene.fill(leave=0)
        refuse(scene, "ecs:ListClusters")

        errors = failed(scene)

        assert [str(error) for error in errors.exceptions] == [
            "An error occurred (AccessDeniedException) when calling the ListClusters operation: no"
        ]
        assert len(scene.events("Room Needed")) == 1


def test_a_fleet_that_cannot_be_measured_is_no_fleet_of_zero_and_the_stalled_are_still_carried_on() -> None:
    with a_managed_vpc() as scene:
        begun(scene)
        refuse(scene, "ec2:DescribeSubnets")

        failed(scene)

        assert measures(scene, "ManagedVpcs") == {}
        assert len(scene.events("Expansion Stalled")) == 1


def test_a_damaged_history_stops_the_forecast_and_is_named() -> None:
    with a_managed_vpc() as scene:
        cycle(scene)
        dynamodb = scene.cloud.client("dynamodb")
        (item,) = dynamodb.query(
            TableName=table(scene),
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": "history"}},
        )["Items"]
        dynamodb.put_item(TableName=table(scene), Item={**item, "samples": {"B": b"\x01?"}})
        scene.fill(leave=0)

        errors = failed(scene)

        assert f"sk={item['sk']['S']} is damaged" in str(errors.exceptions[-1])
        assert scene.events("Room Needed") == []


def test_one_vpc_that_cannot_be_assessed_does_not_hide_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    with a_managed_vpc() as scene:
        scene.fill(leave=0)
        broken = Network.create(scene.cloud, "10.9.0.0/24").vpc_id

        def assess_but(snapshot: Any, history: Any) -> Any:
            if snapshot.vpc_id == broken:
                raise ZeroDivisionError
            return assess(snapshot, history)

        monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Berthmaster")
        monkeypatch.setattr(watching, "assess", assess_but)
        settings = WatchSettings(capacity_table=table(scene), event_bus=BUS, capacity_metrics=MetricDetail.ATTENTION)
        watch = watching.Watch(settings, Clients(), Clock())

        with pytest.RaisesGroup(ZeroDivisionError):
            watch.cycle()

        assert [told["vpc"] for told in scene.events("Room Needed")] == [scene.vpc_id]
