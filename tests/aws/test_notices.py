"""Notices reach the bus and people, whatever the bus refuses of the others."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from berthmaster.clients import Clients
from berthmaster.notices import Notice, Notices, NotPublished
from simulator.aws.sns.topics import Topics
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
def notices(cloud: Cloud) -> Notices:
    topic = cloud.client("sns").create_topic(Name="people")["TopicArn"]
    return Notices(Clients(), bus="berthmaster", topic_arn=topic)


def numbered(count: int, size: int = 10) -> list[Notice]:
    return [Notice("Finding Reported", {"number": number, "text": "x" * size}, ("arn:one",)) for number in range(count)]


def published(cloud: Cloud) -> list[int]:
    return [seen.event["detail"]["number"] for seen in cloud.buses.seen]


def test_ten_go_together(cloud: Cloud, notices: Notices) -> None:
    notices.publish(numbered(25))
    assert published(cloud) == list(range(25))
    assert [len(call.params["Entries"]) for call in cloud.calls.named("events:PutEvents")] == [10, 10, 5]


def test_no_more_go_together_than_a_request_has_room_for(cloud: Cloud, notices: Notices) -> None:
    notices.publish(numbered(5, 100 * KILOBYTE))
    assert published(cloud) == list(range(5))
    assert [len(call.params["Entries"]) for call in cloud.calls.named("events:PutEvents")] == [2, 2, 1]


def test_no_notice_costs_no_call(cloud: Cloud, notices: Notices) -> None:
    notices.publish([])
    assert cloud.calls.named("events:PutEvents") == []


def test_a_refused_call_stops_no_other_and_its_notices_are_returned(cloud: Cloud, notices: Notices) -> None:
    some = numbered(25)
    healthy = cloud.handlers["events:PutEvents"]

    def refuse_the_second(cloud: Cloud, params: dict[str, list[object]]) -> object:
        if len(cloud.calls.named("events:PutEvents")) == 2:
            raise AwsError("ValidationException", "Too large.")
        return healthy(cloud, params)

    cloud.handlers["events:PutEvents"] = refuse_the_second  # type: ignore[assignment]
    with pytest.raises(NotPublished, match=r"did not accept 10 events: .*Too large") as refused:
        notices.publish(some)
    assert refused.value.notices == tuple(some[10:20])
    assert published(cloud) == [*range(10), *range(20, 25)]


def test_entries_refused_several_times_are_returned() -> None:
    with Cloud(seed=2, faults=FaultPlan(entry_refused=0.6)) as cloud, calling_as("Fn"):
        cloud.client("events").create_event_bus(Name="berthmaster")
        with pytest.raises(NotPublished, match="InternalFailure") as refused:
            Notices(Clients(), bus="berthmaster").publish(numbered(40))
        lost = [event.detail["number"] for event in refused.value.notices]
        assert 0 < len(lost) < 40
        assert sorted([*published(cloud), *lost]) == list(range(40))


def test_a_bus_that_does_not_answer_is_not_tried_with_every_event(cloud: Cloud, notices: Notices) -> None:
    some = numbered(95)
    cloud.faults.begin_outage(Outage("events:PutEvents", until=cloud.clock.timestamp() + 600))
    with calling_as("Fn"), pytest.raises(NotPublished) as refused:
        notices.publish(some)
    assert refused.value.notices == tuple(some)
    assert len(cloud.calls.named("events:PutEvents")) == 1


def test_people_get_the_notices_that_have_a_text(cloud: Cloud, notices: Notices) -> None:
    notices.publish([Notice("Expansion Proposed", {}, subject="x" * 200, text="the whole plan"), *numbered(2)])
    (message,) = cloud.state(Topics).published
    assert message.message == "x" * 200 + " (account 123456789012, eu-central-1)\n\nthe whole plan"
    assert message.subject == ("Berthmaster: " + "x" * 200)[:99]


def test_a_subject_has_no_line_breaks_and_no_control_characters(cloud: Cloud, notices: Notices) -> None:
    notices.publish([Notice("Request Unknown", {}, subject="drain\n\x00all", text="what?")])
    (message,) = cloud.state(Topics).published
    assert message.subject == "Berthmaster: drain  all"


def test_a_subject_is_ascii_and_the_message_says_the_whole_name(cloud: Cloud, notices: Notices) -> None:
    notices.publish([Notice("Request Accepted", {}, subject="Büro", text="done")])
    (message,) = cloud.state(Topics).published
    assert message.subject == "Berthmaster: B?ro"
    assert message.message.startswith("Büro ")


def test_a_message_that_sns_does_not_take_stops_no_other_and_is_returned(
    cloud: Cloud,
    notices: Notices,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Berthmaster")
    usual = cloud.handlers["sns:Publish"]

    def refuse_the_first(cloud: Cloud, params: Mapping[str, Any]) -> Any:
        if "first" in params["Message"]:
            raise AwsError("KMSAccessDenied", "The key may not be used.")
        return usual(cloud, params)

    cloud.handlers["sns:Publish"] = refuse_the_first
    first, second = (Notice("Task Drained", {"number": one}, subject="x", text=one) for one in ("first", "second"))
    assert notices.publish([first, second]) == [first]
    assert len(published(cloud)) == 2
    (message,) = cloud.state(Topics).published
    assert message.message.endswith("second")
    assert [one.__dict__["texts"] for one in caplog.records if one.message == "people not notified"] == [["first"]]
    assert any(json.loads(line).get("NotificationsFailed") == [1] for line in capsys.readouterr().out.splitlines())


def test_notices_of_a_group_are_one_message_to_people(cloud: Cloud, notices: Notices) -> None:
    def of(group: str, number: int) -> Notice:
        return Notice("Task Drained", {"number": number}, subject=f"task {number}", text=f"{number} done", group=group)

    notices.publish([of("tasks drained", 1), of("", 2), of("tasks drained", 3), of("", 4)])
    assert published(cloud) == [1, 2, 3, 4]
    together, second, fourth = (one.message for one in cloud.state(Topics).published)
    assert together == "2 times tasks drained (account 123456789012, eu-central-1)\n\n1 done\n\n3 done"
    assert [second.splitlines()[-1], fourth.splitlines()[-1]] == ["2 done", "4 done"]


def test_a_message_to_people_lists_no_more_than_they_can_read(cloud: Cloud, notices: Notices) -> None:
    notices.publish([Notice("Task Drained", {}, subject="x", text="done", group="drained") for _ in range(130)])
    (message,) = cloud.state(Topics).published
    assert message.message.endswith("and 30 more")
    assert message.message.count("done") == 100


def test_a_message_to_people_is_cut_where_sns_takes_no_more(cloud: Cloud, notices: Notices) -> None:
    long = [Notice("Patch Proposed", {}, text="ü" * 20 * KILOBYTE, group="Patch Proposed") for _ in range(9)]
    notices.publish(long)
    (message,) = [one.message for one in cloud.state(Topics).published]
    assert 240_000 < len(message.encode()) < 256 * KILOBYTE
    assert message.endswith("the rest is in the events")


def test_people_are_not_notified_of_what_the_bus_did_not_accept(cloud: Cloud, notices: Notices) -> None:
    """The caller publishes it again; people would get it twice."""
    cloud.faults.begin_outage(Outage("events:PutEvents", until=cloud.clock.timestamp() + 600))
    with calling_as("Fn"), pytest.raises(NotPublished):
        notices.publish([Notice("Expansion Proposed", {}, subject="a plan", text="the whole plan")])
    assert cloud.state(Topics).published == []


def test_what_cannot_be_published_again_is_logged_whole_and_counted(
    cloud: Cloud,
    notices: Notices,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Berthmaster")
    cloud.faults.begin_outage(Outage("events:PutEvents", until=cloud.clock.timestamp() + 600))
    with calling_as("Fn"), pytest.raises(NotPublished):
        notices.publish_once(numbered(1))
    (lost,) = [record.__dict__["events"] for record in caplog.records if record.message == "events lost"]
    assert lost == [{"detail_type": "Finding Reported", "detail": {"number": 0, "text": "x" * 10}}]
    assert any(json.loads(line).get("EventsLost") == [1] for line in capsys.readouterr().out.splitlines())
