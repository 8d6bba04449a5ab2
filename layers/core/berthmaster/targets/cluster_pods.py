"""The destinations of one cluster's pods: which of them are to be compared, and their comparison."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import batched

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.concurrently import NotBegun, concurrently
from berthmaster.errors import MissingEvidence
from berthmaster.failures import Failures
from berthmaster.invocation import Invocation
from berthmaster.requests import LONG_AGO
from berthmaster.switch import Switch
from berthmaster.targets.announcements import Announcements, DestinationResult
from berthmaster.targets.ledger.changes import Changes
from berthmaster.targets.ledger.findings import DestinationStatuses, was_unmanaged
from berthmaster.targets.model import Declaration, EksSelector
from berthmaster.targets.observe.eks_https import AT_ONCE
from berthmaster.targets.observe.kubernetes import Kubernetes, PodEndpoint
from berthmaster.targets.plan.next_comparison import waits_until
from berthmaster.targets.reconciler import Reconciler
from berthmaster.targets.settings import PodsSettings

COMPARED_EVERY = timedelta(minutes=1)
RETRIED_AFTER = timedelta(seconds=15)
"""When a destination is compared again in which something failed."""
COMPARED_TOGETHER = 8
"""Destinations that are compared before the lists are due again."""
LISTED_TOGETHER = 50
"""Services of a namespace in one request; their names have 63 characters at most, and are in its URL."""
TIME_FOR_ONE = timedelta(seconds=20)
"""What one destination may take, with a cluster that does not answer; with less time left, none is begun."""

type Listed = tuple[PodEndpoint, ...] | None
"""The endpoints of a Service; None if they could not be listed."""


@dataclass(slots=True)
class Followed:
    """A destination. due_at: when it is compared next. listed: the endpoints of its Service when it was compared last.

    result: of the last comparison in this invocation.
    """

    declared: Declaration
    due_at: datetime
    listed: Listed = None
    result: DestinationResult | None = None


class ClusterPods:
    """The destinations of one cluster's pods. It shares nothing with others: a cluster that is slow delays no other."""

    def __init__(self, cluster: str, settings: PodsSettings, clients: Clients, clock: Clock, switch: Switch) -> None:
        self.cluster = cluster
        self._clock = clock
        self._switch = switch
        self._resumed_at = LONG_AGO
        table = settings.targets_table
        self._kubernetes = Kubernetes(clients, clock, reader=settings.targets_pods_reader)
        # A pod that terminates is as urgent as a task that does.
        self._reconciler = Reconciler(settings, clients, clock, switch, kubernetes=self._kubernetes, urgent=True)
        self._statuses = DestinationStatuses(clients.dynamodb, table)
        self._changes = Changes(clients.dynamodb, table)
        self._announcements = Announcements(
            clients, clock, self._statuses, self._changes, bus=settings.event_bus, topic_arn=settings.topic_arn
        )
        self._followed: dict[str, Followed] = {}

    @property
    def results(self) -> list[DestinationResult]:
        """The last results of the destinations that were compared in this invocation."""
        return [one.result for one in self._followed.values() if one.result]

    def begin(self, declared: Collection[Declaration], invocation: Invocation) -> None:
        """Begin an invocation, in which each destination is compared once at least.

        What is known of earlier ones says only which of them come first.
        """
        now, known = self._clock.now(), self._followed
        self._followed = {
            one.arn: Followed(one, min(earlier.due_at, now), earlier.listed)
            if (earlier := known.get(one.arn))
            else Followed(one, now)
            for one in declared
        }
        self._resumed_at = self._switch.resumed_at()
        self._reconciler.begin(declared, invocation)

    def look(self, invocation: Invocation) -> list[tuple[Followed, Listed]]:
        """The destinations to compare, with the endpoints listed now.

        Those whose list has changed come first, and those that were due a minute ago.
        """
        self._kubernetes.begin(invocation.deadline)
        services: dict[str, dict[str, None]] = defaultdict(dict)
        for selector in self._selectors():
            services[selector.namespace][selector.service] = None
        lists = [
            (namespace, some)
            for namespace, own in services.items()
            for some in batched(own, LISTED_TOGETHER, strict=False)
        ]
        listed: dict[object, Listed] = {}
        for outcome in concurrently(self._endpoints, lists, at_once=AT_ONCE):
            if outcome.error is not None and not isinstance(outcome.error, MissingEvidence | TimeoutError):
                raise outcome.error
            # A comparison reports what cannot be listed, and it is no change.
            listed |= outcome.value or {}
        now = self._clock.now()
        found = [(one, listed.get(one.declared.selector)) for one in self._followed.values()]

        def waits(one: Followed, pods: Listed) -> bool:
            has_changed = pods is not None and pods != one.listed
            return not has_changed and one.due_at > now - COMPARED_EVERY

        chosen = [each for each in found if each[0].due_at <= now or not waits(*each)]
        return sorted(chosen, key=lambda each: (waits(*each), each[0].due_at))

    def compare(
        self,
        chosen: Sequence[tuple[Followed, Listed]],
        next_at: datetime,
        invocation: Invocation,
        failures: Failures,
    ) -> None:
        """Compare destinations until the lists are due again; those that are left come with the next ones."""
        for some in batched(chosen, COMPARED_TOGETHER, strict=False):
            listed = {one.declared.arn: pods for one, pods in some}
            for arn, result in self._compared([one.declared for one, _ in some], invocation, failures).items():
                one = self._followed[arn]
                one.result, one.due_at = result, self._due_at(result, invocation)
                one.listed = listed[arn]
            if self._clock.now() >= next_at:
                return

    def _compared(
        self, declared: Sequence[Declaration], invocation: Invocation, failures: Failures
    ) -> dict[str, DestinationResult]:
        """Reconcile some destinations, several at a time, and publish what came of it."""

        def may_begin() -> bool:
            return invocation.time_left(self._clock.now()) > TIME_FOR_ONE

        prepared = self._reconciler.prepare(declared, may_begin)
        statuses, known = self._statuses.all(), self._changes.current(self._clock.now(), failures)
        outcomes = concurrently(
            lambda one: self._reconciler.reconcile(
                one,
                prepared,
                known.get(one.arn, []),
                invocation,
                is_unwatched=was_unmanaged(statuses.get(one.arn), self._clock.now(), resumed_at=self._resumed_at),
            ),
            declared,
            at_once=AT_ONCE,
            may_begin=may_begin,
        )
        results = {one.item.arn: one.result for one in outcomes if not isinstance(one.error, NotBegun)}
        for result in results.values():
            failures.add(result.errors)
        unpublished = [change for arn in results for change in known.get(arn, [])]
        self._announcements.publish(results, statuses, unpublished, failures, managed=results.keys())
        return results

    def _selectors(self) -> Iterator[EksSelector]:
        for one in self._followed.values():
            if isinstance(one.declared.selector, EksSelector):
                yield one.declared.selector

    def _endpoints(self, chosen: tuple[str, Sequence[str]]) -> dict[object, tuple[PodEndpoint, ...]]:
        namespace, services = chosen
        found = self._kubernetes.endpoints_of(self.cluster, namespace, services)
        return {EksSelector(self.cluster, namespace, service): pods for service, pods in found.items()}

    def _due_at(self, result: DestinationResult, invocation: Invocation) -> datetime:
        now = self._clock.now()
        if result.errors or result.survey is None:
            return now + RETRIED_AFTER
        if not result.is_settled:
            return now
        waits = waits_until(result.survey.claims.values(), now, invocation.id)
        return min(now + COMPARED_EVERY, waits or now + COMPARED_EVERY)
