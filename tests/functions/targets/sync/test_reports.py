"""Calls are reported on the bus, and their delays in metrics."""

import json
from datetime import datetime

import pytest

from tests.support.targets.scene import QUEUE, SYNC, a_targets_scene


def test_events_that_the_bus_does_not_accept_are_logged_and_hinder_nothing() -> None:
    with a_targets_scene() as scene:
        scene.begin_outage("events:PutEvents", seconds=600)
        (task,) = scene.serve(1)
        assert scene.targets() == {task.address}
        assert scene.berthmaster.messages(QUEUE) == []
        (lost,) = scene.logged(SYNC, "events lost")
        assert lost["level"] == "ERROR"
        assert lost["events"][0]["detail_type"] == "Targets Registered"
        assert task.address in json.dumps(lost["events"])
        assert scene.metric(SYNC, "EventsLost") == [1.0]
        assert scene.events("Targets Registered") == []


def test_the_delay_of_a_call_is_measured_from_the_event() -> None:
    with a_targets_scene() as scene:
        (task,) = scene.serve(1)
        (delay,) = scene.metric(SYNC, "SecondsToRegister")
        assert 0 < delay < 3
        scene.fleet.stop(task)
        scene.fleet.scale("shop", 0)
        scene.wait(120)
        (delay,) = scene.metric(SYNC, "SecondsToDeregister")
        assert 0 < delay < 3


def test_the_delay_of_a_call_that_failed_at_first_is_measured_from_the_event() -> None:
    with a_targets_scene() as scene:
        (task,) = scene.serve(1)
        scene.begin_outage("elbv2:DeregisterTargets", seconds=20)
        scene.fleet.scale("shop", 0)
        scene.wait(40)
        assert scene.targets() == set()
        event = next(one for one in scene.task_events(task) if one["detail"]["desiredStatus"] == "STOPPED")
        calls = [call for call in scene.writes() if call.operation == "DeregisterTargets"]
        assert calls[-1].outcome == "ok"
        (delay,) = scene.metric(SYNC, "SecondsToDeregister")
        assert delay == pytest.approx(calls[-1].at - datetime.fromisoformat(event["time"]).timestamp(), abs=2)
