"""What an event says of an expansion is in the ledger by then, and what was saved is published in the end."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from berthmaster.capacity.ledger.expansions import Expansion, Expansions
from simulator.cloud import Cloud
from simulator.faults import CrashAfter, CrashBefore
from simulator.workload.network import MANAGED
from tests.support.capacity.scene import BUS, EXPAND, CapacityScene, a_managed_vpc, a_vpc_short_of_room


@contextmanager
def events_compared_with_the_ledger(scene: CapacityScene) -> Iterator[dict[str, str]]:
    """Yields the states of expansions in the ledger when events about them are put, by detail type."""
    usual = scene.cloud.handlers["events:PutEvents"]
    ledger = Expansions(scene.cloud.client("dynamodb"), scene.table)
    states: dict[str, str] = {}

    def put_events(cloud: Cloud, params: Mapping[str, Any]) -> Any:
        answer = usual(cloud, params)
        for entry in params["Entries"]:
            for found in ledger.of_vpc(scene.vpc_id):
                if f'"expansion":"{found.id}"' in entry["Detail"]:
                    states[entry["DetailType"]] = found.state
        return answer

    scene.cloud.handlers["events:PutEvents"] = put_events
    yield states
    scene.cloud.handlers["events:PutEvents"] = usual


def test_a_proposal_is_known_when_it_is_published() -> None:
    with a_vpc_short_of_room(mode="approve") as scene, events_compared_with_the_ledger(scene) as states:
        scene.request("Proposal Rejected", proposal=scene.propose())
        assert states == {"Expansion Proposed": "proposed", "Expansion Rejected": "rejected"}


def test_outcomes_are_saved_when_they_are_published() -> None:
    with a_managed_vpc() as scene, events_compared_with_the_ledger(scene) as states:
        expansion = scene.expand()
        interface = scene.cloud.client("ec2").create_network_interface(SubnetId=scene.added_subnets()[0]["SubnetId"])
        scene.request("Retirement Requested", expansion=expansion)
        assert states == {"Expansion Completed": "done", "Retirement Refused": "done"}
        scene.cloud.client("ec2").delete_network_interface(
            NetworkInterfaceId=interface["NetworkInterface"]["NetworkInterfaceId"]
        )
        scene.request("Retirement Requested", expansion=expansion)
        assert states["Expansion Retired"] == "retired"


def test_what_was_superseded_is_saved_before_its_approval_is_refused() -> None:
    with a_vpc_short_of_room(mode="approve") as scene, events_compared_with_the_ledger(scene) as states:
        old = scene.propose()
        scene.cloud.client("ec2").associate_vpc_cidr_block(VpcId=scene.vpc_id, CidrBlock="100.64.0.0/16")
        scene.berthmaster.run(minutes=1)
        refused_at: list[str] = []
        usual = scene.cloud.handlers["events:PutEvents"]

        def put_events(cloud: Cloud, params: Mapping[str, Any]) -> Any:
            if params["Entries"][0]["DetailType"] == "Request Refused":
                found = Expansions(cloud.client("dynamodb"), scene.table).get(old.removeprefix("capacity."))
                refused_at.append(found.state if found else "")
            return usual(cloud, params)

        scene.cloud.handlers["events:PutEvents"] = put_events
        scene.request("Proposal Approved", proposal=old)
        assert refused_at == ["superseded"]
        assert states["Expansion Proposed"] == "proposed"


def calls_of_a_proposal() -> int:
    with a_vpc_short_of_room(mode="approve") as scene:
        before = len(scene.cloud.calls.of(EXPAND))
        scene.propose()
        return len(scene.cloud.calls.of(EXPAND)) - before


@pytest.mark.parametrize("last", range(6))
@pytest.mark.parametrize("crash", [CrashBefore, CrashAfter])
def test_a_proposal_whose_run_dies_is_published_and_can_be_approved(
    last: int, crash: type[CrashBefore] | type[CrashAfter]
) -> None:
    calls = calls_of_a_proposal()
    with a_vpc_short_of_room(mode="approve") as scene:
        scene.cloud.faults.set_crash(crash(calls - last, EXPAND))
        scene.need_room()
        assert scene.cloud.faults.crashes == 1
        assert {one["proposal"] for one in scene.events("Expansion Proposed")} == {scene.propose()}
        scene.request("Proposal Approved", proposal=scene.events("Expansion Proposed")[0]["proposal"])
        assert len(scene.events("Expansion Completed")) == 1


def test_a_proposal_that_the_bus_did_not_accept_is_published_by_the_next_run_about_the_vpc() -> None:
    with a_vpc_short_of_room(mode="approve") as scene:
        usual = scene.cloud.handlers["events:PutEvents"]
        scene.cloud.handlers["events:PutEvents"] = lambda *_: {"Entries": [{"ErrorCode": "InternalFailure"}]}
        scene.need_room()
        assert scene.events("Expansion Proposed") == []
        scene.cloud.handlers["events:PutEvents"] = usual
        scene.need_room()
        assert len(scene.events("Expansion Proposed")) == 1


def test_rejecting_again_after_a_crash_rejects_once_and_publishes() -> None:
    with a_vpc_short_of_room(mode="approve") as scene:
        proposal = scene.propose()
        usual = scene.cloud.handlers["events:PutEvents"]
        scene.cloud.handlers["events:PutEvents"] = lambda *_: {"Entries": [{"ErrorCode": "InternalFailure"}]}
        scene.request("Proposal Rejected", proposal=proposal)
        scene.cloud.handlers["events:PutEvents"] = usual
        scene.request("Proposal Rejected", proposal=proposal)
        assert len(scene.events("Expansion Rejected")) == 1
        assert scene.events("Request Refused") == []


@contextmanager
def no_outcome_published(scene: CapacityScene) -> Iterator[None]:
    """The bus accepts requests and their answers, but no event about an expansion."""
    usual = scene.cloud.handlers["events:PutEvents"]

    def put_events(cloud: Cloud, params: Mapping[str, Any]) -> Any:
        if params["Entries"][0]["DetailType"].startswith("Expansion "):
            return {"Entries": [{"ErrorCode": "InternalFailure"}]}
        return usual(cloud, params)

    scene.cloud.handlers["events:PutEvents"] = put_events
    yield
    scene.cloud.handlers["events:PutEvents"] = usual


def the_unpublished(scene: CapacityScene) -> Expansion:
    (found,) = Expansions(scene.cloud.client("dynamodb"), scene.table).of_vpc(scene.vpc_id)
    assert found.unpublished
    return found


def test_a_proposal_that_is_approved_before_it_could_be_published_is_carried_out() -> None:
    with a_vpc_short_of_room(mode="approve") as scene:
        with no_outcome_published(scene):
            scene.need_room()
            scene.put("berthmaster.operator", "Proposal Approved", bus=BUS, proposal=the_unpublished(scene).proposal)
            scene.berthmaster.run(minutes=1)
        scene.berthmaster.drain()
        assert len(scene.events("Expansion Completed")) == 1
        assert scene.dead_letters() == []


def test_an_expansion_that_is_retired_before_its_end_could_be_published_is_undone() -> None:
    with a_managed_vpc(watched=True) as scene:
        scene.workload.service("idle", scene.network.network_configuration(), 0, tags=MANAGED)
        scene.berthmaster.run(minutes=5)
        with no_outcome_published(scene):
            request = {"vpc": scene.vpc_id, "subnet": scene.subnets[0], "addresses": 50}
            scene.put("berthmaster.operator", "Expand Requested", bus=BUS, **request)
            scene.berthmaster.run(minutes=5)
            scene.put("berthmaster.operator", "Retirement Requested", bus=BUS, expansion=the_unpublished(scene).id)
            scene.berthmaster.run(minutes=1)
        scene.berthmaster.run(minutes=60)
        assert len(scene.events("Expansion Retired")) == 1
        assert scene.added_subnets() == []
        assert scene.dead_letters() == []
