"""Idle timeouts of connection tracking: an interface's own, as DescribeNetworkInterfaces shows them.

Source: "Amazon EC2 security group connection tracking" of the EC2 User Guide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.account import Account, Params, Parsed, Patches

LIMITS = {"TcpEstablishedTimeout": (60, 432_000), "UdpStreamTimeout": (60, 180), "UdpTimeout": (30, 60)}
"""Seconds, by the names of the parameters."""


class ConnectionTracking:
    """default: what interfaces have that nobody gave timeouts; empty, and not shown, unless a simulation says so."""

    def __init__(self, _: Account) -> None:
        self.default: dict[str, int] = {}

    def of(self, eni: Any) -> Mapping[str, int]:
        """The timeouts of an interface (moto's) that differ from those of all interfaces."""
        own: dict[str, int] = getattr(eni, "connection_tracking", {})
        return self.default | own


def checked(params: Params) -> dict[str, int]:
    """The timeouts that a request gives an interface; an error of AWS for one that is too short or too long."""
    asked: dict[str, int] = dict(params.get("ConnectionTrackingSpecification", {}))
    for name, seconds in asked.items():
        first, last = LIMITS[name]
        if not first <= seconds <= last:
            raise AwsError("InvalidParameterValue", f"Invalid value {seconds} for {name}: between {first} and {last}.")
    return asked


def keep(eni: Any, timeouts: Mapping[str, int]) -> None:
    """Give an interface (moto's) timeouts of its own."""
    eni.connection_tracking = {**getattr(eni, "connection_tracking", {}), **timeouts}


def _modified(account: Account, params: Params, _: Parsed) -> None:
    keep(account.backend("ec2").get_network_interface(params["NetworkInterfaceId"]), checked(params))


PATCHES: Patches = {"ec2:ModifyNetworkInterfaceAttribute": _modified}
