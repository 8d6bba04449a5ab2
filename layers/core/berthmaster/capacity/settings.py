"""Configuration of the capacity functions: environment variables to one frozen value.

Each field is read from the environment variable of its name in capitals; the template sets every one of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network

from berthmaster.capacity.model import Policy
from berthmaster.environment import choice, networks, number, text
from berthmaster.errors import InvalidSetting
from berthmaster.modes import Mode


class MetricDetail(StrEnum):
    """Which resources get CloudWatch metrics of their own; each costs 0.30 $ a month."""

    ATTENTION = "attention"
    """VPCs that are more than half full or will run out within 30 days."""
    VPC = "vpc"
    """Every managed VPC."""
    SUBNET = "subnet"
    """Every managed VPC and each of its subnets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchSettings:
    """Environment of capacity_watch."""

    capacity_table: str
    event_bus: str
    capacity_metrics: MetricDetail

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "WatchSettings":
        """Read and check; InvalidSetting names the variable."""
        return cls(
            capacity_table=text(environ, "CAPACITY_TABLE"),
            event_bus=text(environ, "EVENT_BUS"),
            capacity_metrics=choice(environ, "CAPACITY_METRICS", MetricDetail),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpandSettings:
    """Environment of capacity_expand."""

    capacity_table: str
    capacity_queue_url: str
    event_bus: str
    topic_arn: str
    capacity_mode: Mode
    capacity_pools: tuple[IPv4Network, ...]
    capacity_ipam_pool: str
    capacity_avoid: tuple[IPv4Network, ...]
    capacity_horizon_days: int
    capacity_block_prefix_length: int
    capacity_expansions_per_day: int
    capacity_caller_roles: str

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "ExpandSettings":
        """Read and check; InvalidSetting names the variable."""
        pools = networks(environ, "CAPACITY_POOLS")
        ipam_pool = environ.get("CAPACITY_IPAM_POOL", "")
        if not pools and not ipam_pool:
            raise InvalidSetting("CAPACITY_POOLS", "names no CIDR, and CAPACITY_IPAM_POOL is empty too")
        return cls(
            capacity_table=text(environ, "CAPACITY_TABLE"),
            capacity_queue_url=text(environ, "CAPACITY_QUEUE_URL"),
            event_bus=text(environ, "EVENT_BUS"),
            topic_arn=text(environ, "TOPIC_ARN"),
            capacity_mode=choice(environ, "CAPACITY_MODE", Mode),
            capacity_pools=pools,
            capacity_ipam_pool=ipam_pool,
            capacity_avoid=networks(environ, "CAPACITY_AVOID"),
            capacity_horizon_days=number(environ, "CAPACITY_HORIZON_DAYS", 1, 365),
            capacity_block_prefix_length=number(environ, "CAPACITY_BLOCK_PREFIX_LENGTH", 16, 28),
            capacity_expansions_per_day=number(environ, "CAPACITY_EXPANSIONS_PER_DAY", 1, 20),
            capacity_caller_roles=environ.get("CAPACITY_CALLER_ROLES", "").strip(),
        )

    @property
    def policy(self) -> Policy:
        """What the operator allows."""
        return Policy(
            pools=self.capacity_pools,
            avoid=self.capacity_avoid,
            horizon_days=self.capacity_horizon_days,
            block_prefix_length=self.capacity_block_prefix_length,
            expansions_per_day=self.capacity_expansions_per_day,
            caller_roles=self.capacity_caller_roles,
        )
