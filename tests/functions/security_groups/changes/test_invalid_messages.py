"""A message that is not understood changes nothing and fails alone, and its wrong field is named."""

import json

from berthmaster.security_groups.change_triggers import read
from berthmaster.security_groups.model.removals import RemovalState
from tests.support.security_groups.changes import a_scene_of_changes, approve, post, states, writes
from tests.support.security_groups.scene import CHANGE
from tests.support.spoiled import answered_problem, messages, refused_field, spoiled

SPOILED = [json.dumps(one) for message in messages("security_groups_change_*.json") for one in spoiled(message)]


def test_a_spoiled_message_ends_in_the_dead_letter_queue_or_is_answered() -> None:
    refused = [body for body in SPOILED if refused_field(read, body)][::17]
    answered = [body for body in SPOILED if answered_problem(read, body)][::17]
    assert len(refused) > len(answered) > 5
    with a_scene_of_changes() as scene:
        scene.cloud.client("ec2").delete_flow_logs(FlowLogIds=[scene.log])
        rule = scene.allow("db", 5432, "10.9.0.0/16")
        approve(scene, rule)
        scene.berthmaster.drain()
        before = writes(scene)
        for body in [*refused, *answered]:
            post(scene, body)
        scene.berthmaster.drain()
        assert writes(scene) == before
        assert states(scene, rule) == [RemovalState.QUARANTINED]
        assert sorted(scene.berthmaster.messages("SecurityGroupsChangeDeadLetterQueue")) == sorted(refused)
        log = scene.berthmaster.logs.text(CHANGE)
        for body in refused:
            field = refused_field(read, body)
            assert f"InvalidEvent('{field}: " in log or f'InvalidEvent(\\"{field}: ' in log
        assert len(scene.events("Request Refused", "Request Unknown")) == len(answered)
        scene.request("Restore Requested", rule=rule)
        scene.wait(60)
        assert states(scene, rule) == [RemovalState.RESTORED]
