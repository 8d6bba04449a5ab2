"""What is published about calls, drained tasks and findings, and which of it people get as a message."""

from dataclasses import replace

from berthmaster.targets.model import Call, ClaimState, Finding, Move
from berthmaster.targets.report.notices import (
    SHOWN,
    TARGETS_PER_EVENT,
    findings_reported,
    targets_changed,
    tasks_drained,
)
from tests.support.targets.builders import a_claim, a_target_group, a_task, target_group_arn, task_arn

FRONT, BACK = a_target_group(), a_target_group("back")


def findings(count: int) -> list[Finding]:
    return [
        Finding(destination=target_group_arn(f"web-{number}"), code="port", text=f"port {number} is unclear")
        for number in range(count)
    ]


def test_calls_are_reported_per_destination_and_kind() -> None:
    old, new = a_task(1), a_task(2, ip="10.0.0.5")
    removed = Move(
        before=None, after=a_claim(old, FRONT, ClaimState.DRAINING), reason="it is leaving", call=Call.DEREGISTER
    )
    added = [Move(before=None, after=a_claim(new, one), reason="it runs", call=Call.REGISTER) for one in (FRONT, BACK)]
    without_call = replace(removed, call=None)
    notices = targets_changed([removed, *added, without_call])
    assert [(notice.detail_type, notice.detail["destination"]) for notice in notices] == [
        ("Targets Deregistered", FRONT.arn),
        ("Targets Registered", FRONT.arn),
        ("Targets Registered", BACK.arn),
    ]
    assert notices[0].detail["targets"] == [
        {"ip": "10.0.0.4", "port": 8080, "owner": task_arn(1), "reason": "it is leaving"}
    ]
    assert not any(notice.text for notice in notices)


def test_during_a_handover_the_former_owner_is_the_one_that_is_deregistered() -> None:
    claim = a_claim(a_task(2), FRONT, ClaimState.HANDOVER, former=task_arn(1))
    (notice,) = targets_changed([Move(before=None, after=claim, reason="", call=Call.DEREGISTER)])
    assert notice.detail["targets"][0]["owner"] == task_arn(1)


def test_many_targets_are_several_events() -> None:
    move = Move(before=None, after=a_claim(a_task(1), FRONT), reason="it runs", call=Call.REGISTER)
    notices = targets_changed([move] * (TARGETS_PER_EVENT + 1))
    assert [len(notice.detail["targets"]) for notice in notices] == [TARGETS_PER_EVENT, 1]


def test_a_drained_task_is_reported() -> None:
    (notice,) = tasks_drained([task_arn(1)])
    assert (notice.detail_type, notice.detail, notice.resources) == (
        "Task Drained",
        {"task": task_arn(1)},
        (task_arn(1),),
    )
    assert task_arn(1) in notice.text


def test_findings_are_an_event_each_and_one_message_together() -> None:
    assert findings_reported([]) == []
    notices = findings_reported(findings(3))
    assert [notice.detail["text"] for notice in notices] == [f"port {number} is unclear" for number in range(3)]
    assert [bool(notice.text) for notice in notices] == [True, False, False]
    assert notices[0].subject == "targets: 3 findings of web-0, web-1, web-2"
    assert all(f"port {number} is unclear" in notices[0].text for number in range(3))
    (single,) = findings_reported(findings(1))
    assert single.subject == "targets: port of web-0"


def test_a_message_lists_a_limited_number_of_findings() -> None:
    text = findings_reported(findings(SHOWN + 5))[0].text
    assert text.count("is unclear") == SHOWN
    assert text.endswith("and 5 more")
