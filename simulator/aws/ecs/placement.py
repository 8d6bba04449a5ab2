"""Where ECS puts a task: spread over zones, then one of the zone's subnets."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from simulator.aws.ec2.addresses import Interfaces
from simulator.aws.ec2.lookup import find_subnet

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from random import Random

    from simulator.account import Account


class Choice(StrEnum):
    """How a subnet is chosen within its zone. AWS documents nothing; its support speaks of chance (re:Post)."""

    RANDOM = "random"
    MOST_FREE = "most free"


def choose_subnet(
    account: Account,
    subnet_ids: Sequence[str],
    used_zones: Iterable[str],
    *,
    rng: Random,
    choice: Choice = Choice.RANDOM,
) -> Any:
    """The subnet (moto's) for the next task of a service that already has tasks in `used_zones`.

    A full subnet may be chosen although another has room: the task then fails, as it does on AWS.
    """
    subnets = [find_subnet(account, subnet_id) for subnet_id in subnet_ids]
    tasks = Counter(used_zones)
    fewest = min(tasks[subnet.availability_zone] for subnet in subnets)
    zone = rng.choice(sorted({one.availability_zone for one in subnets if tasks[one.availability_zone] == fewest}))
    candidates = [subnet for subnet in subnets if subnet.availability_zone == zone]
    if choice is Choice.MOST_FREE:
        return max(candidates, key=lambda subnet: account.state(Interfaces).pool_of(subnet).free)
    return rng.choice(candidates)


class Spread:
    """Chooses the subnets of several tasks of one group, one after the other; `zones`: how many tasks each has."""

    def __init__(self, account: Account, subnet_ids: Sequence[str], zones: Counter[str], *, rng: Random) -> None:
        self._account = account
        self._subnet_ids = subnet_ids
        self._zones = Counter(zones)
        self._rng = rng

    def next(self) -> Any:
        """The subnet (moto's) of the next task."""
        subnet = choose_subnet(self._account, self._subnet_ids, self._zones, rng=self._rng)
        self._zones[subnet.availability_zone] += 1
        return subnet
