"""Measures a running scene every minute: free addresses, and tasks below the desired count."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.demo.capacity.outcome import Hour, Progress

if TYPE_CHECKING:
    from simulator.cloud import Cloud
    from simulator.workload.network import Network
    from simulator.workload.services import Workload

MINUTE = 60.0


class Gauge:
    """Made after the workload, so that it measures right after each of its ticks.

    It measures the subnets that tasks may use: the first three, and those added to the services since.
    """

    def __init__(self, cloud: Cloud, network: Network, workload: Workload) -> None:
        self._cloud = cloud
        self._network = network
        self._workload = workload
        self.hours: list[Hour] = []
        self.missing_minutes = 0
        self._fewest: list[tuple[int, int]] = []
        self._failed = 0
        cloud.clock.every(MINUTE, self._measure)

    def subnets(self) -> list[str]:
        """The subnets that services list."""
        listed = {
            subnet
            for service in self._cloud.backend("ecs").services.values()
            for subnet in service.network_configuration["awsvpcConfiguration"]["subnets"]
        }
        return sorted(listed)

    def end_hour(self, at: float) -> Progress:
        """Close the hour that ends at a time; returns the progress so far."""
        failed = len(self._workload.failed)
        fewest = min(one for one, _ in self._fewest)
        in_all = min(one for _, one in self._fewest)
        self.hours.append(Hour(at - 60 * MINUTE, fewest, in_all, failed - self._failed))
        self._fewest.clear()
        self._failed = failed
        return Progress(at, fewest, failed)

    def _measure(self) -> None:
        free = [self._network.free(subnet) for subnet in self.subnets()]
        self._fewest.append((min(free), sum(free)))
        for service in self._cloud.backend("ecs").services.values():
            self.missing_minutes += max(0, service.desired_count - service.running_count - service.pending_count)
