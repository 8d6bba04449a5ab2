"""Signs that something could not get an address, and why."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Cause(StrEnum):
    """Why something could not get a network interface or an address."""

    ADDRESSES = "addresses"
    PREFIXES = "prefixes"
    ENI_SLOTS = "eni_slots"
    THROTTLING = "throttling"
    QUOTA = "quota"
    PERMISSION = "permission"
    OTHER = "other"

    @property
    def is_shortage(self) -> bool:
        """Whether more subnets help."""
        return self in {Cause.ADDRESSES, Cause.PREFIXES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage:
    """A sign that a VPC, some of its subnets, or the subnet of an interface may be short of addresses.

    source: where the sign comes from, for people. cluster, service: of the ECS task that could not start, ARN and name;
    a task may have no service. text: AWS's own error message.
    """

    source: str
    time: datetime
    cause: Cause
    vpc_id: str = ""
    subnet_ids: tuple[str, ...] = ()
    interface_id: str = ""
    cluster: str = ""
    service: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortages:
    """Several signs in one event, such as an alarm over the metrics of several subnets; not all need be of one VPC."""

    each: tuple[Shortage, ...]
