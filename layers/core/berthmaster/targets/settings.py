"""Configuration of the targets functions: environment variables to one frozen value.

Each field is read from the environment variable of its name in capitals; the template sets every one of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from berthmaster.environment import choice as choose
from berthmaster.environment import flag, number, share, text
from berthmaster.modes import Mode
from berthmaster.targets.model import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncSettings:
    """Environment of targets_sync."""

    targets_table: str
    targets_queue_url: str
    event_bus: str
    targets_mode: Mode
    targets_wait_for_health: bool

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "SyncSettings":
        """Read and check; InvalidSetting names the variable."""
        return cls(
            targets_table=text(environ, "TARGETS_TABLE"),
            targets_queue_url=text(environ, "TARGETS_QUEUE_URL"),
            event_bus=text(environ, "EVENT_BUS"),
            targets_mode=choose(environ, "TARGETS_MODE", Mode),
            targets_wait_for_health=flag(environ, "TARGETS_WAIT_FOR_HEALTH"),
        )

    @property
    def policy(self) -> Policy:
        """What the operator allows; the breaker is the reconciliation's."""
        return Policy(
            registers_at_once=self.targets_mode is not Mode.APPROVE, wait_for_health=self.targets_wait_for_health
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileSettings:
    """Environment of targets_reconcile."""

    targets_table: str
    event_bus: str
    topic_arn: str
    targets_mode: Mode
    targets_wait_for_health: bool
    targets_breaker_percent: float
    targets_breaker_floor: int

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "ReconcileSettings":
        """Read and check; InvalidSetting names the variable."""
        return cls(
            targets_table=text(environ, "TARGETS_TABLE"),
            event_bus=text(environ, "EVENT_BUS"),
            topic_arn=text(environ, "TOPIC_ARN"),
            targets_mode=choose(environ, "TARGETS_MODE", Mode),
            targets_wait_for_health=flag(environ, "TARGETS_WAIT_FOR_HEALTH"),
            targets_breaker_percent=share(environ, "TARGETS_BREAKER_PERCENT"),
            targets_breaker_floor=number(environ, "TARGETS_BREAKER_FLOOR", 0, 1000),
        )

    @property
    def policy(self) -> Policy:
        """What the operator allows."""
        return Policy(
            registers_at_once=self.targets_mode is not Mode.APPROVE,
            wait_for_health=self.targets_wait_for_health,
            breaker_share=self.targets_breaker_percent,
            breaker_floor=self.targets_breaker_floor,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSettings:
    """Environment of targets_gate."""

    targets_table: str
    targets_mode: Mode
    targets_gate_minutes: int

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "GateSettings":
        """Read and check; InvalidSetting names the variable."""
        return cls(
            targets_table=text(environ, "TARGETS_TABLE"),
            targets_mode=choose(environ, "TARGETS_MODE", Mode),
            targets_gate_minutes=number(environ, "TARGETS_GATE_MINUTES", 1, 1440),
        )
