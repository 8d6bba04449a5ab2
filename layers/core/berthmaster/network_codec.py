"""Networks in what msgspec writes: as text, by `enc_hook=str`."""

from ipaddress import IPv4Network
from typing import Any


def network_from(kind: type[Any], value: Any) -> Any:
    """Msgspec's `dec_hook` for IPv4Network."""
    if kind is IPv4Network:
        return IPv4Network(value)
    raise NotImplementedError(kind)
