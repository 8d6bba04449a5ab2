"""Addresses and networks in what msgspec reads and writes: as text, by `enc_hook=str` and `dec_hook=network_from`."""

from abc import ABC
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    type AnyAddress = IPv4Address | IPv6Address
    type AnyNetwork = IPv4Network | IPv6Network
else:

    class AnyAddress(ABC):  # noqa: B024 - msgspec allows one such type in a union, and asks isinstance
        """Of either family, as the type of a field."""

    class AnyNetwork(ABC):  # noqa: B024 - as above
        """Of either family, as the type of a field; bits of hosts are cut off, as EC2 does."""

    for _kind in (IPv4Address, IPv6Address):
        AnyAddress.register(_kind)
    for _kind in (IPv4Network, IPv6Network):
        AnyNetwork.register(_kind)


_READERS: dict[Any, Callable[[Any], Any]] = {
    IPv4Network: IPv4Network,
    AnyAddress: ip_address,
    AnyNetwork: lambda value: ip_network(value, strict=False),
}


def network_from(kind: type[Any], value: Any) -> Any:
    """Msgspec's `dec_hook` for IPv4Network, AnyAddress and AnyNetwork."""
    if kind not in _READERS:
        raise NotImplementedError(kind)
    if not isinstance(value, str):
        # ipaddress takes numbers and tuples as well.
        raise ValueError(f"Expected `str`, got `{type(value).__name__}`")  # noqa: TRY004 - msgspec says where it is
    return _READERS[kind](value)
