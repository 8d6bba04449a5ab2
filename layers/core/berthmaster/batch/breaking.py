"""Breakers, as launches are seen to fail or run; and people are notified of it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from berthmaster.batch.ledger.breakers import Breakers
from berthmaster.batch.model.breaker import Breaker, BreakerState, Launched
from berthmaster.batch.model.launch_failures import LaunchFailure
from berthmaster.batch.model.stops import Cause
from berthmaster.batch.plan import breaker as plan
from berthmaster.batch.report.breakers import pipeline_resumed, pipeline_stopped
from berthmaster.notices import Notices

REPORTED_BY = timedelta(minutes=1)
"""After it has opened; no invocation needs longer for that."""


class Breaking:
    """Judges launches by the breakers of their pipelines.

    That a breaker has opened is published after it was written, and then written down: if an invocation dies in
    between, the next one that launches reports it.
    """

    def __init__(self, breakers: Breakers, notices: Notices) -> None:
        self._breakers = breakers
        self._notices = notices

    def refused(self, pipeline: str, launch: Launched, failure: LaunchFailure, now: datetime) -> Breaker:
        """A call of RunTask has failed; returns the breaker as it was."""
        return self._change(pipeline, lambda breaker: plan.refused(breaker, launch, failure, now))

    def stopped(self, pipeline: str, launch: Launched, cause: Cause, diagnosis: str, now: datetime) -> Breaker:
        """The task of a launch has stopped; returns the breaker as it was."""
        return self._change(pipeline, lambda breaker: plan.stopped(breaker, launch, cause, diagnosis, now))

    def ran(self, pipeline: str, launch: Launched, now: datetime) -> Breaker:
        """The container of a launch runs; returns the breaker as it was."""
        return self._change(pipeline, lambda breaker: plan.ran(breaker, launch, now))

    def probing(self, pipeline: str, launch: Launched, now: datetime) -> None:
        """The canary of a pipeline is about to be launched."""
        self._change(pipeline, lambda breaker: plan.probing(breaker, launch, now))

    def report_again(self, breaker: Breaker, now: datetime) -> None:
        """Notify people of a breaker that is open, if the invocation that saw it open has not, and died."""
        is_unreported = breaker.state is not BreakerState.CLOSED and not breaker.reported
        if is_unreported and breaker.since and now - breaker.since >= REPORTED_BY:
            self._report(breaker)

    def _report(self, breaker: Breaker) -> None:
        self._notices.publish([pipeline_stopped(breaker)])
        self._breakers.change(
            breaker.pipeline,
            lambda one: replace(one, reported=True) if one.state is not BreakerState.CLOSED else one,
        )

    def _change(self, pipeline: str, changed: Callable[[Breaker], Breaker]) -> Breaker:
        before, after = self._breakers.change(pipeline, changed)
        match before.state is BreakerState.CLOSED, after.state is BreakerState.CLOSED:
            case True, False:
                self._report(after)
            case False, True:
                self._notices.publish([pipeline_resumed(before)])
        return before
