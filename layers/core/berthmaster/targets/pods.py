"""targets_pods: the pods behind Kubernetes Services, looked at every few seconds.

Kubernetes sends no events to AWS. So each invocation lists the endpoints of all Services again and again until the next
one begins, and compares a destination with what AWS shows when its list has changed, when a claim in it waits, and once
a minute in any case. A list that has not changed needs no call to AWS.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.concurrently import Together
from berthmaster.failures import Failures
from berthmaster.invocation import Invocation
from berthmaster.lease import Lease, Leases
from berthmaster.switch import Switch
from berthmaster.targets.cluster_pods import ClusterPods
from berthmaster.targets.model import AUTOMATION, Declaration, EksSelector
from berthmaster.targets.observe.declarations import Declarations
from berthmaster.targets.report import metrics
from berthmaster.targets.settings import PodsSettings
from berthmaster.telemetry import logger

LEASE = "targets pods"
FOLLOWED_FOR = timedelta(seconds=58)
"""No list is begun later in an invocation: the next one begins after a minute."""
CLUSTERS_AT_ONCE = 8
"""Threads; with more clusters, some share one."""
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
        self._followers: dict[str, ClusterPods] = {}

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

    def _follower(self, cluster: str) -> ClusterPods:
        return self._followers.get(cluster) or ClusterPods(
            cluster, self._settings, self._clients, self._clock, self._switch
        )

    def _follow(
        self,
        share: Sequence[ClusterPods],
        declared: Mapping[str, Sequence[Declaration]],
        until: datetime,
        invocation: Invocation,
        failures: Failures,
    ) -> None:
        """Look at some clusters in turn until time is up or an operator pauses targets."""
        pause = timedelta(seconds=self._settings.targets_pod_poll_seconds)
        for follower in share:
            with failures.collect("cluster not prepared", cluster=follower.cluster):
                follower.begin(declared[follower.cluster], invocation)
        while True:
            next_at = self._clock.now() + pause
            for follower in share:
                with failures.collect("cluster not followed", cluster=follower.cluster):
                    chosen = follower.look(invocation)
                    if chosen and (reason := self._switch.reason()):
                        logger.info("run stopped", reason=reason)
                        return
                    follower.compare(chosen, next_at, invocation, failures)
            if next_at >= until or self._clock.now() >= until:
                return
            self._clock.sleep(max(0.0, (next_at - self._clock.now()).total_seconds()))
