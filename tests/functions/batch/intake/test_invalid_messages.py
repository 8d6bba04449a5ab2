"""Whatever an event contains, it launches nothing that is not an input, fails alone, and its wrong field is named."""

import json
import string

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from berthmaster.batch.triggers import object_message
from tests.support.batch.objects import an_event
from tests.support.batch.scene import INTAKE, a_batch_scene
from tests.support.spoiled import messages, refused_field, spoiled

DEPTH = 20_000
SPOILED = [json.dumps(one) for message in messages("batch_intake_*.json") for one in spoiled(message)]
# Repeated: to draw a thousand characters one by one takes most of the time of the test.
LONG = st.builds(lambda text, size: (text * size)[:size], st.text(string.printable, min_size=1), st.integers(900, 1100))
TEXTS = st.text(max_size=30) | LONG
DETAILS = st.fixed_dictionaries(
    {},
    optional={
        "key": TEXTS | st.sampled_from(["scans/\x00", "scans/.berthmaster/a", "scans/", "scans/a.tif"]),
        "etag": TEXTS,
        "sequencer": TEXTS,
        "version-id": TEXTS | st.just("null"),
        "size": st.integers(-1, 2**63),
    },
)


def test_most_of_the_spoiled_events_are_wrong() -> None:
    assert sum(1 for body in SPOILED if refused_field(object_message, body)) > 300


@settings(max_examples=3, phases=[Phase.generate], deadline=None, suppress_health_check=list(HealthCheck))
@given(
    bodies=st.lists(st.sampled_from(SPOILED), min_size=25, max_size=25, unique=True),
    details=st.lists(DETAILS, min_size=25, max_size=25),
)
def test_a_spoiled_event_ends_in_the_dead_letter_queue_alone(
    bodies: list[str], details: list[dict[str, object]]
) -> None:
    with a_batch_scene(pipeline={"paused": True}) as scene:
        queue = scene.berthmaster.template.identity("BatchObjectQueue").ref
        hostile = [json.dumps({"time": "2026-11-22T12:00:00Z", **an_event("scans/a", 1, **one)}) for one in details]
        for body in [*bodies, *hostile]:
            scene.cloud.client("sqs").send_message(QueueUrl=queue, MessageBody=body)
        scene.put("scans/good.tif")
        scene.berthmaster.drain()
        letters = scene.berthmaster.messages("BatchObjectDeadLetterQueue")
        log = scene.berthmaster.logs.text(INTAKE)
        for body in [*bodies, *hostile]:
            if field := refused_field(object_message, body):
                assert body in letters
                assert f"InvalidEvent('{field}: " in log or f'InvalidEvent(\\"{field}: ' in log
        assert scene.states()["scans/good.tif"] == ["waiting"]
        assert {file.key[:6] for file in scene.files()} == {"scans/"}
        assert not any("/.berthmaster/" in file.key for file in scene.files())


def test_an_event_that_is_nested_too_deep_to_be_read_fails_alone() -> None:
    with a_batch_scene(pipeline={"paused": True}) as scene:
        queue = scene.berthmaster.template.identity("BatchObjectQueue").ref
        body = (
            f'{{"source":"aws.s3","detail-type":"Object Created","time":"2026-03-02T06:00:00Z","detail":{"[" * DEPTH}'
        )
        scene.cloud.client("sqs").send_message(QueueUrl=queue, MessageBody=body)
        scene.put("scans/good.tif")
        scene.berthmaster.drain()
        assert scene.berthmaster.messages("BatchObjectDeadLetterQueue") == [body]
        assert scene.states() == {"scans/good.tif": ["waiting"]}
