"""Settings of the capacity functions; see `berthmaster.settings` for how they are read."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from berthmaster.capacity.model.plan import Policy
from berthmaster.errors import InvalidSetting
from berthmaster.modes import Mode
from berthmaster.settings import Cidrs, Text


class MetricDetail(StrEnum):
    """Which resources have CloudWatch metrics of their own; each costs $0.30 a month."""

    ATTENTION = "attention"
    """VPCs that are more than half full or will run out within 30 days."""
    VPC = "vpc"
    """Every managed VPC."""
    SUBNET = "subnet"
    """Every managed VPC and each of its subnets."""


class WatchSettings(Struct, frozen=True, kw_only=True):
    """Environment of capacity_watch."""

    capacity_table: Text
    event_bus: Text
    topic_arn: str = ""
    capacity_mode: Mode
    capacity_metrics: MetricDetail


class ExpandSettings(Struct, frozen=True, kw_only=True):
    """Environment of capacity_expand."""

    capacity_table: Text
    capacity_queue_url: Text
    event_bus: Text
    topic_arn: Text
    capacity_mode: Mode
    capacity_pools: Cidrs = ()
    capacity_ipam_pool: str = ""
    capacity_avoid: Cidrs = ()
    capacity_horizon_days: Annotated[int, Meta(ge=1, le=365)]
    capacity_block_prefix_length: Annotated[int, Meta(ge=16, le=28)]
    capacity_expansions_per_day: Annotated[int, Meta(ge=1, le=20)]
    capacity_caller_roles: str = ""

    def __post_init__(self) -> None:
        """Refuse settings that name no source of CIDRs."""
        if not self.capacity_pools and not self.capacity_ipam_pool:
            raise InvalidSetting("CAPACITY_POOLS", "has no CIDR, and CAPACITY_IPAM_POOL is empty too")

    @property
    def policy(self) -> Policy:
        """What an expansion may do."""
        return Policy(
            pools=self.capacity_pools,
            avoid=self.capacity_avoid,
            horizon_days=self.capacity_horizon_days,
            block_prefix_length=self.capacity_block_prefix_length,
            expansions_per_day=self.capacity_expansions_per_day,
            caller_roles=self.capacity_caller_roles,
        )
