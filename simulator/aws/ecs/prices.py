"""What Fargate tasks cost, in us-east-1 on Linux: per second from the start of the image pull, a minute at least.

Source: AWS's price pages by way of secondary pages, 2026. Spot prices change; that of ARM is not published there, and
is taken to be as much lower as x86's (unverified).
"""

from __future__ import annotations

import math
from typing import NamedTuple

LEAST_SECONDS = 60
STORAGE_INCLUDED = 20
STORAGE_GIB_HOUR = 0.000111


class Price(NamedTuple):
    """Dollars per hour."""

    vcpu: float
    gib: float


X86 = Price(0.04048, 0.004445)
ARM = Price(0.03238, 0.00356)
SPOT_X86 = Price(0.01334053, 0.00146489)
SPOT_ARM = Price(ARM.vcpu * SPOT_X86.vcpu / X86.vcpu, ARM.gib * SPOT_X86.gib / X86.gib)
PRICES = {(False, False): X86, (True, False): ARM, (False, True): SPOT_X86, (True, True): SPOT_ARM}
"""By whether it is ARM, and whether it is Spot."""


def dollars(
    seconds: float, *, cpu: int, memory: int, arm: bool = False, spot: bool = False, storage: int = STORAGE_INCLUDED
) -> float:
    """What a task costs that was billed for some seconds; cpu: units of 1,024 a vCPU. memory: MiB. storage: GiB."""
    price = PRICES[arm, spot]
    an_hour = cpu / 1024 * price.vcpu + memory / 1024 * price.gib
    an_hour += max(0, storage - STORAGE_INCLUDED) * STORAGE_GIB_HOUR
    return an_hour * max(LEAST_SECONDS, math.ceil(seconds)) / 3600
