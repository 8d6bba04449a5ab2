"""Budgets: launches that would exceed a pipeline's dollars of the day are not made; people are asked once a day."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

from berthmaster.approval import fingerprint
from berthmaster.batch.ledger.files import Files
from berthmaster.batch.ledger.money import Money
from berthmaster.batch.ledger.proposals import Proposals
from berthmaster.batch.ledger.workers import Workers
from berthmaster.batch.model.budgets import Budget
from berthmaster.batch.model.files import File
from berthmaster.batch.model.pipelines import LONG_AGO, Pipeline
from berthmaster.batch.model.prices import Prices, Resources
from berthmaster.batch.model.proposals import Kind, Proposal
from berthmaster.batch.observe.task_definitions import Revisions
from berthmaster.batch.plan import launching, workers
from berthmaster.batch.plan.budget import fitting, in_flight, most
from berthmaster.batch.plan.proposals import proposal_id
from berthmaster.batch.report.budgets import budget_reached
from berthmaster.batch.settings import PricedSettings
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.errors import MissingEvidence
from berthmaster.items import Conflict
from berthmaster.notices import Notices
from berthmaster.telemetry import logger


class Budgets:
    """The budgets of pipelines; whoever launches asks before, and cannot read it if it cannot be read."""

    def __init__(
        self, settings: PricedSettings, clients: Clients, clock: Clock, *, revisions: Revisions, notices: Notices
    ) -> None:
        table = settings.batch_table
        self._clock = clock
        self._bus = settings.event_bus
        self._region = clients.region
        self._files = Files(clients.dynamodb, table, kept_for=settings.kept_for)
        self._workers = Workers(clients.dynamodb, table)
        self._money = Money(clients.dynamodb, table, clock)
        self._proposals = Proposals(clients.dynamodb, table)
        self._revisions = revisions
        self._notices = notices
        self.prices: Prices = settings.prices(clients.region)

    def fits(self, pipeline: Pipeline, costs: Sequence[float], begun: Mapping[str, float]) -> int:
        """How many launches of a pipeline there is room for, in their order. costs: what each may cost (`most`).

        begun: what others may cost that the ledger may not show yet, by the ids of their files and workers. If the next
        launch has no room whatever else runs, people are asked.
        """
        if pipeline.limits.dollars_per_day is None or not costs:
            return len(costs)
        budget, known = self._read(pipeline)
        count = fitting(budget, costs, {name: cost for name, cost in begun.items() if name not in known})
        if count < len(costs):
            logger.info("launches held back", pipeline=pipeline.name, budget=budget, held_back=len(costs) - count)
        if budget.is_reached(costs[0]):
            self._propose(budget, costs[0])
        return count

    def most_of(self, file: File, pipeline: Pipeline) -> float:
        """What the next task may cost that is launched for a file."""
        is_for_worker = pipeline.has_workers and not file.is_alone
        lasts = workers.lasts(pipeline) if is_for_worker else launching.lasts(pipeline)
        return self.most(pipeline, file.task_size, lasts)

    def most(self, pipeline: Pipeline, size: tuple[int, int] | None, lasts: timedelta) -> float:
        """What a task may cost that is to be launched, as on demand. size: None for that of its definition."""
        definition = self._definition(pipeline)
        cpu, memory = size or (definition.cpu, definition.memory)
        return most(self.prices, replace(definition, cpu=cpu, memory=memory), lasts)

    def look(self, pipeline: Pipeline) -> Budget | None:
        """The budget of a pipeline today; None if it has no limit."""
        return None if pipeline.limits.dollars_per_day is None else self._read(pipeline)[0]

    def _read(self, pipeline: Pipeline) -> tuple[Budget, Mapping[str, float]]:
        """The budget, and what of the tasks in flight each may cost."""
        name, day = pipeline.name, self._clock.now().astimezone(UTC).date()
        # Tasks first: what has stopped since is booked, since that is written before; so it counts twice, or once.
        files, open_ones = self._files.launched(name, since=LONG_AGO), self._workers.open(name)
        known = in_flight(files, open_ones, self.prices, self._definition(pipeline))
        proposal = self._proposals.get(proposal_id(name, _midnight(day)))
        budget = Budget(
            pipeline=name,
            day=day,
            limit=pipeline.limits.dollars_per_day or 0.0,
            booked=self._money.day(name, day).dollars,
            in_flight=sum(known.values()),
            verdict=proposal.verdict if proposal else None,
        )
        return budget, known

    def _propose(self, budget: Budget, launch: float) -> None:
        """Ask people whether the pipeline may go on, unless they were asked today."""
        midnight = _midnight(budget.day)
        proposal = self._proposals.make(
            Proposal(
                id=proposal_id(budget.pipeline, midnight),
                kind=Kind.BUDGET,
                pipeline=budget.pipeline,
                fingerprint=fingerprint({"pipeline": budget.pipeline, "day": str(budget.day)}),
                made_at=self._clock.now(),
                expires_at=midnight + timedelta(days=1),
                unreported=True,
            )
        )
        if not proposal.unreported or proposal.verdict:
            return
        self._notices.publish([budget_reached(budget, proposal, launch, bus=self._bus, region=self._region)])
        try:
            self._proposals.save(replace(proposal, unreported=False))
        except Conflict:
            logger.info("proposal was decided while it was reported", proposal=proposal.id)

    def _definition(self, pipeline: Pipeline) -> Resources:
        resources = self._revisions.resources(pipeline)
        if resources is None:
            raise MissingEvidence(f"ECS does not say which size {pipeline.run.task_definition} has")
        return resources


class BudgetDecisions:
    """What is made of decisions about budgets: batch_dispatch reads them in the ledger, at least once a minute."""

    def why_not(self, _: Proposal) -> str:
        """Nothing speaks against it."""
        return ""

    def approved(self, proposal: Proposal) -> str:
        """It goes on."""
        return f"the pipeline {proposal.pipeline} goes on within a minute, without a limit until midnight UTC"

    def rejected(self, proposal: Proposal) -> str:
        """It stays as it is."""
        return (
            f"the pipeline {proposal.pipeline} launches nothing more until midnight UTC, or until its limit is raised"
        )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
