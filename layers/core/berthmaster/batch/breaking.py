"""Breakers, as launches are seen to fail or run; and people are notified of it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from berthmaster.batch.ledger.breakers import Breakers
from berthmaster.batch.ledger.mails import Mails
from berthmaster.batch.model.breaker import Breaker, BreakerState, Launched
from berthmaster.batch.model.launch_failures import LaunchFailure
from berthmaster.batch.model.stops import Cause
from berthmaster.batch.plan import breaker as plan
from berthmaster.batch.report.breakers import pipeline_resumed, pipeline_stopped
from berthmaster.notices import Notices

REPORTED_BY = timedelta(minutes=1)
"""After it has opened; no invocation needs longer for that."""
LASTING = timedelta(hours=1)
"""One that has been open for so long is mailed, though there was a mail of an earlier time within the day."""
EVERY_DAY = timedelta(days=1)


class Breaking:
    """Judges launches by the breakers of their pipelines.

    That a breaker has opened is published after it was written, and then written down: if an invocation dies in
    between, the next one that launches reports it. A breaker that opens and closes all day, since one of two subnets
    has no route for instance, is an event each time, and a mail the first time.
    """

    def __init__(self, breakers: Breakers, mails: Mails, notices: Notices) -> None:
        self._breakers = breakers
        self._mails = mails
        self._notices = notices

    def refused(self, pipeline: str, launch: Launched, failure: LaunchFailure, now: datetime) -> Breaker:
        """A call of RunTask has failed; returns the breaker as it was."""
        return self._change(pipeline, now, lambda breaker: plan.refused(breaker, launch, failure, now))

    def stopped(self, pipeline: str, launch: Launched, cause: Cause, diagnosis: str, now: datetime) -> Breaker:
        """The task of a launch has stopped; returns the breaker as it was."""
        return self._change(pipeline, now, lambda breaker: plan.stopped(breaker, launch, cause, diagnosis, now))

    def ran(self, pipeline: str, launch: Launched, now: datetime) -> Breaker:
        """The container of a launch runs; returns the breaker as it was."""
        return self._change(pipeline, now, lambda breaker: plan.ran(breaker, launch, now))

    def probing(self, pipeline: str, launch: Launched, now: datetime) -> None:
        """The canary of a pipeline is about to be launched."""
        self._change(pipeline, now, lambda breaker: plan.probing(breaker, launch, now))

    def report_again(self, breaker: Breaker, now: datetime) -> None:
        """Report a breaker that is open, if the invocation that saw it open has not, and died, or if it stays open."""
        if breaker.opened_at is None:
            return
        open_for = now - breaker.opened_at
        if not breaker.reported and open_for >= REPORTED_BY:
            self._report(breaker, now)
        elif not breaker.mailed and open_for >= LASTING and self._is_due("stays out of order", breaker, now):
            self._notices.notify([pipeline_stopped(breaker, by_mail=True)])
            self._mark(breaker, mailed=True)

    def _report(self, breaker: Breaker, now: datetime) -> None:
        by_mail = self._is_due("is out of order", breaker, now)
        self._notices.publish([pipeline_stopped(breaker, by_mail=by_mail)])
        self._mark(breaker, mailed=by_mail)

    def _is_due(self, subject: str, breaker: Breaker, now: datetime) -> bool:
        return self._mails.is_due(f"{breaker.pipeline} {subject}", by=str(breaker.opened_at), now=now, every=EVERY_DAY)

    def _mark(self, breaker: Breaker, *, mailed: bool) -> None:
        self._breakers.change(
            breaker.pipeline,
            lambda one: replace(one, reported=True, mailed=mailed) if one.opened_at == breaker.opened_at else one,
        )

    def _change(self, pipeline: str, now: datetime, changed: Callable[[Breaker], Breaker]) -> Breaker:
        before, after = self._breakers.change(pipeline, changed)
        match before.state is BreakerState.CLOSED, after.state is BreakerState.CLOSED:
            case True, False:
                self._report(after, now)
            case False, True:
                self._notices.publish([pipeline_resumed(before)])
        return before
