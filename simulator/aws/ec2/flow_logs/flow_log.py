"""A flow log, and what its records hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from simulator.aws.ec2.flow_logs import fields

if TYPE_CHECKING:
    from datetime import datetime

    from simulator.aws.ec2.flow_logs.packets import Packets, Place


@dataclass(kw_only=True)
class FlowLog:
    """A flow log; `described` are the members of its description that nothing here reads.

    resource: a VPC, subnet or interface. aggregation: seconds. failure: why its records are not delivered now.
    """

    id: str
    resource: str
    traffic_type: str
    aggregation: int
    names: tuple[str, ...]
    bucket: str = ""
    prefix: str = ""
    is_parquet: bool = False
    is_hive: bool = False
    is_hourly: bool = False
    created: datetime
    failure: str = ""
    described: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def version(self) -> int:
        """What its records say of their version."""
        return fields.version_of(self.names)

    def covers(self, place: Place) -> bool:
        """Whether it logs an interface."""
        return self.resource in (place.vpc, place.subnet, place.interface)

    def takes(self, packets: Packets) -> bool:
        """Whether its traffic type admits them."""
        return self.traffic_type == "ALL" or (self.traffic_type == "ACCEPT") == packets.is_accepted
