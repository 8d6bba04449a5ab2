"""A setting is read as its type says, or the environment variable that is wrong is named."""

from enum import StrEnum
from ipaddress import IPv4Network
from typing import Annotated

import pytest
from msgspec import Meta, Struct

from berthmaster.errors import InvalidSetting
from berthmaster.settings import Cidrs, Percent, Text, read


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


class Settings(Struct, frozen=True, kw_only=True):
    table: Text
    colour: Colour = Colour.RED
    waits: bool = False
    days: Annotated[int, Meta(ge=1, le=9)] = 1
    share: Percent = 30
    pools: Cidrs = ()


GOOD = {"TABLE": "ledger"}


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("TABLE", " a ", "a"),
        ("COLOUR", "green", Colour.GREEN),
        ("WAITS", "true", True),
        ("WAITS", "false", False),
        ("DAYS", "9", 9),
        ("SHARE", "100", 100),
        ("POOLS", "10.0.0.0/8, 100.64.0.0/10", (IPv4Network("10.0.0.0/8"), IPv4Network("100.64.0.0/10"))),
        ("POOLS", "", ()),
    ],
)
def test_a_good_value_is_read(variable: str, text: str, value: object) -> None:
    assert getattr(read(GOOD | {variable: text}, Settings), variable.lower()) == value


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("TABLE", ""),
        ("TABLE", "  "),
        ("COLOUR", "Red"),
        ("WAITS", "yes"),
        ("DAYS", "0"),
        ("DAYS", "10"),
        ("DAYS", "1.5"),
        ("SHARE", "0"),
        ("SHARE", "0.3"),
        ("POOLS", "10.0.0.1/8"),
        ("POOLS", "here"),
    ],
)
def test_the_variable_that_is_wrong_is_named(variable: str, text: str) -> None:
    with pytest.raises(InvalidSetting) as refused:
        read(GOOD | {variable: text}, Settings)
    assert refused.value.field == variable


def test_what_is_not_set_has_its_default_or_is_named() -> None:
    assert read(GOOD, Settings) == Settings(table="ledger")
    with pytest.raises(InvalidSetting, match="TABLE: is not set"):
        read({}, Settings)


def test_a_wrong_choice_names_the_right_ones() -> None:
    with pytest.raises(InvalidSetting, match="red, green"):
        read(GOOD | {"COLOUR": "blue"}, Settings)
