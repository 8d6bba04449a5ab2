"""An environment variable is read as what it must be, or named."""

import math
from collections.abc import Callable
from ipaddress import IPv4Network
from typing import Any

import pytest

from berthmaster import environment
from berthmaster.errors import InvalidSetting
from berthmaster.modes import Mode

type Reader = Callable[[dict[str, str]], Any]

READERS: dict[str, Reader] = {
    "text": lambda environ: environment.text(environ, "X"),
    "choice": lambda environ: environment.choice(environ, "X", Mode),
    "flag": lambda environ: environment.flag(environ, "X"),
    "number": lambda environ: environment.number(environ, "X", 1, 9),
    "share": lambda environ: environment.share(environ, "X"),
    "networks": lambda environ: environment.networks(environ, "X"),
}


@pytest.mark.parametrize(
    ("reader", "value", "read"),
    [
        ("text", " a ", "a"),
        ("choice", "approve", Mode.APPROVE),
        ("flag", "true", True),
        ("flag", "false", False),
        ("number", "9", 9),
        ("networks", "10.0.0.0/8, 100.64.0.0/10", (IPv4Network("10.0.0.0/8"), IPv4Network("100.64.0.0/10"))),
        ("networks", "", ()),
    ],
)
def test_a_good_value_is_read(reader: str, value: str, read: object) -> None:
    assert READERS[reader]({"X": value}) == read


def test_a_percentage_is_a_part_of_one() -> None:
    assert math.isclose(READERS["share"]({"X": "30"}), 0.3)
    assert math.isclose(READERS["share"]({"X": "100"}), 1.0)


@pytest.mark.parametrize(
    ("reader", "value"),
    [
        ("text", " "),
        ("choice", "Approve"),
        ("flag", "True"),
        ("flag", ""),
        ("number", "0"),
        ("number", "10"),
        ("number", "1.5"),
        ("share", "0"),
        ("share", "101"),
        ("share", "0.3"),
        ("networks", "10.0.0.1/8"),
    ],
)
def test_a_wrong_value_is_named(reader: str, value: str) -> None:
    with pytest.raises(InvalidSetting) as refused:
        READERS[reader]({"X": value})
    assert refused.value.field == "X"


@pytest.mark.parametrize("reader", sorted(set(READERS) - {"networks"}))
def test_only_networks_may_be_left_out(reader: str) -> None:
    with pytest.raises(InvalidSetting):
        READERS[reader]({})
    assert READERS["networks"]({}) == ()
