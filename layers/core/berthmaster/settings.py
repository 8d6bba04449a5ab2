"""Configuration from environment variables, read into a frozen msgspec Struct and checked by its types.

Each field is read from the variable of its name in capitals. A field without a default must be set. Ranges and patterns
are `Annotated` types, choices are StrEnums, lists are tuples of values with commas between.

>>> class WatchSettings(Struct, frozen=True, kw_only=True):
...     capacity_table: Text
...     capacity_pools: Cidrs = ()
>>> read(os.environ, WatchSettings)
"""

from collections.abc import Mapping
from enum import StrEnum
from ipaddress import IPv4Network
from typing import Annotated, Any, get_origin

import msgspec
from msgspec import NODEFAULT, Meta, Struct

from berthmaster.errors import InvalidSetting
from berthmaster.network_codec import network_from

Text = Annotated[str, Meta(min_length=1)]
Cidrs = tuple[IPv4Network, ...]
Percent = Annotated[int, Meta(ge=1, le=100)]


def read[Settings: Struct](environ: Mapping[str, str], kind: type[Settings]) -> Settings:
    """Read all fields of `kind`; InvalidSetting names the variable that is missing or wrong."""
    values = {}
    for field in msgspec.structs.fields(kind):
        variable = field.name.upper()
        text = environ.get(variable, "").strip()
        if text:
            values[field.name] = _converted(variable, text, field.type)
        elif field.default is NODEFAULT and field.default_factory is NODEFAULT:
            raise InvalidSetting(variable, "is not set")
    return kind(**values)


def _converted(variable: str, text: str, kind: Any) -> Any:
    value = [part.strip() for part in text.split(",") if part.strip()] if get_origin(kind) is tuple else text
    try:
        return msgspec.convert(value, kind, strict=False, dec_hook=network_from)
    except msgspec.ValidationError as error:
        choices = f"; it is one of {', '.join(kind)}" if isinstance(kind, type) and issubclass(kind, StrEnum) else ""
        raise InvalidSetting(variable, f"{text!r}: {error}{choices}") from None
