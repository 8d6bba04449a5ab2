"""The managed destinations, with all that decisions need to know of them.

Tags are read for all, a hundred a call. The rest is read only for the destinations that a decision is about, and the
attributes of target groups only for decisions that depend on them, since they take a call for each.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from berthmaster.arn import Arn
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.paced_reads import PacedReads
from berthmaster.targets.ledger.attributes import AttributeLedger
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
from berthmaster.targets.observe.group_attributes import AttributesReader
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

    def __init__(self, clients: Clients, clock: Clock, reads: PacedReads, attributes: AttributeLedger) -> None:
        self._clock = clock
        self.declarations = Declarations(clients, clock)
        self.ecs_registrations = EcsRegistrations(clients)
        self.attributes = AttributesReader(clients, clock, reads, attributes)
        self._target_groups = TargetGroups(clients, reads)
        self._cloud_map = CloudMapServices(clients)

    def prefetch(self, declared: Iterable[Declaration]) -> None:
        """Read what is cheaper to read for many destinations at once; `read` reads what this does not find."""
        groups = [one.arn for one in declared if one.kind is Kind.TARGET_GROUP]
        self._target_groups.prefetch(groups, self._clock.now())

    def read(
        self,
        declared: Iterable[Declaration],
        services: Iterable[tuple[str, str]],
        may_begin: Callable[[], bool] = lambda: True,
    ) -> Destinations:
        """Read the destinations of declarations; one that AWS fails at does not hinder the others.

        services: cluster and name of further ECS services whose own registrations matter. may_begin: whether there is
        time for another call.
        """
        chosen = list(declared)
        # One time for all: nothing that counts as known may expire before it is used.
        now = self._clock.now()
        unread = self._read_bodies(chosen, now, may_begin)
        selected = {
            (one.selector.cluster, service)
            for one in chosen
            if isinstance(one.selector, EcsSelector)
            for service in one.selector.services
        }
        registered, unclear = self.ecs_registrations.read({*selected, *services}, now, may_begin)
        by_ecs: dict[str, set[tuple[str, int]]] = defaultdict(set)
        for service, ports in registered.items():
            for arn, numbers in ports.items():
                by_ecs[arn] |= {(service, port) for port in numbers}
        found = Destinations(unread=unread, unclear=unclear)
        for one in chosen:
            if one.arn in unread:
                continue
            body = self._body(one, now)
            if isinstance(body, Finding):
                found.findings.append(body)
                continue
            destination = Destination(
                arn=one.arn,
                name=Arn.parse(one.arn).path[1],
                declaration=one,
                body=body,
                registered_by_ecs=frozenset(by_ecs[one.arn]),
            )
            found.by_arn[one.arn] = self._with_attributes(destination, now)
        return found

    def with_attributes(
        self,
        destinations: Mapping[str, Destination],
        arns: Collection[str],
        may_begin: Callable[[], bool] = lambda: True,
    ) -> tuple[dict[str, Destination], dict[str, Exception]]:
        """The destinations with the attributes of some of them, and the errors where these could not be read."""
        failed = self.attributes.read(arns, may_begin)
        now = self._clock.now()
        return {arn: self._with_attributes(one, now) for arn, one in destinations.items()}, failed

    def reread(self, destination: Destination) -> Destination | None:
        """A destination as it is now, whatever is remembered of it; None if it cannot be managed.

        Raises AWS's error if it could not be read.
        """
        declared = destination.declaration
        if declared.kind is Kind.CLOUD_MAP:
            self._cloud_map.forget(declared.arn)
        else:
            self._target_groups.forget(declared.arn)
            self.attributes.reread(declared.arn)
        now = self._clock.now()
        for error in self._read_bodies([declared], now, lambda: True).values():
            raise error
        body = self._body(declared, now)
        return None if isinstance(body, Finding) else self._with_attributes(replace(destination, body=body), now)

    def _with_attributes(self, destination: Destination, now: datetime) -> Destination:
        body, known = destination.body, self.attributes.of(destination.arn, now)
        return replace(destination, body=body.having(known)) if isinstance(body, TargetGroup) and known else destination

    def _read_bodies(
        self, declared: Sequence[Declaration], now: datetime, may_begin: Callable[[], bool]
    ) -> dict[str, Exception]:
        groups = [one.arn for one in declared if one.kind is Kind.TARGET_GROUP]
        services = [one.arn for one in declared if one.kind is Kind.CLOUD_MAP]
        return self._target_groups.read(groups, now, may_begin) | self._cloud_map.read(services, now, may_begin)

    def _body(self, declared: Declaration, now: datetime) -> TargetGroup | DiscoveryService | Finding:
        source = self._target_groups if declared.kind is Kind.TARGET_GROUP else self._cloud_map
        body = source.get(declared.arn, now)
        # One that is neither known nor failed would count as no longer tagged.
        assert body is not None, declared.arn  # noqa: S101 - read just now
        return body
