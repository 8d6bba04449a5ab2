"""Input buckets compared with the ledger: objects whose event was lost are received all the same."""

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime
from functools import partial

from berthmaster.batch.arrivals import Arrivals
from berthmaster.batch.ledger.files import Files
from berthmaster.batch.ledger.mails import Mails
from berthmaster.batch.model.files import State
from berthmaster.batch.model.pipelines import Pipeline, PipelineRecord
from berthmaster.batch.model.sweep import Enforcement, ListedObject, Sweep
from berthmaster.batch.observe.listing import Listings
from berthmaster.batch.plan.intake import NOT_PROCESSING
from berthmaster.batch.plan.matching import matches
from berthmaster.batch.plan.sweep import LISTED_AFTER, begun, concerns, enforcement, is_due, next_listing, reached
from berthmaster.batch.report.outcomes import Outcomes
from berthmaster.batch.settings import ReconcileSettings
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.concurrently import NotBegun, concurrently
from berthmaster.failures import Failures
from berthmaster.items import Items
from berthmaster.notices import Notices
from berthmaster.telemetry import logger

PAGES = 20
"""Of a thousand objects, in one run."""
LOOKS = 2_000
"""At objects in the ledger, in one run."""
AT_ONCE = 8


class BucketSweep:
    """Receives objects that the ledger does not know."""

    def __init__(self, settings: ReconcileSettings, clients: Clients, clock: Clock) -> None:
        self._clients = clients
        self._clock = clock
        self._is_on = settings.batch_mode not in NOT_PROCESSING
        table = settings.batch_table
        files = Files(clients.dynamodb, table, kept_for=settings.kept_for)
        notices = Notices(clients, bus=settings.event_bus, topic_arn=settings.topic_arn)
        self._arrivals = Arrivals(clients, clock, files, settings.batch_mode)
        self._outcomes = Outcomes(files, Mails(clients.dynamodb, table), notices, clock)
        self._sweeps = Items(clients.dynamodb, table, "sweep", Sweep)
        self._enforcements = Items(clients.dynamodb, table, "reconciliation", Enforcement)

    def run(
        self, records: Collection[PipelineRecord], failures: Failures, may_go_on: Callable[[], bool], *, paused: str
    ) -> int:
        """Go on with the listings of the pipelines that are in force; returns how many files have come to wait.

        paused: why nothing may be received now, else empty. What is not to be looked for later is noted all the same.
        """
        in_force = [(one.pipeline, one.since) for one in records if one.pipeline]
        known = {one.pipeline: one for one in self._sweeps.query(failures=failures)}
        for name in known.keys() - {pipeline.name for pipeline, _ in in_force}:
            if known[name].is_in_force:
                self._sweeps.save(replace(known[name], is_in_force=False))
        before = self._enforcements.get(Enforcement().sort_key)
        mode = self._enforcements.save(enforcement(before, self._clock.now(), is_on=self._is_on))
        if not mode.is_on or paused:
            return 0
        now = self._clock.now()
        listings = Listings(self._clients.s3, PAGES, may_go_on)
        looks_left, received = LOOKS, 0
        sweeps = [
            (begun(known.get(one.name), one, in_force_since=since, enforced_since=mode.since), one)
            for one, since in in_force
        ]
        # What goes on comes after what begins: a large input must not keep the others waiting.
        for sweep, pipeline in sorted(sweeps, key=lambda one: (bool(one[0].after), one[0].began)):
            if not is_due(sweep, now):
                continue
            with failures.collect("input not compared with the ledger", pipeline=pipeline.name):
                looks, waiting = self._go_on(sweep, pipeline, listings, looks_left, failures)
                looks_left -= looks
                received += waiting
        return received

    def _go_on(
        self, sweep: Sweep, pipeline: Pipeline, listings: Listings, looks_left: int, failures: Failures
    ) -> tuple[int, int]:
        """List page after page; returns how many objects were looked at, and how many files wait now."""
        sweep = self._sweeps.save(next_listing(sweep, self._clock.now(), LISTED_AFTER))
        looks = received = 0
        while looks < looks_left:
            listed_at = self._clock.now()
            page = listings.page(pipeline.input, sweep.after)
            if page is None:
                break
            found, has_more = page
            chosen = [one for one in found if matches(pipeline.input, one.key) and concerns(sweep, one)]
            outcomes = concurrently(
                partial(self._receive, pipeline, listed_at),
                chosen,
                at_once=AT_ONCE,
                may_begin=listings.may_go_on,
            )
            looks += len(chosen)
            received += sum(bool(one.value) for one in outcomes)
            errors = [one.error for one in outcomes if one.error]
            if any(isinstance(one, NotBegun) for one in errors):
                break
            failures.add(errors)
            sweep = self._sweeps.save(reached(sweep, found[-1].key if has_more else "", has_failed=bool(errors)))
            if not has_more:
                break
        return looks, received

    def _receive(self, pipeline: Pipeline, listed_at: datetime, found: ListedObject) -> bool:
        """Receive an object unless the ledger knows it; returns whether its file waits now."""
        arrival = self._arrivals.listed(
            pipeline,
            bucket=pipeline.input.bucket,
            key=found.key,
            etag=found.etag,
            size=found.size,
            listed_at=listed_at,
        )
        if arrival is None:
            return False
        logger.warning("object found that no event has reported", bucket=pipeline.input.bucket, key=found.key)
        self._outcomes.report(arrival.file, "")
        return arrival.file.state is State.WAITING
