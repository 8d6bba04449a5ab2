"""Permits for calls on destinations."""

from typing import Any

from berthmaster.clock import Clock
from berthmaster.modes import Mode
from berthmaster.pace import Pace
from berthmaster.switch import Switch
from berthmaster.targets.act.permit import Permit
from berthmaster.token_bucket import TokenBucket
from simulator.cloud import Cloud
from tests.support.tables import TARGETS_TABLE
from tests.support.targets.builders import seconds


def a_permit(cloud: Cloud, bucket: str, *, rate: float, burst: float, seconds_left: float) -> Permit:
    """A permit of an invocation that has so much time left, in a table that exists already."""
    dynamodb: Any = cloud.client("dynamodb")
    clock = Clock()
    tokens = TokenBucket(dynamodb, TARGETS_TABLE, clock, bucket, rate=rate, burst=burst)
    switch = Switch(dynamodb, clock, table=TARGETS_TABLE, automation="targets", mode=Mode.ENFORCE)
    return Permit(switch, Pace(clock, tokens, clock.now() + seconds(seconds_left)), clock)


class Always:
    """A permit for every call at once."""

    def wait(self, calls: int = 1) -> None:
        return

    def check(self) -> None:
        return
