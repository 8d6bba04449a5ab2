"""The managed destinations, with all that decisions need to know of them.

Tags are read for all, a hundred a call. The rest is read only for the destinations that a decision is about, since most
of it takes a call for each.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from berthmaster.arn import Arn
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.targets.model import (
    Declaration,
    Destination,
    DiscoveryService,
    EcsSelector,
    Finding,
    Kind,
    TargetGroup,
)
from berthmaster.targets.observe.cloud_map import CloudMapServices
from berthmaster.targets.observe.declarations import Declarations
from berthmaster.targets.observe.ecs_registrations import EcsRegistrations
from berthmaster.targets.observe.target_groups import TargetGroups


@dataclass(frozen=True, slots=True)
class Destinations:
    """What is known of some destinations.

    findings: why those that are missing cannot be managed. unread: by ARN, AWS's error for those that could not be
    read. unclear: by `cluster/service`, AWS's error where it is unknown what ECS itself registers.
    """

    by_arn: dict[str, Destination] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    unread: dict[str, Exception] = field(default_factory=dict)
    unclear: dict[str, Exception] = field(default_factory=dict)

    def of(self, declared: Declaration) -> Destination | None:
        """One destination; None if it cannot be managed.

        Raises AWS's error if it, or what ECS itself registers there, could not be read.
        """
        if declared.arn in self.unread:
            raise self.unread[declared.arn]
        if isinstance(declared.selector, EcsSelector):
            for service, error in self.unclear.items():
                if service.startswith(f"{declared.selector.cluster}/"):
                    raise error
        return self.by_arn.get(declared.arn)


class DestinationReader:
    """Reads destinations. declarations: what is tagged. ecs_registrations: what ECS registers itself."""

    def __init__(self, clients: Clients, clock: Clock) -> None:
        self._clock = clock
        self.declarations = Declarations(clients, clock)
        self.ecs_registrations = EcsRegistrations(clients)
        self._target_groups = TargetGroups(clients)
        self._cloud_map = CloudMapServices(clients)

    def read(self, declared: Iterable[Declaration], services: Iterable[tuple[str, str]]) -> Destinations:
        """Read the destinations of declarations; one that AWS fails at does not hinder the others.

        services: cluster and name of further ECS services whose own registrations matter.
        """
        chosen = list(declared)
        # One time for all: nothing that counts as known may expire before it is used.
        now = self._clock.now()
        unread = self._read_bodies(chosen, now)
        selected = {
            (one.selector.cluster, service)
            for one in chosen
            if isinstance(one.selector, EcsSelector)
            for service in one.selector.services
        }
        registered, unclear = self.ecs_registrations.read({*selected, *services}, now)
        found = Destinations(unread=unread, unclear=unclear)
        for one in chosen:
            if one.arn in unread:
                continue
            body = self._body(one, now)
            if isinstance(body, Finding):
                found.findings.append(body)
                continue
            found.by_arn[one.arn] = Destination(
                arn=one.arn,
                name=Arn.parse(one.arn).path[1],
                declaration=one,
                body=body,
                registered_by_ecs=frozenset(
                    (service, port) for service, ports in registered.items() for port in ports.get(one.arn, ())
                ),
            )
        return found

    def _read_bodies(self, declared: Sequence[Declaration], now: datetime) -> dict[str, Exception]:
        groups = [one.arn for one in declared if one.kind is Kind.TARGET_GROUP]
        services = [one.arn for one in declared if one.kind is Kind.CLOUD_MAP]
        return self._target_groups.read(groups, now) | self._cloud_map.read(services, now)

    def _body(self, declared: Declaration, now: datetime) -> TargetGroup | DiscoveryService | Finding:
        source = self._target_groups if declared.kind is Kind.TARGET_GROUP else self._cloud_map
        body = source.get(declared.arn, now)
        # One that is neither known nor failed would count as no longer tagged.
        assert body is not None, declared.arn  # noqa: S101 - read just now
        return body
