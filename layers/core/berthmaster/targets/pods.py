"""targets_pods: the pods behind Kubernetes Services, looked at every few seconds.

Kubernetes sends no events to AWS. So each invocation lists the endpoints of all Services again and again until the next
one begins, and compares a destination with what AWS shows when its list has changed, when a claim in it waits, and once
a minute in any case. A list that has not changed needs no call to AWS.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import batched
from typing import Any

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.concurrently import NotBegun, Together, concurrently
from berthmaster.errors import MissingEvidence
from berthmaster.failures import Failures
from berthmaster.invocation import Invocation
from berthmaster.lease import Lease, Leases
from berthmaster.switch import Switch
from berthmaster.targets.announcements import Announcements, DestinationResult
from berthmaster.targets.ledger.changes import Changes
from berthmaster.targets.ledger.findings import DestinationStatuses
from berthmaster.targets.model import AUTOMATION, Declaration, EksSelector
from berthmaster.targets.observe.declarations import Declarations
from berthmaster.targets.observe.eks_https import AT_ONCE
from berthmaster.targets.observe.kubernetes import Kubernetes, PodEndpoint
from berthmaster.targets.plan.waiting import waits_until
from berthmaster.targets.reconciler import Reconciler
from berthmaster.targets.report import metrics
from berthmaster.targets.settings import PodsSettings
from berthmaster.telemetry import logger

LEASE = "targets pods"
FOLLOWED_FOR = timedelta(seconds=58)
"""No list is begun later in an invocation: the next one begins after a minute."""
COMPARED_EVERY = timedelta(minutes=1)
RETRIED_AFTER = timedelta(seconds=15)
"""When a destination is compared again in which something failed."""
CLUSTERS_AT_ONCE = 8
"""Threads; with more clusters, some share one."""
COMPARED_TOGETHER = 8
"""Destinations that are compared before the lists are due again."""
LISTED_TOGETHER = 50
"""Services of a namespace in one request; their names have 63 characters at most, and are in its URL."""
TIME_FOR_PODS = timedelta(seconds=20)
"""What one destination may take, with a cluster that does not answer; with less time left, none is begun."""
LEASE_RETRY = timedelta(seconds=1)


class FollowPods:
    """What targets_pods does every minute, and for a minute."""

    def __init__(self, settings: PodsSettings, clients: Clients, clock: Clock) -> None:
        self._settings = settings
        self._clients = clients
        self._clock = clock
        table, mode = settings.targets_table, settings.targets_mode
        self._declarations = Declarations(clients, clock)
        self._switch = Switch(clients.dynamodb, clock, table=table, automation=AUTOMATION, mode=mode)
        self._leases = Leases(clients.dynamodb, table)
        self._followers: dict[str, _ClusterFollower] = {}

    def run(self, invocation: Invocation) -> dict[str, Any]:
        """Follow the pods of all declared Services for a minute; raises all failures at the end."""
        until = self._clock.now() + FOLLOWED_FOR
        if reason := self._switch.reason():
            logger.info("run skipped", reason=reason)
            return {}
        declared = defaultdict[str, list[Declaration]](list)
        for one in self._declarations.read(fresh=True).declarations:
            if isinstance(one.selector, EksSelector):
                declared[one.selector.cluster].append(one)
        if not declared:
            return {}
        lease = self._acquire(invocation, until)
        if lease is None:
            logger.info("run skipped", reason="the last run has not ended")
            return {}
        try:
            return self._run(declared, invocation, until)
        finally:
            self._leases.release(lease, considered_at=self._clock.now(), resumes_at=None)

    def _acquire(self, invocation: Invocation, until: datetime) -> Lease | None:
        """The lease, as soon as the last invocation gives it back or, if it was killed, when its time is over."""
        while True:
            now = self._clock.now()
            lease = self._leases.acquire(LEASE, owner=invocation.id, now=now, deadline=invocation.deadline)
            if lease is not None or now + LEASE_RETRY > until:
                return lease
            self._clock.sleep(LEASE_RETRY.total_seconds())

    def _run(self, declared: dict[str, list[Declaration]], invocation: Invocation, until: datetime) -> dict[str, Any]:
        failures = Failures()
        self._followers = {cluster: self._follower(cluster) for cluster in declared}
        shares = [list(self._followers.values())[first::CLUSTERS_AT_ONCE] for first in range(CLUSTERS_AT_ONCE)]
        with Together(at_once=CLUSTERS_AT_ONCE) as threads:
            begun = [
                threads.begin(self._follow, share, declared, until, invocation, failures) for share in shares if share
            ]
        for one in begun:
            one.result()
        results = [result for follower in self._followers.values() for result in follower.results]
        figures = metrics.publish_run(
            destinations=sum(result.survey is not None for result in results),
            targets=sum(len(result.survey.targets) for result in results if result.survey),
            held_back=sum(result.is_held_back for result in results),
            findings=sum(len(result.findings) for result in results),
        )
        logger.info("run completed", failures=len(failures), figures=figures)
        failures.raise_all("the run completed with failures")
        return figures

    def _follower(self, cluster: str) -> "_ClusterFollower":
        return self._followers.get(cluster) or _ClusterFollower(
            cluster, self._settings, self._clients, self._clock, self._switch
        )

    def _follow(
        self,
        share: Sequence["_ClusterFollower"],
        declared: Mapping[str, Sequence[Declaration]],
        until: datetime,
        invocation: Invocation,
        failures: Failures,
    ) -> None:
        """Look at some clusters in turn until time is up or an operator pauses targets."""
        pause = timedelta(seconds=self._settings.targets_pod_poll_seconds)
        for follower in share:
            follower.begin(declared[follower.cluster], invocation)
        while True:
            next_at = self._clock.now() + pause
            for follower in share:
                with failures.collect("cluster not followed", cluster=follower.cluster):
                    chosen = follower.look()
                    if chosen and (reason := self._switch.reason()):
                        logger.info("run stopped", reason=reason)
                        return
                    follower.compare(chosen, next_at, failures)
            if next_at >= until or self._clock.now() >= until:
                return
            self._clock.sleep(max(0.0, (next_at - self._clock.now()).total_seconds()))


@dataclass(slots=True)
class _Followed:
    """A destination. due_at: when it is compared next. listed: the endpoints of its Service when it was compared last.

    result: of the last comparison in this invocation.
    """

    declared: Declaration
    due_at: datetime
    listed: tuple[PodEndpoint, ...] | None = None
    result: DestinationResult | None = None


class _ClusterFollower:
    """The destinations of one cluster's pods. It shares nothing with others: a cluster that is slow delays no other."""

    def __init__(self, cluster: str, settings: PodsSettings, clients: Clients, clock: Clock, switch: Switch) -> None:
        self.cluster = cluster
        self._clock = clock
        table = settings.targets_table
        self._kubernetes = Kubernetes(clients, clock, reader=settings.targets_pods_reader)
        # A pod that terminates is as urgent as a task that does.
        self._reconciler = Reconciler(settings, clients, clock, switch, kubernetes=self._kubernetes, urgent=True)
        self._statuses = DestinationStatuses(clients.dynamodb, table)
        self._changes = Changes(clients.dynamodb, table)
        self._announcements = Announcements(
            clients, clock, self._statuses, self._changes, bus=settings.event_bus, topic_arn=settings.topic_arn
        )
        self._followed: dict[str, _Followed] = {}
        self._invocation: Invocation | None = None

    @property
    def results(self) -> list[DestinationResult]:
        """The last results of the destinations that were compared in this invocation."""
        return [one.result for one in self._followed.values() if one.result]

    def begin(self, declared: Collection[Declaration], invocation: Invocation) -> None:
        """Begin an invocation, in which each destination is compared once at least.

        What is known of earlier ones says only which of them come first.
        """
        now, known, self._invocation = self._clock.now(), self._followed, invocation
        self._followed = {
            one.arn: _Followed(one, min(earlier.due_at, now), earlier.listed)
            if (earlier := known.get(one.arn))
            else _Followed(one, now)
            for one in declared
        }
        self._reconciler.begin(declared, invocation)

    def look(self) -> "list[tuple[_Followed, tuple[PodEndpoint, ...] | None]]":
        """The destinations to compare, with the endpoints listed now.

        Those whose list has changed come first, and those that were due a minute ago.
        """
        assert self._invocation is not None  # noqa: S101 - begun
        self._kubernetes.begin(self._invocation.deadline)
        services: dict[str, dict[str, None]] = defaultdict(dict)
        for selector in self._selectors():
            services[selector.namespace][selector.service] = None
        lists = [
            (namespace, some)
            for namespace, own in services.items()
            for some in batched(own, LISTED_TOGETHER, strict=False)
        ]
        listed: dict[object, tuple[PodEndpoint, ...] | None] = {}
        for outcome in concurrently(self._endpoints, lists, at_once=AT_ONCE):
            if outcome.error is not None and not isinstance(outcome.error, MissingEvidence | TimeoutError):
                raise outcome.error
            # A comparison reports what cannot be listed, and it is no change.
            listed |= outcome.value or {}
        now = self._clock.now()
        found = [(one, listed.get(one.declared.selector)) for one in self._followed.values()]

        def waits(one: _Followed, pods: tuple[PodEndpoint, ...] | None) -> bool:
            has_changed = pods is not None and pods != one.listed
            return not has_changed and one.due_at > now - COMPARED_EVERY

        chosen = [each for each in found if each[0].due_at <= now or not waits(*each)]
        return sorted(chosen, key=lambda each: (waits(*each), each[0].due_at))

    def compare(
        self,
        chosen: "Sequence[tuple[_Followed, tuple[PodEndpoint, ...] | None]]",
        next_at: datetime,
        failures: Failures,
    ) -> None:
        """Compare destinations until the lists are due again; those that are left come with the next ones."""
        for some in batched(chosen, COMPARED_TOGETHER, strict=False):
            listed = {one.declared.arn: pods for one, pods in some}
            for arn, result in self._compared([one.declared for one, _ in some], failures).items():
                one = self._followed[arn]
                one.result, one.due_at = result, self._due_at(result)
                one.listed = listed[arn]
            if self._clock.now() >= next_at:
                return

    def _compared(self, declared: Sequence[Declaration], failures: Failures) -> dict[str, DestinationResult]:
        """Reconcile some destinations, several at a time, and publish what came of it."""
        invocation = self._invocation
        assert invocation is not None  # noqa: S101 - begun

        def may_begin() -> bool:
            return invocation.time_left(self._clock.now()) > TIME_FOR_PODS

        prepared = self._reconciler.prepare(declared, may_begin)
        statuses, known = self._statuses.all(), self._changes.current(self._clock.now())
        outcomes = concurrently(
            lambda one: self._reconciler.reconcile(one, prepared, known.get(one.arn, []), invocation),
            declared,
            at_once=AT_ONCE,
            may_begin=may_begin,
        )
        results = {one.item.arn: one.result for one in outcomes if not isinstance(one.error, NotBegun)}
        for finding in prepared.findings:
            results[finding.destination].findings.append(finding)
        for result in results.values():
            failures.add(result.errors)
        unpublished = [change for arn in results for change in known.get(arn, [])]
        self._announcements.publish(results, statuses, unpublished, failures)
        return results

    def _selectors(self) -> Iterator[EksSelector]:
        for one in self._followed.values():
            if isinstance(one.declared.selector, EksSelector):
                yield one.declared.selector

    def _endpoints(self, chosen: tuple[str, Sequence[str]]) -> dict[object, tuple[PodEndpoint, ...]]:
        namespace, services = chosen
        found = self._kubernetes.endpoints_of(self.cluster, namespace, services)
        return {EksSelector(self.cluster, namespace, service): pods for service, pods in found.items()}

    def _due_at(self, result: DestinationResult) -> datetime:
        now = self._clock.now()
        if result.errors or result.survey is None:
            return now + RETRIED_AFTER
        if not result.is_settled or self._invocation is None:
            return now
        waits = waits_until(result.survey.claims.values(), now, self._invocation.id)
        return min(now + COMPARED_EVERY, waits or now + COMPARED_EVERY)
