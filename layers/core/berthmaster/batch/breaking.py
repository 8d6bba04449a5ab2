"""Breakers, as launches are seen to fail or run; and people are notified of it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from berthmaster.batch.ledger.breakers import Breakers
from berthmaster.batch.model.breaker import Breaker, BreakerState, Launched
from berthmaster.batch.model.launch_failures import LaunchFailure
from berthmaster.batch.model.stops import Cause
from berthmaster.batch.plan import breaker as plan
from berthmaster.batch.report.breakers import pipeline_resumed, pipeline_stopped
from berthmaster.notices import Notices


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

    def report(self, breaker: Breaker) -> None:
        """Notify people of a breaker that is open, unless that was done."""
        if breaker.state is BreakerState.CLOSED or breaker.reported:
            return
        self._notices.publish([pipeline_stopped(breaker)])
        self._breakers.change(
            breaker.pipeline,
            lambda one: replace(one, reported=True) if one.state is not BreakerState.CLOSED else one,
        )

    def _change(self, pipeline: str, changed: Callable[[Breaker], Breaker]) -> Breaker:
        before, after = self._breakers.change(pipeline, changed)
        self.report(after)
        if before.state is not BreakerState.CLOSED and after.state is BreakerState.CLOSED:
            self._notices.publish([pipeline_resumed(before)])
        return before
