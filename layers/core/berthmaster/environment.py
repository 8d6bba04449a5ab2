"""Reading environment variables; one that is missing or wrong raises InvalidSetting with its name."""

from collections.abc import Mapping
from enum import StrEnum
from ipaddress import IPv4Network

from berthmaster.errors import InvalidSetting


def text(environ: Mapping[str, str], name: str) -> str:
    """Anything but nothing."""
    value = environ.get(name, "").strip()
    if not value:
        raise InvalidSetting(name, "is not set")
    return value


def choice[Choice: StrEnum](environ: Mapping[str, str], name: str, choices: type[Choice]) -> Choice:
    """One of the values of an enumeration."""
    value = text(environ, name)
    try:
        return choices(value)
    except ValueError:
        raise InvalidSetting(name, f"{value!r} is none of {', '.join(choices)}") from None


def flag(environ: Mapping[str, str], name: str) -> bool:
    """`true` or `false`, as CloudFormation writes them."""
    value = text(environ, name)
    if value not in ("true", "false"):
        raise InvalidSetting(name, f"{value!r} is neither true nor false")
    return value == "true"


def number(environ: Mapping[str, str], name: str, lowest: int, highest: int) -> int:
    """A whole number within limits."""
    value = text(environ, name)
    if not value.isdecimal() or not lowest <= int(value) <= highest:
        raise InvalidSetting(name, f"{value!r} is not a whole number from {lowest} to {highest}")
    return int(value)


def share(environ: Mapping[str, str], name: str) -> float:
    """A percentage from 1 to 100 as a part of one: `30` is 0.3."""
    return number(environ, name, 1, 100) / 100


def networks(environ: Mapping[str, str], name: str) -> tuple[IPv4Network, ...]:
    """CIDRs with commas between; none if it is not set."""
    try:
        return tuple(IPv4Network(part.strip()) for part in environ.get(name, "").split(",") if part.strip())
    except ValueError as error:
        raise InvalidSetting(name, str(error)) from None
