"""Event patterns match as EventBridge's do."""

from __future__ import annotations

import json
from typing import Any

import pytest
from moto.events.models import EventPattern

from simulator.aws.events.bus import matches
from simulator.aws.events.patterns import InvalidPatternError, check_pattern

EVENT = {
    "source": "aws.ecs",
    "detail-type": "ECS Task State Change",
    "detail": {
        "stoppedReason": "Unexpected EC2 error: InsufficientFreeAddressesInSubnet",
        "count": 7,
        "nothing": None,
        "empty": [],
        "hollow": {},
        "metrics": [
            {"stat": {"namespace": "Berthmaster", "name": "FreeAddresses"}},
            {"stat": {"namespace": "AWS/EC2", "name": "CPU"}},
        ],
    },
}
STAT = "stat"


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        ({"source": ["aws.ecs", "aws.ec2"]}, True),
        ({"source": ["aws.ec2"]}, False),
        ({"source": [{"prefix": "aws."}]}, True),
        ({"source": [{"anything-but": ["aws.ecs"]}]}, False),
        ({"source": [{"anything-but": {"prefix": "berthmaster"}}]}, True),
        ({"detail": {"stoppedReason": [{"wildcard": "*InsufficientFreeAddresses*"}]}}, True),
        ({"detail": {"stoppedReason": [{"wildcard": "*AuthFailure*"}]}}, False),
        ({"detail": {"count": [{"numeric": [">", 5, "<=", 7]}]}}, True),
        ({"detail": {"count": [{"numeric": ["=", 6]}]}}, False),
        ({"detail": {"gone": [{"exists": False}]}}, True),
        ({"detail": {"count": [{"exists": False}]}}, False),
        ({"detail": {"empty": [{"exists": False}]}}, True),
        ({"detail": {"hollow": [{"exists": False}]}}, True),
        ({"detail": {"metrics": [{"exists": False}]}}, True),
        ({"detail": {"nothing": [{"exists": False}]}}, False),
        ({"detail": {"nothing": [{"anything-but": ["x"]}]}}, True),
        ({"detail": {"count": [{"anything-but": {"prefix": ["x", "y"]}}]}}, True),
        ({"detail": {"deep": {"er": [{"exists": False}]}}}, True),
        ({"detail": {"$or": [{"count": [6]}, {"count": [7]}]}}, True),
        ({"detail": {"$or": [{"count": [6]}, {"gone": ["x"]}]}}, False),
        ({"detail": {"metrics": {STAT: {"namespace": ["Berthmaster"]}}}}, True),
        ({"detail": {"metrics": {STAT: {"namespace": ["Berthmaster"], "name": ["FreeAddresses"]}}}}, True),
        # Each holds in an element, and no element holds both.
        ({"detail": {"metrics": {STAT: {"namespace": ["Berthmaster"], "name": ["CPU"]}}}}, False),
        ({"detail": {"metrics": {STAT: {"$or": [{"name": ["Disk"]}, {"name": ["CPU"]}]}}}}, True),
    ],
)
def test_patterns(pattern: dict[str, Any], matched: bool) -> None:  # noqa: FBT001
    check_pattern(pattern)
    assert matches(EventPattern.load(json.dumps(pattern)), EVENT) == matched


@pytest.mark.parametrize(
    "wrong", [{"source": "aws.ecs"}, {"source": []}, {"source": [{"like": "aws"}]}, {"detail": {"$or": [{"a": "b"}]}}]
)
def test_what_eventbridge_refuses(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidPatternError):
        check_pattern(wrong)
