"""Whatever an event contains, nothing is changed; the wrong field is named, by an answer or by the log.

What no operator has sent ends in the dead-letter queue.
"""

import json

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from berthmaster.capacity.triggers import parse, read
from tests.support.capacity.scene import DEAD_LETTERS, EXPAND, QUEUE, a_vpc_short_of_room
from tests.support.spoiled import answered_problem, messages, refused_field, spoiled

DEPTH = 20_000
SPOILED = [json.dumps(one) for message in messages("capacity_expand_*.json") for one in spoiled(message)]


def test_most_of_the_spoiled_events_are_wrong() -> None:
    assert sum(1 for body in SPOILED if refused_field(parse, body)) > 500


@settings(max_examples=4, phases=[Phase.generate], deadline=None, suppress_health_check=list(HealthCheck))
@given(bodies=st.lists(st.sampled_from(SPOILED), min_size=25, max_size=25, unique=True))
def test_a_spoiled_event_changes_nothing_and_its_error_names_the_field(bodies: list[str]) -> None:
    with a_vpc_short_of_room() as scene:
        queue = scene.berthmaster.template.identity(QUEUE).ref
        for body in bodies:
            scene.cloud.client("sqs").send_message(QueueUrl=queue, MessageBody=body)
        scene.berthmaster.drain()
        assert scene.writes() == []
        letters = scene.berthmaster.messages(DEAD_LETTERS)
        log = scene.berthmaster.logs.text(EXPAND)
        reasons = {one["reason"] for one in scene.events("Request Refused", "Request Unknown")}
        for body in bodies:
            if problem := answered_problem(read, body):
                assert problem in reasons
                assert body not in letters
            elif field := refused_field(parse, body):
                assert body in letters
                assert f"InvalidEvent: {field}: " in log


def test_an_event_that_is_nested_too_deep_to_be_read_fails_alone() -> None:
    with a_vpc_short_of_room() as scene:
        queue = scene.berthmaster.template.identity(QUEUE).ref
        deep = f"{'[' * DEPTH}{']' * DEPTH}"
        body = f'{{"source":"berthmaster.operator","detail-type":"X","time":"2026-03-02T06:00:00Z","detail":{deep}}}'
        scene.cloud.client("sqs").send_message(QueueUrl=queue, MessageBody=body)
        scene.room_needed()
        scene.berthmaster.run(minutes=1)
        assert len(scene.added_subnets()) == 1
        scene.berthmaster.drain()
        assert scene.berthmaster.messages(DEAD_LETTERS) == [body]
