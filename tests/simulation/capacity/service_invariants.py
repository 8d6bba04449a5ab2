"""What capacity does to services, judged while it happens: updates, failed launches beside room, deleted subnets."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from berthmaster.capacity.model.tags import MANAGED, MANAGED_TAG, SIBLING_TAG
from simulator.aws.ec2.lookup import subnets_of
from simulator.aws.ecs.deployments import Deployments
from simulator.calls import is_function
from tests.simulation.judging import Afterwards, Params, judge
from tests.support.capacity.scene import CapacityScene

LOOKED_EVERY = 60.0
DAY = 24 * 3600.0
MOST_UPDATES = 3
"""The first, and two after somebody has reset the list."""
CURED_WITHIN = 60 * 60.0
"""A deployment that ends by itself takes 15 minutes; a function that dies is invoked again after 12 minutes at most."""
STILL_FAILING = 20 * 60.0
"""The longest that ECS waits between two launches, with some time to spare."""
PERSONS = frozenset({"Expand Requested", "Proposal Approved", "Retirement Requested", "Pause Requested"})
"""Requests after which a service may be updated again, or is not for a while."""


@dataclass(frozen=True, slots=True)
class Update:
    """An update of a service that gave it a subnet, or took it away."""

    at: float
    service: str
    subnet: str


@dataclass
class ServiceInvariants:
    """Watches a scene from now on; `broken` has a sentence for each rule that was broken."""

    scene: CapacityScene
    updates: list[Update] = field(default_factory=list)
    asked: list[float] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    starving: list[str] = field(default_factory=list)
    _seen: int = 0
    _failing: dict[str, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        cloud = self.scene.cloud
        judge(cloud, "ecs:UpdateService", self._update)
        judge(cloud, "ec2:DeleteSubnet", self._delete)
        cloud.clock.every(LOOKED_EVERY, self._look)

    def broken(self) -> list[str]:
        """What was wrong until now."""
        return [*self._too_many_updates(), *self.deleted, *self.starving]

    def person_asks(self, detail_type: str) -> None:
        """A person has sent a request."""
        if detail_type in PERSONS:
            self.asked.append(self._now)

    # Updates

    def _update(self, params: Params) -> Afterwards:
        name = params["service"].split("/")[-1]
        listed = self._listed(name)
        wanted = params.get("networkConfiguration", {}).get("awsvpcConfiguration", {}).get("subnets", listed)

        def updated() -> None:
            if is_function():
                self.updates += [Update(self._now, name, one) for one in wanted if one not in listed]

        return updated

    def _too_many_updates(self) -> Iterator[str]:
        """A service is given a subnet once; again only if its list was reset: once a day, and twice in all."""
        given: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
        for one in self.updates:
            given[one.service, one.subnet].append(one.at)
        for (name, subnet), times in given.items():
            for unasked in self._between_requests(times):
                yield from self._too_many(name, subnet, unasked)

    def _too_many(self, name: str, subnet: str, times: list[float]) -> Iterator[str]:
        for number, (before, after) in enumerate(pairwise(times)):
            if self._was_rolled_back(name, before, after):
                yield f"{name} was given {subnet} at {before:.0f}, was rolled back, and was given it at {after:.0f}"
            elif number and after - before < DAY:
                yield f"the list of {name} was restored twice within a day, at {before:.0f} and {after:.0f}"
        if len(times) > MOST_UPDATES:
            yield f"{name} was given {subnet} {len(times)} times"

    def _between_requests(self, times: list[float]) -> Iterator[list[float]]:
        """Parts of the times between which no person has asked for anything."""
        part: list[float] = []
        for at in times:
            if part and any(part[-1] <= asked <= at for asked in self.asked):
                yield part
                part = []
            part.append(at)
        yield part

    def _was_rolled_back(self, name: str, since: float, until: float) -> bool:
        return any(
            "rolling back" in deployment["rolloutStateReason"] and since <= deployment["createdAt"].timestamp() <= until
            for service, deployment in self.scene.cloud.state(Deployments).begun
            if service.name == name
        )

    # Launches that fail beside room

    def _look(self) -> None:
        """A service that may be updated lists room that is ready in a zone, an hour after its launches began to fail.

        Every failed launch since the last look counts for its service.
        """
        failed, self._seen = self.scene.workload.failed[self._seen :], len(self.scene.workload.failed)
        for one in failed:
            if not self._unlisted_room(one.service, one.subnet_id) or self._is_excused(one.service):
                self._failing.pop(one.service, None)
                continue
            since, last = self._failing.get(one.service, (one.at, one.at))
            if one.at - last > STILL_FAILING:
                since = one.at
            self._failing[one.service] = since, one.at
            if one.at - since > CURED_WITHIN:
                self._failing[one.service] = one.at, one.at
                self.starving.append(
                    f"launches of {one.service} failed from {since:.0f} to {one.at:.0f}, beside subnets with room that "
                    "it does not list"
                )

    def _unlisted_room(self, name: str, full: str) -> bool:
        listed = self._listed(name)
        subnets = {one.id: one for one in subnets_of(self.scene.cloud, self.scene.vpc_id)}
        zone = subnets[full].availability_zone if full in subnets else ""
        return any(
            one.availability_zone == zone and one.id not in listed and self.scene.network.free(one.id)
            for one in subnets.values()
            if self._tags(one.id).get(SIBLING_TAG)
        )

    def _is_excused(self, name: str) -> bool:
        """Whether nobody may update it: it was rolled back, or updated within a day, or is not managed."""
        service = self._service(name)
        tags = {tag["key"]: tag["value"] for tag in service.tags or ()}
        given = [one.at for one in self.updates if one.service == name]
        return tags.get(MANAGED_TAG) != MANAGED or bool(given and self._now - given[-1] < DAY + CURED_WITHIN)

    # Deleted subnets

    def _delete(self, params: Params) -> Afterwards:
        subnet = params["SubnetId"]
        lists = [
            service.name
            for service in self.scene.cloud.backend("ecs").services.values()
            if subnet in _subnets(service) and service.status == "ACTIVE"
        ]

        def deleted() -> None:
            if is_function():
                self.deleted.extend(f"{subnet} was deleted, and ECS service {name} lists it" for name in lists)

        return deleted

    @property
    def _now(self) -> float:
        return self.scene.cloud.clock.timestamp()

    def _service(self, name: str) -> Any:
        return self.scene.cloud.backend("ecs").services[f"{self.scene.workload.cluster}:{name}"]

    def _listed(self, name: str) -> list[str]:
        return _subnets(self._service(name))

    def _tags(self, subnet_id: str) -> dict[str, str]:
        tags = self.scene.cloud.backend("ec2").describe_tags({"resource-id": [subnet_id]})
        return {tag["key"]: tag["value"] for tag in tags}


def _subnets(service: Any) -> list[str]:
    network = (service.network_configuration or {}).get("awsvpcConfiguration", {})
    listed: list[str] = network.get("subnets", [])
    return listed
