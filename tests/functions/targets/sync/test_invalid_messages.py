"""A message that is not valid hinders no other, and is explained: a request by its answer, others by the log.

Those others end in the dead-letter queue.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from berthmaster.targets.triggers import parse, read
from tests.support.spoiled import EVENTS, answered_problem, messages, refused_field, spoiled
from tests.support.targets.scene import (
    DEAD_LETTER_QUEUE,
    QUEUE,
    SYNC,
    a_targets_scene,
    addresses,
    tags_of,
)

OWN = "targets_sync_*.json"
SAMPLES = messages(OWN)
SPOILED = [json.dumps(one) for sample in SAMPLES for one in spoiled(sample)]


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("version", "seven", "version"),
        ("taskArn", "nonsense", "taskArn"),
        ("desiredStatus", None, "desiredStatus"),
        ("attachments", "none", "attachments"),
    ],
)
def test_an_invalid_event_hinders_no_other(field: str, value: Any, named: str) -> None:
    with a_targets_scene() as scene:
        task = scene.start_task()
        invalid = scene.task_event(task)
        invalid["detail"][field] = value
        scene.berthmaster.put_event(invalid)
        scene.wait(2)
        assert scene.targets() == {task.address}
        before = len(scene.writes())
        scene.wait(1200)
        (letter,) = scene.dead_letters()
        assert letter["detail"][field] == value
        failures = [line["error"] for line in scene.logged(SYNC, "message failed")]
        assert len(failures) == 5
        assert all(f"detail.{named}" in one for one in failures)
        assert len(scene.writes()) == before


@pytest.mark.parametrize("path", sorted(EVENTS.glob(OWN)), ids=lambda path: path.stem)
def test_every_sample_event_is_handled(path: Path) -> None:
    with a_targets_scene() as scene:
        tasks = scene.serve(1)
        before = len(scene.writes())
        invocation = scene.berthmaster.invoke(SYNC, json.loads(path.read_text()))
        assert invocation.error is None
        assert invocation.result["batchItemFailures"] == []
        assert len(scene.writes()) == before
        assert scene.targets() == addresses(tasks)


def test_most_spoiled_events_are_invalid() -> None:
    assert sum(1 for body in SPOILED if refused_field(parse, body)) > 1_000


@settings(max_examples=5, phases=[Phase.generate], deadline=None, suppress_health_check=list(HealthCheck))
@given(bodies=st.lists(st.sampled_from(SPOILED), min_size=60, max_size=60, unique=True))
def test_spoiled_events_register_nothing_unknown_and_invalid_ones_are_explained(bodies: list[str]) -> None:
    with a_targets_scene() as scene:
        sampled = scene.target_group("sampled", tags_of(service="shop", cluster="web"))
        tasks = scene.serve(2)
        queue = scene.berthmaster.template.identity(QUEUE).ref
        for body in bodies:
            scene.cloud.client("sqs").send_message(QueueUrl=queue, MessageBody=body)
        scene.wait(1200)
        assert scene.targets() == addresses(tasks)
        known = {one["value"] for sample in SAMPLES for one in interface_details(sample)}
        assert scene.targets(sampled) <= known
        letters, log = scene.berthmaster.messages(DEAD_LETTER_QUEUE), scene.berthmaster.logs.text(SYNC)
        reasons = {one["reason"] for one in scene.events("Request Refused", "Request Unknown")}
        for body in bodies:
            if problem := answered_problem(read, body):
                assert problem in reasons
                assert body not in letters
            elif field := refused_field(parse, body):
                assert body in letters
                assert f"InvalidEvent('{field}: " in log or f'InvalidEvent(\\"{field}: ' in log


def interface_details(sample: dict[str, Any]) -> list[dict[str, str]]:
    return [one for attachment in sample["detail"].get("attachments", []) for one in attachment["details"]]
