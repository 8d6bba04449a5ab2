"""An operator stops an automation at any moment, whatever is running; a mode that is off stops it from the start."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from berthmaster import envelope
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.errors import InvalidEvent
from berthmaster.modes import Mode
from berthmaster.switch import LONG_AGO, Stopped, Switch, SwitchRequest, switch_parsers
from simulator.cloud import Cloud
from tests.support.tables import CAPACITY_TABLE, create_capacity_table

PAUSE, RESUME = SwitchRequest(pause=True, by="Ann"), SwitchRequest(pause=False, by="Ann")


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud(seed=3) as cloud:
        create_capacity_table(cloud.client("dynamodb"))
        yield cloud


def a_switch(mode: Mode = Mode.ENFORCE, automation: str = "capacity") -> Switch:
    return Switch(Clients().dynamodb, Clock(), table=CAPACITY_TABLE, automation=automation, mode=mode)


def test_a_pause_stops_every_invocation_until_it_is_taken_back(cloud: Cloud) -> None:
    running = a_switch()
    running.check()
    assert a_switch().apply(PAUSE).detail_type == "Automation Paused"
    with pytest.raises(Stopped, match="paused by Ann since 2026-03-02"):
        running.check()
    later = replace(RESUME, time=cloud.clock.now())
    assert a_switch().apply(later).detail_type == "Automation Resumed"
    running.check()


def test_an_older_request_that_arrives_late_has_no_effect(cloud: Cloud) -> None:
    noon = cloud.clock.now()
    a_switch().apply(replace(RESUME, time=noon))
    answer = a_switch().apply(replace(PAUSE, time=noon - timedelta(minutes=1), by="Bob"))
    assert (answer.detail_type, answer.detail["by"]) == ("Automation Resumed", "Ann")
    assert "A Pause Requested that was sent before, or in the same second, has no effect." in answer.text
    assert a_switch().reason() == ""


@pytest.mark.parametrize("order", [(PAUSE, RESUME), (RESUME, PAUSE), (PAUSE, RESUME, PAUSE), (RESUME, PAUSE, RESUME)])
def test_of_two_requests_in_one_second_the_pause_holds_whichever_arrives_last(
    cloud: Cloud, order: tuple[SwitchRequest, ...]
) -> None:
    for request in order:
        a_switch().apply(replace(request, time=cloud.clock.now()))
    assert a_switch().reason()


@pytest.mark.parametrize("request_", [PAUSE, RESUME])
def test_a_request_that_arrives_again_does_not_move_its_time(cloud: Cloud, request_: SwitchRequest) -> None:
    sent = replace(request_, time=cloud.clock.now())
    first = a_switch().apply(sent)
    before = a_switch().reason(), a_switch().resumed_at()
    cloud.clock.advance(3600)
    assert a_switch().apply(sent) == first
    assert (a_switch().reason(), a_switch().resumed_at()) == before


def test_the_end_of_the_last_pause_is_known(cloud: Cloud) -> None:
    assert a_switch().resumed_at() == LONG_AGO
    a_switch().apply(PAUSE)
    assert a_switch().resumed_at() == LONG_AGO
    cloud.clock.advance(3600)
    a_switch().apply(replace(RESUME, time=cloud.clock.now()))
    assert a_switch().resumed_at() == cloud.clock.now()


def test_each_automation_has_its_own_switch(cloud: Cloud) -> None:
    assert cloud
    a_switch(automation="targets").apply(PAUSE)
    a_switch().check()


def test_off_stops_without_a_read(cloud: Cloud) -> None:
    with pytest.raises(Stopped, match="off"):
        a_switch(Mode.OFF).check()
    assert len(cloud.calls.named("dynamodb:GetItem")) == 0


@pytest.mark.parametrize(("mode", "count"), [(Mode.OFF, 1), (Mode.ENFORCE, 0)])
def test_what_is_left_unfinished_when_off_is_counted(
    cloud: Cloud, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, mode: Mode, count: int
) -> None:
    assert cloud
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Berthmaster")
    a_switch(mode).leave_unfinished("expansion vpc-1")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len([line for line in lines if line.get("UnfinishedWork") == [1]]) == count


def test_a_request_for_another_automation_is_refused() -> None:
    def parsed(automation: object) -> SwitchRequest:
        event = {
            "source": "berthmaster.operator",
            "detail-type": "Pause Requested",
            "time": "2026-11-22T11:30:00Z",
            "detail": {"automation": automation, "by": "Ann"},
        }
        return envelope.parse(json.dumps(event), switch_parsers("capacity"))

    assert parsed("capacity") == replace(PAUSE, time=datetime(2026, 11, 22, 11, 30, tzinfo=UTC))
    for wrong in ("targets", "", 7):
        with pytest.raises(InvalidEvent) as refused:
            parsed(wrong)
        assert refused.value.field == "detail.automation"
