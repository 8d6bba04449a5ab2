"""What tasks cost: the prices of Fargate by Region, and what a task is billed for.

Fargate bills each second from the start of the image pull until the task has stopped, and a minute at least.

Prices on demand: AWS's Price List of AmazonECS as published on 2026-09-11, by way of secondary sources that have read
it. ARM's are published for the Regions in `_ARM`; elsewhere they are four fifths of those of x86, as they are in all of
those but one. Prices of Spot change from day to day, and differ by Region: here one share stands for all, that of
us-east-1 on 2026-09-28, when eu-west-1 had 0.30. The price of storage is published for the Regions in `_STORAGE`;
elsewhere it is the largest share of the price of a vCPU that it has in those. What is derived is unverified. The
parameter BatchPrices replaces each.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

from berthmaster.batch.model.prices import STORAGE_INCLUDED, Prices, Resources

AS_OF = "2026-09-11"
LEAST_SECONDS = 60
"""That each task is billed for, once its image is pulled."""
SPOT_SHARE = 0.32
ARM_SHARE = 0.8
STORAGE_SHARE = 0.00278

_X86 = {
    "af-south-1": (0.0546, 0.006),
    "ap-east-1": (0.0556, 0.0061),
    "ap-northeast-1": (0.05056, 0.00553),
    "ap-northeast-2": (0.04656, 0.00511),
    "ap-south-1": (0.04256, 0.004655),
    "ap-southeast-1": (0.05056, 0.00553),
    "ap-southeast-2": (0.04856, 0.00532),
    "ca-central-1": (0.04456, 0.004865),
    "eu-central-1": (0.04656, 0.00511),
    "eu-north-1": (0.0445, 0.0049),
    "eu-south-1": (0.0486, 0.0053),
    "eu-west-1": (0.04048, 0.004445),
    "eu-west-2": (0.04656, 0.00511),
    "eu-west-3": (0.0486, 0.0053),
    "me-south-1": (0.0526, 0.0058),
    "sa-east-1": (0.0696, 0.0076),
    "us-east-1": (0.04048, 0.004445),
    "us-east-2": (0.04048, 0.004445),
    "us-gov-east-1": (0.0486, 0.0053),
    "us-gov-west-1": (0.0486, 0.0053),
    "us-west-1": (0.04656, 0.00511),
    "us-west-2": (0.04048, 0.004445),
}
"""Dollars an hour of a vCPU and of a GB."""
_ARM = {
    "ap-south-1": (0.02383, 0.00261),
    "ap-southeast-2": (0.03885, 0.00426),
    "eu-west-1": (0.03238, 0.00356),
    "eu-west-2": (0.03725, 0.00409),
    "sa-east-1": (0.0557, 0.00612),
    "us-east-1": (0.03238, 0.00356),
    "us-east-2": (0.03238, 0.00356),
}
_STORAGE = {
    "ap-northeast-1": 0.000133,
    "eu-west-2": 0.000129,
    "us-east-1": 0.000111,
    "us-east-2": 0.000111,
}


def prices_of(region: str) -> Prices:
    """The prices of a Region; of one that is not known, those of the dearest."""
    if region not in _X86:
        return replace(prices_of(max(_X86, key=lambda one: _X86[one])), is_guessed=True)
    vcpu, gib = _X86[region]
    arm_vcpu, arm_gib = _ARM.get(region, (vcpu * ARM_SHARE, gib * ARM_SHARE))
    return Prices(
        vcpu=vcpu,
        gib=gib,
        arm_vcpu=arm_vcpu,
        arm_gib=arm_gib,
        spot_share=SPOT_SHARE,
        storage=_STORAGE.get(region, vcpu * STORAGE_SHARE),
        as_of=AS_OF,
    )


def replaced(prices: Prices, given: Mapping[str, float | str]) -> Prices:
    """The prices with those that were given instead, by the names of their fields.

    One that gives prices of x86 and none of ARM has ARM's as much higher or lower.
    """
    changed = replace(prices, **given, is_guessed=prices.is_guessed and "vcpu" not in given)  # type: ignore[arg-type]
    derived = {
        f"arm_{name}": getattr(prices, f"arm_{name}") * getattr(changed, name) / getattr(prices, name)
        for name in ("vcpu", "gib")
        if f"arm_{name}" not in given
    }
    return replace(changed, **derived)


def dollars_per_second(prices: Prices, resources: Resources) -> float:
    """What a second of a task costs."""
    vcpu, gib = (prices.arm_vcpu, prices.arm_gib) if resources.is_arm else (prices.vcpu, prices.gib)
    share = prices.spot_share if resources.is_spot else 1.0
    an_hour = share * (resources.cpu / 1024 * vcpu + resources.memory / 1024 * gib)
    return (an_hour + max(0, resources.storage - STORAGE_INCLUDED) * prices.storage) / 3600


def dollars(prices: Prices, resources: Resources, seconds: float) -> float:
    """What a task costs whose image was pulled so many seconds before it had stopped."""
    return dollars_per_second(prices, resources) * max(LEAST_SECONDS, math.ceil(seconds))
