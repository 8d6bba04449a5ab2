"""Events of AWS and requests of operators are read strictly; the error names the field that is wrong."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from berthmaster.approval import Decision
from berthmaster.capacity.model.shortage import Cause, Shortage, Shortages
from berthmaster.capacity.plan.causes import cause_in
from berthmaster.capacity.triggers import ExpandRequest, Resumption, Retirement, Trigger, parse
from berthmaster.errors import InvalidEvent
from berthmaster.proposals import Outcome
from berthmaster.switch import SwitchRequest
from tests.support.json_values import JSON, changed, paths_of

EVENTS = Path(__file__).parents[3] / "events"


def bodies(name: str) -> list[str]:
    return [record["body"] for record in json.loads((EVENTS / f"capacity_expand_{name}.json").read_text())["Records"]]


def an_event(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(bodies(name)[0])
    return event


TRIGGERS: dict[str, type] = {
    "alarm": Shortage,
    "autoscaling": Shortage,
    "cloudtrail_addresses": Shortage,
    "cloudtrail_parameter": Shortage,
    "cloudtrail_prefixes": Shortage,
    "expand_requested": ExpandRequest,
    "expansion_stalled": Resumption,
    "ipam_alarm": Shortage,
    "pause_requested": SwitchRequest,
    "placement_failure": Shortage,
    "proposal_approved": Decision,
    "proposal_rejected": Decision,
    "resume_expansion": Resumption,
    "resume_requested": SwitchRequest,
    "retirement_requested": Retirement,
    "retirement_with_drain": Retirement,
    "room_needed": Shortage,
    "task_stopped": Shortage,
}
EXPANSION = "vpc-0a1b2c3d4e5f60718.20261122T113000Z"
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def test_every_sample_event_becomes_a_trigger() -> None:
    names = [path.stem.removeprefix("capacity_expand_") for path in EVENTS.glob("capacity_expand_*.json")]
    assert {name: type(parse(body)) for name in names for body in bodies(name)} == TRIGGERS


def test_a_stopped_task_has_its_subnet_and_cause() -> None:
    trigger = parse(bodies("task_stopped")[0])
    assert isinstance(trigger, Shortage)
    assert (trigger.cause, trigger.subnet_ids) == (Cause.ADDRESSES, ("subnet-0a11111111111111a",))


def test_if_the_reason_of_a_stopped_task_names_no_subnet_its_attachment_does() -> None:
    event = an_event("task_stopped")
    event["detail"]["stoppedReason"] = "InsufficientFreeAddressesInSubnet"
    trigger = parse(json.dumps(event))
    assert isinstance(trigger, Shortage)
    assert trigger.subnet_ids == ("subnet-0a11111111111111a",)


@pytest.mark.parametrize(
    ("name", "detail"),
    [
        ("task_stopped", {"attachments": None}),
        ("task_stopped", {"attachments": [{"type": "eni", "details": None}]}),
        ("task_stopped", {"attachments": [{"details": [{"value": "x"}]}]}),
        ("placement_failure", {"reason": None, "clusterArn": None}),
        ("cloudtrail_addresses", {"errorMessage": None, "requestParameters": None}),
        ("autoscaling", {"Details": None}),
    ],
)
def test_what_an_event_of_aws_may_lack_may_also_be_null(name: str, detail: dict[str, Any]) -> None:
    event = an_event(name)
    event["detail"] |= detail
    assert isinstance(parse(json.dumps(event)), Shortage)


def test_of_an_alarm_one_metric_with_a_vpc_or_a_subnet_is_enough() -> None:
    event = an_event("alarm")
    metrics = event["detail"]["configuration"]["metrics"]
    event["detail"]["configuration"]["metrics"] = [
        {"id": "e1", "expression": "m1 * 2", "metricStat": None},
        {"id": "m2", "metricStat": {"metric": {"name": "x", "dimensions": None}, "period": 60, "stat": "Sum"}},
        *metrics,
    ]
    assert parse(json.dumps(event)) == parse(json.dumps(an_event("alarm")))


def test_each_metric_of_an_alarm_is_a_sign_of_its_own() -> None:
    event = an_event("alarm")
    named = [{"SubnetID": "subnet-0a11111111111111a"}, {"SubnetId": "subnet-0b22222222222222b"}, {}]
    named += [{"VpcId": "vpc-0a1b2c3d4e5f60718"}, {"SubnetID": "subnet-0a11111111111111a"}]
    event["detail"]["configuration"]["metrics"] = [
        {"id": f"m{number}", "metricStat": {"metric": {"name": "x", "dimensions": dimensions}}}
        for number, dimensions in enumerate(named)
    ]
    trigger = parse(json.dumps(event))
    assert isinstance(trigger, Shortages)
    assert [(one.vpc_id, one.subnet_ids) for one in trigger.each] == [
        ("", ("subnet-0a11111111111111a",)),
        ("", ("subnet-0b22222222222222b",)),
        ("vpc-0a1b2c3d4e5f60718", ()),
    ]
    assert {one.source for one in trigger.each} == {"aws.cloudwatch CloudWatch Alarm State Change prod-addresses"}


def test_a_failed_assignment_has_its_interface() -> None:
    trigger = parse(bodies("cloudtrail_prefixes")[0])
    assert isinstance(trigger, Shortage)
    assert (trigger.cause, trigger.interface_id) == (Cause.PREFIXES, "eni-0d4e5f60718293a4b")


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("Client.InsufficientFreeAddressesInSubnet", Cause.ADDRESSES),
        ("Server.InsufficientCidrBlocks", Cause.PREFIXES),
        ("There aren't sufficient free Ipv4 addresses or prefixes", Cause.ADDRESSES),
        ("RESOURCE:ENI", Cause.ENI_SLOTS),
        ("RESOURCE:CPU", Cause.OTHER),
        ("Rate limit exceeded while attempting to Create Network Interface", Cause.THROTTLING),
        ("Unexpected EC2 error while attempting to Create Network Interface: AuthFailure", Cause.PERMISSION),
        ("NetworkInterfaceLimitExceeded", Cause.QUOTA),
    ],
)
def test_the_message_of_aws_names_the_cause(text: str, cause: Cause) -> None:
    assert cause_in(text) is cause


@pytest.mark.parametrize(
    ("name", "trigger"),
    [
        (
            "expand_requested",
            ExpandRequest(
                vpc_id="vpc-0a1b2c3d4e5f60718",
                subnet_id="subnet-0a11111111111111a",
                addresses=500,
                by="ann@example.com",
            ),
        ),
        ("retirement_requested", Retirement(expansion_id=EXPANSION, by="ann@example.com")),
        ("resume_expansion", Resumption(expansion_id=EXPANSION)),
        ("expansion_stalled", Resumption(expansion_id=EXPANSION)),
        ("pause_requested", SwitchRequest(pause=True, by="ann@example.com", time=NOON)),
        ("resume_requested", SwitchRequest(pause=False, by="ann@example.com", time=NOON)),
    ],
)
def test_requests_and_commands_are_read(name: str, trigger: Trigger) -> None:
    assert parse(bodies(name)[0]) == trigger


@pytest.mark.parametrize("outcome", Outcome)
def test_a_decision_has_its_proposal_and_fingerprint(outcome: Outcome) -> None:
    decision = parse(bodies(f"proposal_{outcome}")[0])
    assert isinstance(decision, Decision)
    assert (decision.outcome, decision.proposal) == (outcome, f"capacity.{EXPANSION}")
    assert decision.fingerprint == ("3f9a1c07d2b4" if outcome is Outcome.APPROVED else "")


VPC = "vpc-0a1b2c3d"
SUBNET = "subnet-0a1b2c3d"


@pytest.mark.parametrize(
    ("name", "change", "field"),
    [
        ("proposal_approved", {"detail": {}}, "detail.proposal"),
        ("proposal_approved", {"detail": {"proposal": "capacity.vpc-1; drop"}}, "detail.proposal"),
        ("proposal_approved", {"detail": {"proposal": f"targets.{EXPANSION}"}}, "detail.proposal"),
        ("retirement_requested", {"detail": {"expansion": "vpc-1; drop"}}, "detail.expansion"),
        ("pause_requested", {"detail": {"automation": "targets"}}, "detail.automation"),
        ("expand_requested", {"detail": {"vpc": 7}}, "detail.vpc"),
        ("expand_requested", {"detail": {"vpc": VPC, "addresses": 5}}, "detail.subnet"),
        ("expand_requested", {"detail": {"vpc": VPC, "subnet": SUBNET, "addresses": 0}}, "detail.addresses"),
        ("room_needed", {"detail": {"vpc": VPC, "subnets": [{"subnet": None}]}}, "detail.subnets[0].subnet"),
        ("task_stopped", {"detail": {"attachments": []}}, "detail.stoppedReason"),
        ("alarm", {"detail": {"alarmName": "x", "configuration": {}}}, "detail.configuration.metrics"),
        ("alarm", {"time": "yesterday"}, "time"),
        ("alarm", {"detail-type": "Weather Changed"}, "detail-type"),
        ("alarm", {"source": None}, "source"),
    ],
)
def test_a_wrong_event_is_refused_with_the_name_of_the_field(name: str, change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidEvent) as refused:
        parse(json.dumps(an_event(name) | change))
    assert refused.value.field == field


@given(data=st.data(), name=st.sampled_from(sorted(TRIGGERS)))
def test_whatever_a_field_contains_the_event_is_read_or_the_error_names_a_field(data: st.DataObject, name: str) -> None:
    event = an_event(name)
    path = data.draw(st.sampled_from(paths_of(event)))
    hostile = changed(event, path, data.draw(JSON))
    try:
        result = str(parse(json.dumps(hostile)))
    except InvalidEvent as refused:
        result = refused.field
    assert result


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_what_is_not_json_is_refused(body: bytes | str) -> None:
    with pytest.raises(InvalidEvent):
        parse(body)
