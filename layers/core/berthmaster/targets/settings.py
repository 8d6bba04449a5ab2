"""Configuration of the targets functions; see `berthmaster.settings`."""

from typing import Annotated

from msgspec import Meta, Struct

from berthmaster.modes import Mode
from berthmaster.settings import Percent, Text
from berthmaster.targets.model import Policy

Floor = Annotated[int, Meta(ge=0, le=1000)]
Minutes = Annotated[int, Meta(ge=1, le=1440)]


class SyncSettings(Struct, frozen=True, kw_only=True):
    """Environment of targets_sync."""

    targets_table: Text
    targets_queue_url: Text
    event_bus: Text
    topic_arn: Text
    targets_mode: Mode
    targets_wait_for_health: bool

    @property
    def policy(self) -> Policy:
        """What the operator allows; the breaker applies to reconciliations only."""
        return Policy(
            registers=self.targets_mode is not Mode.OBSERVE,
            registers_at_once=self.targets_mode is Mode.ENFORCE,
            wait_for_health=self.targets_wait_for_health,
        )


class ReconcileSettings(Struct, frozen=True, kw_only=True):
    """Environment of targets_reconcile."""

    targets_table: Text
    event_bus: Text
    topic_arn: Text
    targets_mode: Mode
    targets_wait_for_health: bool
    targets_breaker_percent: Percent
    targets_breaker_floor: Floor
    targets_minimum_targets: Floor

    @property
    def policy(self) -> Policy:
        """What the operator allows."""
        return Policy(
            registers=self.targets_mode is not Mode.OBSERVE,
            registers_at_once=self.targets_mode is Mode.ENFORCE,
            wait_for_health=self.targets_wait_for_health,
            breaker_share=self.targets_breaker_percent / 100,
            breaker_floor=self.targets_breaker_floor,
            minimum_targets=self.targets_minimum_targets,
        )


class GateSettings(Struct, frozen=True, kw_only=True):
    """Environment of targets_gate."""

    targets_table: Text
    targets_mode: Mode
    targets_gate_minutes: Minutes
