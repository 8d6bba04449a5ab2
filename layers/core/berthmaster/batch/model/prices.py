"""What Fargate costs in one Region, and what a task is billed for."""

from dataclasses import dataclass

STORAGE_INCLUDED = 20
"""GiB of ephemeral storage that each task has without charge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Of Fargate on Linux in one Region, in dollars per hour, without discounts and taxes.

    vcpu, gib: on x86, on demand. arm_vcpu, arm_gib: on ARM. spot_share: how much of those Fargate Spot costs, from 0 to
    1. storage: of a GiB of ephemeral storage above those included. as_of: the date of the source, `YYYY-MM-DD`.
    is_guessed: nobody has said what this Region costs: these are the dearest prices that are known.
    """

    vcpu: float
    gib: float
    arm_vcpu: float
    arm_gib: float
    spot_share: float
    storage: float
    as_of: str
    is_guessed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a task is billed for, second by second. cpu: units of 1,024 a vCPU. memory: MiB. storage: GiB."""

    cpu: int
    memory: int
    is_arm: bool = False
    is_spot: bool = False
    storage: int = STORAGE_INCLUDED
