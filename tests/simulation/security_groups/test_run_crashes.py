"""From the announcement of a rule to its quarantine, wherever security_groups_change dies: before or after any write.

Afterwards all is as it would have been: what was to be published is published, and one proposal has led to one change.
"""

from typing import Any

import pytest

from berthmaster.proposals import Outcome
from berthmaster.security_groups.model.removals import Proposal, RemovalState
from berthmaster.security_groups.model.tags import KEEP
from simulator.calls import Call
from simulator.faults import CrashAfter, CrashBefore
from tests.support.security_groups.change_scene import CHANGE, OFFICE, WINDOW, ChangeScene, a_change_scene

LEAST_WRITES = 15
FEW = 3
"""Rules, one of which no crash is about."""
HEARD = {"Removal Announced", "Removals Proposed", "Request Accepted", "Rule Quarantined"}
AT_ONCE = {"SecurityGroupsNoticeDays": 0, "SecurityGroupsQuarantineDays": 30, "SecurityGroupsRemovalsPerGroup": 100}


def story(scene: ChangeScene, rule: str, crash: CrashBefore | CrashAfter | None = None) -> list[Call]:
    """A rule is not to be kept any more; returns the function's calls until it is in quarantine."""
    begun, heard = len(scene.scene.cloud.calls), len(scene.scene.berthmaster.bus_events)
    crashes = scene.scene.cloud.faults.crashes
    scene.unused = rule
    scene.ec2.delete_tags(Resources=[rule], Tags=[{"Key": KEEP}])
    if crash:
        scene.scene.cloud.faults.set_crash(crash)
    scene.until(RemovalState.PROPOSED)
    for _ in range(5):
        if scene.state() is RemovalState.QUARANTINED:
            break
        for proposal in _proposals(scene):
            if not proposal.unpublished:
                scene.scene.request("Proposal Approved", proposal=proposal.id, by="ann")
        scene.wait(10)
    scene.wait(10)
    calls = [one for one in scene.scene.cloud.calls.since(begun) if one.caller == CHANGE]
    # Each story has some reads more or less than the one whose writes were counted.
    is_over = crash is not None and len(calls) < crash.call
    assert scene.scene.cloud.faults.crashes - crashes == (crash is not None and not is_over)
    assert _afterwards(scene, heard, calls) == (RemovalState.QUARANTINED, False, True, 1, HEARD, [Outcome.APPROVED], [])
    return calls


def _proposals(scene: ChangeScene) -> list[Proposal]:
    return [one for one in scene.proposals() if scene.unused in one.rules and not one.superseded]


def _afterwards(scene: ChangeScene, heard: int, calls: list[Call]) -> Any:
    removal = scene.removal()
    assert removal
    changes = [one for one in calls if one.service == "ec2" and not one.is_read and one.outcome == "ok"]
    events = [one.event["detail-type"] for one in scene.scene.berthmaster.bus_events[heard:]]
    return (
        removal.state,
        removal.unpublished,
        scene.described()["CidrIpv4"].startswith("192.0.2."),
        len(changes),
        HEARD.intersection(events),
        [one.verdict for one in _proposals(scene)],
        scene.scene.dead_letters(),
    )


@pytest.mark.parametrize("crash", [CrashBefore, CrashAfter])
def test_crashes_of_a_run_and_of_a_decision_change_nothing_in_the_end(
    crash: type[CrashBefore | CrashAfter], stride: int
) -> None:
    """With a stride of 1, at each of them; otherwise at a few, which are others for each kind."""
    with a_change_scene("approve", **AT_ONCE) as scene:
        scene.wait(10)
        rules = [scene.scene.allow("db", 8000 + number, OFFICE) for number in range(50 if stride == 1 else FEW)]
        scene.ec2.create_tags(Resources=[*rules, scene.unused], Tags=[{"Key": KEEP, "Value": "for later"}])
        scene.wait(WINDOW + 10)
        calls = story(scene, rules.pop())
        numbers = [number for number, call in enumerate(calls, 1) if not call.is_read]
        assert len(numbers) >= LEAST_WRITES
        first = 5 * (crash is CrashAfter) if stride > 1 else 0
        for number, rule in zip(numbers[first :: 1 if stride == 1 else 2 * stride], rules, strict=False):
            story(scene, rule, crash(number, CHANGE))
