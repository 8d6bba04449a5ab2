"""Configuration of the targets functions; see `berthmaster.settings`."""

from typing import Annotated

from msgspec import Meta, Struct

from berthmaster.errors import InvalidSetting
from berthmaster.modes import Mode
from berthmaster.pace import Rate
from berthmaster.settings import Percent, Text
from berthmaster.targets.model import Policy
from berthmaster.token_bucket import TokenBucket

Floor = Annotated[int, Meta(ge=0, le=1000)]
Minutes = Annotated[int, Meta(ge=1, le=1440)]
CallRate = Annotated[float, Meta(ge=1, le=100)]
CallBurst = Annotated[float, Meta(ge=4, le=1000)]
ReadRate = Annotated[int, Meta(ge=1, le=28)]
ReadBurst = Annotated[int, Meta(ge=10, le=400)]
PollSeconds = Annotated[int, Meta(ge=2, le=60)]
LEAST_CAPACITY = 2
"""Reads that a full bucket must allow at once."""


class ReadSettings(Struct, frozen=True, kw_only=True):
    """What all functions of targets read of their environment: the ledger, and how often it may call Describe."""

    targets_table: Text
    targets_read_rate: ReadRate
    targets_read_burst: ReadBurst

    def __post_init__(self) -> None:
        """InvalidSetting if the bucket of reads would be nearly empty when it is full: see `TokenBucket.SKEW`."""
        least = self.targets_read_rate * TokenBucket.SKEW + LEAST_CAPACITY
        if self.targets_read_burst < least:
            raise InvalidSetting(
                "TARGETS_READ_BURST",
                f"{self.targets_read_burst} is less than the {least:g} that TARGETS_READ_RATE needs",
            )

    @property
    def read_rate(self) -> Rate:
        """Of the Describe calls of Elastic Load Balancing, for all functions together."""
        return Rate(self.targets_read_rate, self.targets_read_burst)


class WriteSettings(ReadSettings, frozen=True, kw_only=True):
    """What the functions that change targets also read: how often they may do so."""

    targets_call_rate: CallRate
    targets_call_burst: CallBurst

    @property
    def rate(self) -> Rate:
        """InvalidSetting if nothing is left of the burst: a second's calls are kept back for clocks that differ."""
        calls, burst = self.targets_call_rate, self.targets_call_burst
        if burst < calls + 2:
            raise InvalidSetting("TARGETS_CALL_BURST", f"{burst:g} is not two more than TARGETS_CALL_RATE, {calls:g}")
        return Rate(calls, burst)


class SyncSettings(WriteSettings, frozen=True, kw_only=True):
    """Environment of targets_sync."""

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


class ReconcileSettings(WriteSettings, frozen=True, kw_only=True):
    """Environment of targets_reconcile."""

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


class PodsSettings(ReconcileSettings, frozen=True, kw_only=True):
    """Environment of targets_pods. targets_pods_reader: the function that reads private endpoints, if there is one."""

    targets_pod_poll_seconds: PollSeconds
    targets_pods_reader: str = ""


class GateSettings(ReadSettings, frozen=True, kw_only=True):
    """Environment of targets_gate."""

    targets_mode: Mode
    targets_gate_minutes: Minutes
