"""How many files tasks take: decided, reported when it changes, and compared with what became of it."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from berthmaster.batch.ledger.measures import Measured
from berthmaster.batch.ledger.money import Money
from berthmaster.batch.ledger.packing_runs import PackingRuns
from berthmaster.batch.model.packing import PackingRun, Plan, Workload
from berthmaster.batch.model.pipelines import Pipeline
from berthmaster.batch.model.prices import Prices, Resources
from berthmaster.batch.plan.packing import is_news, packing
from berthmaster.batch.report.packing import packing_chosen, packing_compared
from berthmaster.clock import Clock
from berthmaster.expiring import Expiring
from berthmaster.failures import Failures
from berthmaster.items import Conflict
from berthmaster.notices import Notices
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from berthmaster.batch.model.measures import Measures

LIFETIME = timedelta(seconds=15)
"""Of what was measured."""
REMEMBERED = 20
"""Fewer files are nothing to report or to compare."""


class PackingPlans:
    """The plans of one invocation of batch_dispatch, which is the only one that makes any.

    failures: to which is added what could not be reported or remembered of them.
    """

    def __init__(
        self,
        dynamodb: "DynamoDBClient",
        table: str,
        clock: Clock,
        failures: Failures,
        *,
        notices: Notices,
        prices: Prices,
    ) -> None:
        self._ledger = PackingRuns(dynamodb, table)
        self._measured = Measured(dynamodb, table)
        self._money = Money(dynamodb, table, clock)
        self._clock = clock
        self._failures = failures
        self._notices = notices
        self._prices = prices
        self._runs: dict[str, PackingRun | None] = {}
        self._measures: Expiring[Measures] = Expiring()

    def plan(self, pipeline: Pipeline, workload: Workload, definition: Resources) -> Plan:
        """What to launch now. definition: what a task of the pipeline's task definition is billed for.

        That it could not be reported, or was written by another invocation, is no reason to launch nothing.
        """
        now, name = self._clock.now(), pipeline.name
        run = self._open(name)
        measures = self._measures.get(name, now) or self._measures.put(name, self._measured.of(name), now, LIFETIME)
        last = run.chosen if run else None
        plan = packing(pipeline, workload, measures, self._prices, definition, last=last, now=now)
        try:
            if run is not None:
                self._remember(self._after(run, pipeline, workload, plan), before=run)
            elif workload.files >= REMEMBERED:
                self._remember(self._after(self._begun(name), pipeline, workload, plan), before=None)
        except Conflict as error:
            logger.info("packing was remembered by another invocation", pipeline=name, reason=str(error))
            del self._runs[name]
        except Exception as error:  # noqa: BLE001 - raised when the invocation ends
            logger.exception("packing not reported", pipeline=name)
            self._failures.add([error])
        return plan

    def _open(self, pipeline: str) -> PackingRun | None:
        if pipeline not in self._runs:
            self._runs[pipeline] = self._ledger.get(pipeline)
        run = self._runs[pipeline]
        return run if run and run.ended_at is None else None

    def _begun(self, pipeline: str) -> PackingRun:
        now, before = self._clock.now(), self._runs[pipeline]
        return PackingRun(
            pipeline=pipeline,
            began=now,
            dollars_before=self._money.day(pipeline, now.date()).dollars,
            done_before=self._measured.files_since(pipeline, now),
            version=before.version if before else 0,
        )

    def _after(self, run: PackingRun, pipeline: Pipeline, workload: Workload, plan: Plan) -> PackingRun:
        """The run with this plan; it is reported if it is news."""
        now = self._clock.now()
        if workload.is_empty:
            return self._ended(run, now)
        if not run.predicted_files and plan.dollars is not None:
            run = replace(
                run,
                predicted_dollars=self._spent(run, now) + plan.dollars,
                predicted_end=plan.ends_at,
                predicted_files=round(self._done(run)) + workload.files + workload.in_flight,
            )
        if is_news(plan, run, now):
            self._notices.publish([packing_chosen(pipeline, workload, plan)])
            return replace(run, chosen=plan, chosen_at=now)
        return run

    def _ended(self, run: PackingRun, now: datetime) -> PackingRun:
        self._notices.publish([packing_compared(run, files=self._done(run), dollars=self._spent(run, now), at=now)])
        return replace(run, ended_at=now)

    def _remember(self, run: PackingRun, *, before: PackingRun | None) -> None:
        """What was reported is saved afterwards: to report it again does less harm than never."""
        if run != before:
            run = self._ledger.save(run)
        self._runs[run.pipeline] = run

    def _spent(self, run: PackingRun, now: datetime) -> float:
        return self._money.since(run.pipeline, run.began.date(), now.date()).dollars - run.dollars_before

    def _done(self, run: PackingRun) -> float:
        return self._measured.files_since(run.pipeline, run.began) - run.done_before
