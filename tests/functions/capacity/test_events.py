"""Every sample event is handled; an event that is wrong changes nothing, and is answered if an operator sent it."""

import json
from pathlib import Path
from typing import Any

import pytest

from simulator.workload.network import MANAGED, Network
from simulator.workload.services import Workload
from tests.support.capacity.scene import BUS, EXPAND, QUEUE, a_managed_vpc, a_vpc_short_of_room

EVENTS = Path(__file__).parents[3] / "events"


@pytest.mark.parametrize("path", sorted(EVENTS.glob("capacity_expand_*.json")), ids=lambda path: path.stem)
def test_every_sample_event_is_handled(path: Path) -> None:
    with a_managed_vpc() as scene:
        invocation = scene.berthmaster.invoke(EXPAND, json.loads(path.read_text()))
        assert invocation.error is None
        assert invocation.result["batchItemFailures"] == []
        assert scene.writes() == []


def test_a_failure_that_addresses_do_not_fix_is_diagnosed_and_nothing_is_added() -> None:
    with a_vpc_short_of_room() as scene:
        (record,) = json.loads((EVENTS / "capacity_expand_placement_failure.json").read_text())["Records"]
        scene.berthmaster.put_event(json.loads(record["body"]))
        scene.berthmaster.drain()
        assert scene.writes() == []
        (diagnosed,) = scene.events("Failure Diagnosed")
        assert (diagnosed["cause"], diagnosed["source"]) == ("eni_slots", "aws.ecs ECS Service Action")


def an_alarm(*subnets: str) -> dict[str, Any]:
    """Metric math over a metric of each subnet."""
    (record,) = json.loads((EVENTS / "capacity_expand_ipam_alarm.json").read_text())["Records"]
    event: dict[str, Any] = json.loads(record["body"])
    metrics = [
        {"namespace": "AWS/IPAM", "name": "SubnetIPUsage", "dimensions": {"SubnetID": subnet}} for subnet in subnets
    ]
    event["detail"]["configuration"]["metrics"] = [
        {"id": "e1", "expression": "MAX(METRICS())", "returnData": True},
        *({"id": f"m{number}", "metricStat": {"metric": metric}} for number, metric in enumerate(metrics)),
    ]
    return event


def test_an_alarm_over_subnets_of_two_vpcs_is_checked_in_both() -> None:
    with a_vpc_short_of_room() as scene:
        other = Network.create(scene.cloud, "10.1.0.0/26")
        subnet = other.subnet("a", "10.1.0.0/26")
        Workload(scene.cloud, cluster="other").service("shop", other.network_configuration(), 2, tags=MANAGED)
        scene.berthmaster.run(minutes=5)
        other.occupy(subnet, leave=1)
        scene.fill(which=1)
        scene.berthmaster.put_event(an_alarm(*scene.subnets[:2], subnet))
        scene.berthmaster.drain()
        done = scene.events("Expansion Completed")
        assert {one["vpc"] for one in done} == {scene.vpc_id, other.vpc_id}
        assert [one["AvailabilityZone"] for one in scene.added_subnets()] == ["eu-central-1a", "eu-central-1b"]


def test_a_wrong_event_that_no_operator_sent_ends_in_the_dead_letter_queue() -> None:
    with a_vpc_short_of_room() as scene:
        event = {"source": "berthmaster", "detail-type": "Room Needed", "time": "2026-03-02T06:00:00Z"}
        body = json.dumps(event | {"detail": {"vpc": "vpc-nonsense", "subnets": []}})
        queue = scene.berthmaster.template.identity(QUEUE).ref
        scene.cloud.client("sqs").send_message(QueueUrl=queue, MessageBody=body)
        scene.berthmaster.drain()
        assert scene.writes() == []
        (letter,) = scene.dead_letters()
        assert letter["detail"]["vpc"] == "vpc-nonsense"
        assert "detail.vpc" in scene.berthmaster.logs.text(EXPAND)


def test_one_wrong_event_does_not_stop_the_rest_of_its_batch() -> None:
    with a_vpc_short_of_room() as scene:
        scene.put("berthmaster.operator", "Expand Requested", bus=BUS, vpc=17)
        scene.need_room()
        assert len(scene.added_subnets()) == 1
        assert len(scene.events("Request Refused")) == 1
        assert scene.dead_letters() == []
