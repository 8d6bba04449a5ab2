"""Events in: what AWS and operators say is read strictly, and what is wrong is named."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from berthmaster.capacity.model import Cause
from berthmaster.capacity.triggers import Decision, Request, Resumption, Shortage, Verdict, cause_in, parse
from berthmaster.errors import InvalidEvent

EVENTS = Path(__file__).parents[3] / "events"


def bodies(name: str) -> list[str]:
    return [record["body"] for record in json.loads((EVENTS / f"capacity_expand_{name}.json").read_text())["Records"]]


def an_event(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(bodies(name)[0])
    return event


ALL = sorted(path.stem.removeprefix("capacity_expand_") for path in EVENTS.glob("capacity_expand_*.json"))


@pytest.mark.parametrize("name", ALL)
def test_every_sample_event_is_understood(name: str) -> None:
    for body in bodies(name):
        assert parse(body).time.tzinfo is not None


def test_a_stopped_task_tells_its_subnet_and_cause() -> None:
    trigger = parse(bodies("task_stopped")[0])
    assert isinstance(trigger, Shortage)
    assert (trigger.cause, trigger.subnet_ids) == (Cause.ADDRESSES, ("subnet-0a11111111111111a",))


def test_a_stopped_task_whose_reason_names_no_subnet_tells_it_by_its_attachment() -> None:
    event = an_event("task_stopped")
    event["detail"]["stoppedReason"] = "InsufficientFreeAddressesInSubnet"
    trigger = parse(json.dumps(event))
    assert isinstance(trigger, Shortage)
    assert trigger.subnet_ids == ("subnet-0a11111111111111a",)


def test_a_failed_assignment_tells_the_interface_it_was_for() -> None:
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
def test_aws_words_name_the_cause(text: str, cause: Cause) -> None:
    assert cause_in(text) is cause


def test_operators_words_are_told_apart() -> None:
    approved, requested = parse(bodies("plan_approved")[0]), parse(bodies("expand_requested")[0])
    assert isinstance(approved, Decision)
    assert approved.verdict is Verdict.APPROVED
    assert isinstance(requested, Request)
    assert isinstance(parse(bodies("expansion_stalled")[0]), Resumption)


VPC = "vpc-0a1b2c3d"
SUBNET = "subnet-0a1b2c3d"


@pytest.mark.parametrize(
    ("name", "change", "field"),
    [
        ("plan_approved", {"detail": {}}, "detail.expansion"),
        ("plan_approved", {"detail": {"expansion": "vpc-1; drop"}}, "detail.expansion"),
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
def test_a_bad_event_is_refused_with_the_name_of_the_field(name: str, change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidEvent) as refused:
        parse(json.dumps(an_event(name) | change))
    assert refused.value.field == field


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=6,
)


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(deeper for key, one in inner for deeper in paths_of(one, (*path, key)))]


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = changed(copy[path[0]], path[1:], new)
    return copy


@given(data=st.data(), name=st.sampled_from(ALL))
def test_whatever_stands_in_a_field_the_event_is_understood_or_refused_by_name(data: st.DataObject, name: str) -> None:
    event = an_event(name)
    path = data.draw(st.sampled_from(paths_of(event)))
    hostile = changed(event, path, data.draw(JSON))
    try:
        told = str(parse(json.dumps(hostile)))
    except InvalidEvent as refused:
        told = refused.field
    assert told


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_what_is_no_json_is_refused(body: bytes | str) -> None:
    with pytest.raises(InvalidEvent):
        parse(body)
