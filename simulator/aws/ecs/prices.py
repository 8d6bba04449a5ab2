"""What AWS bills for Fargate tasks on Linux: per second from the start of the image pull, a minute at least.

On demand: AWS's Price List of 2026-09-11, by way of secondary sources; ARM's of eu-central-1 is a fifth below that of
x86 (unverified). Spot's prices change from day to day: here they are those of us-east-1 on 2026-09-28, as a share of
what is on demand.
"""

from __future__ import annotations

import math
from typing import NamedTuple

LEAST_SECONDS = 60
STORAGE_INCLUDED = 20


class Price(NamedTuple):
    """Dollars per hour."""

    vcpu: float
    gib: float

    def times(self, share: float) -> Price:
        """A share of it."""
        return Price(self.vcpu * share, self.gib * share)


class Tariff(NamedTuple):
    """Of one Region. storage: of a GiB above those included, per hour."""

    x86: Price
    arm: Price
    spot: float
    storage: float


TARIFFS = {
    "us-east-1": Tariff(Price(0.04048, 0.004445), Price(0.03238, 0.00356), 0.32, 0.000111),
    "eu-central-1": Tariff(Price(0.04656, 0.00511), Price(0.037248, 0.004088), 0.32, 0.0001294368),
    "eu-west-1": Tariff(Price(0.04048, 0.004445), Price(0.03238, 0.00356), 0.32, 0.0001125344),
}
"""The Regions in which anything is simulated."""


def dollars(
    seconds: float,
    *,
    cpu: int,
    memory: int,
    arm: bool = False,
    spot: bool = False,
    storage: int = STORAGE_INCLUDED,
    region: str = "us-east-1",
) -> float:
    """What a task costs that was billed for some seconds; cpu: units of 1,024 a vCPU. memory: MiB. storage: GiB."""
    tariff = TARIFFS[region]
    price = (tariff.arm if arm else tariff.x86).times(tariff.spot if spot else 1)
    an_hour = cpu / 1024 * price.vcpu + memory / 1024 * price.gib
    an_hour += max(0, storage - STORAGE_INCLUDED) * tariff.storage
    return an_hour * max(LEAST_SECONDS, math.ceil(seconds)) / 3600
