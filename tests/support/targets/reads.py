"""Reads of Elastic Load Balancing, paced or not."""

from collections.abc import Callable
from typing import Any

from berthmaster.clock import Clock
from berthmaster.pace import Rate
from berthmaster.paced_reads import PacedReads
from simulator.cloud import Cloud
from tests.support.tables import TARGETS_TABLE
from tests.support.targets.builders import seconds


def paced_reads(cloud: Cloud, *, seconds_left: float = 45, urgent: bool = True) -> PacedReads:
    """Reads of an invocation that has so much time left, in a table that exists already."""
    clock = Clock()
    reads = PacedReads(cloud.client("dynamodb"), TARGETS_TABLE, clock, rate=Rate(8, 30), urgent=urgent)
    reads.begin(clock.now() + seconds(seconds_left))
    return reads


class Unpaced:
    """Makes every call at once."""

    def call[Result](self, operation: Callable[..., Result], **params: Any) -> Result:
        return operation(**params)
