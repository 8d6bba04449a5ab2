"""How many targets destinations have, since those behind the same load balancer share a quota."""

from collections import Counter, defaultdict
from collections.abc import Collection

from berthmaster.targets.model import Destination, TargetGroup

type Zones = Counter[str]
"""Targets by zone."""


class TargetCounts:
    """The targets of destinations when each was read last, kept in the container. Threads may share it."""

    def __init__(self) -> None:
        self._zones: dict[str, Zones] = {}
        self._behind: dict[str, set[str]] = defaultdict(set)

    @property
    def total(self) -> int:
        """The targets of all destinations."""
        return sum(zones.total() for zones in list(self._zones.values()))

    def put(self, destination: Destination, zones: Zones) -> None:
        """Note the targets of a destination."""
        self._zones[destination.arn] = zones
        if isinstance(destination.body, TargetGroup):
            for balancer in destination.body.load_balancers:
                self._behind[balancer].add(destination.arn)

    def keep(self, arns: Collection[str]) -> None:
        """Forget all other destinations."""
        self._zones = {arn: zones for arn, zones in self._zones.items() if arn in arns}

    def of(self, arn: str) -> Zones:
        """The targets of a destination."""
        return self._zones.get(arn, Counter())

    def elsewhere(self, balancer: str, arn: str) -> Zones:
        """The targets of other destinations behind a load balancer."""
        found: Zones = Counter()
        for other in tuple(self._behind.get(balancer, ())):
            if other != arn:
                found += self.of(other)
        return found
