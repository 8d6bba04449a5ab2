"""What is said on the bus arrives, whatever the bus refuses of it."""

from collections.abc import Iterator

import pytest

from berthmaster.bus import Bus, Event, Untold
from berthmaster.clients import Clients
from simulator.calls import calling_as
from simulator.cloud import Cloud
from simulator.errors import AwsError
from simulator.faults import FaultPlan, Outage

KILOBYTE = 1024


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud(seed=2) as cloud:
        cloud.client("events").create_event_bus(Name="berthmaster")
        yield cloud


@pytest.fixture
def bus(cloud: Cloud) -> Bus:
    assert cloud
    return Bus(Clients(), "berthmaster")


def numbered(count: int, size: int = 10) -> list[Event]:
    return [Event("Finding", {"number": number, "text": "x" * size}, ("arn:one",)) for number in range(count)]


def heard(cloud: Cloud) -> list[int]:
    return [seen.event["detail"]["number"] for seen in cloud.buses.seen]


def test_ten_go_together(cloud: Cloud, bus: Bus) -> None:
    bus.publish(numbered(25))
    assert heard(cloud) == list(range(25))
    assert [len(call.params["Entries"]) for call in cloud.calls.named("events:PutEvents")] == [10, 10, 5]


def test_no_more_go_together_than_a_request_has_room_for(cloud: Cloud, bus: Bus) -> None:
    bus.publish(numbered(5, 100 * KILOBYTE))
    assert heard(cloud) == list(range(5))
    assert [len(call.params["Entries"]) for call in cloud.calls.named("events:PutEvents")] == [2, 2, 1]


def test_nothing_to_say_costs_nothing(cloud: Cloud, bus: Bus) -> None:
    bus.publish([])
    assert cloud.calls.named("events:PutEvents") == []


def test_a_call_that_fails_hinders_no_other_and_what_it_held_is_handed_back(cloud: Cloud, bus: Bus) -> None:
    events = numbered(25)
    healthy = cloud.answers["events:PutEvents"]

    def refuse_the_second(cloud: Cloud, params: dict[str, list[object]]) -> object:
        if len(cloud.calls.named("events:PutEvents")) == 2:
            raise AwsError("ValidationException", "Too large.")
        return healthy(cloud, params)

    cloud.answers["events:PutEvents"] = refuse_the_second  # type: ignore[assignment]
    with pytest.raises(Untold, match=r"did not take 10 events: .*Too large") as untold:
        bus.publish(events)
    assert untold.value.events == tuple(events[10:20])
    assert heard(cloud) == [*range(10), *range(20, 25)]


def test_entries_that_are_refused_again_and_again_are_handed_back() -> None:
    with Cloud(seed=2, faults=FaultPlan(entry_refused=0.6)) as cloud, calling_as("Fn"):
        cloud.client("events").create_event_bus(Name="berthmaster")
        with pytest.raises(Untold, match="InternalFailure") as untold:
            Bus(Clients(), "berthmaster").publish(numbered(40))
        lost = [event.detail["number"] for event in untold.value.events]
        assert 0 < len(lost) < 40
        assert sorted([*heard(cloud), *lost]) == list(range(40))


def test_a_bus_that_does_not_answer_is_not_tried_with_every_event(cloud: Cloud, bus: Bus) -> None:
    events = numbered(95)
    cloud.faults.begin_outage(Outage("events:PutEvents", until=cloud.clock.timestamp() + 600))
    with calling_as("Fn"), pytest.raises(Untold) as untold:
        bus.publish(events)
    assert untold.value.events == tuple(events)
    assert len(cloud.calls.named("events:PutEvents")) == 1
