"""The registry follows the parameters: a change event says where to look, and every minute all are compared.

What is in force is decided from the parameter as it is now, under a lease: two documents that exclude each other are
never checked at the same time. So change events may come twice, late, in any order or not at all.
"""

from dataclasses import replace
from datetime import timedelta

from berthmaster.batch import documents
from berthmaster.batch.ledger.pipelines import Pipelines
from berthmaster.batch.model.pipeline_facts import Allowed
from berthmaster.batch.model.pipelines import Parameter, PipelineRecord, Problem
from berthmaster.batch.observe.parameters import Parameters
from berthmaster.batch.observe.pipeline_facts import PipelineFacts
from berthmaster.batch.plan.pipeline_checks import judge
from berthmaster.batch.plan.pipelines import conflicts_of, problems_of
from berthmaster.batch.plan.registration import accepted, is_due, refused, removed
from berthmaster.batch.report.pipeline_notices import notice_of
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.errors import BerthmasterError
from berthmaster.failures import Failures
from berthmaster.invocation import Invocation
from berthmaster.lease import Leases
from berthmaster.notices import Notices
from berthmaster.telemetry import logger

LEASE = "pipelines"
LEAST_TIME = timedelta(seconds=20)
"""A document is checked in a second or two; each of its reads may take as long as a client waits."""
PATIENCE = timedelta(seconds=30)
"""How long after a change AWS may fail to say what a document is checked against, until that is a warning."""
CHECKED_PER_RUN = 20


class NotYet(BerthmasterError):
    """A parameter could not be looked at now: try again in some seconds."""


class Registry:
    """Puts pipelines in force."""

    def __init__(
        self,
        clients: Clients,
        clock: Clock,
        *,
        pipelines: Pipelines,
        allowed: Allowed,
        leases: Leases,
        notices: Notices,
    ) -> None:
        self._clock = clock
        self._pipelines = pipelines
        self._allowed = allowed
        self._leases = leases
        self._notices = notices
        self._parameters = Parameters(clients)
        self._facts = PipelineFacts(clients)

    def update(self, name: str, invocation: Invocation, *, is_deleted: bool = False) -> None:
        """Let the record of a pipeline follow its parameter, and report what is new.

        is_deleted: whether there is reason to believe so; that there is no such parameter is not enough. NotYet if
        another invocation works on the registry, or AWS does not say what the document must be checked against.
        """
        with self._leases.held(LEASE, invocation, self._clock) as is_alone:
            if not is_alone:
                raise NotYet("another invocation works on the registry of pipelines")
            self._update(name, is_deleted=is_deleted)

    def refresh(self, invocation: Invocation) -> None:
        """Compare all parameters with the registry, for changes whose events were lost and for what was refused.

        Failures do not stop others, and are raised in the end.
        """
        now = self._clock.now()
        parameters = {one.pipeline: one for one in self._parameters.all()}
        records = {one.name: one for one in self._pipelines.records()}
        gone = [
            name
            for name, record in records.items()
            if name not in parameters and (record.unreported or removed(record, now) != record)
        ]
        due = [
            record
            for name, parameter in parameters.items()
            if (record := records.get(name, PipelineRecord(name=name))).unreported or is_due(record, parameter, now)
        ]
        # What was never checked comes before what was refused.
        due.sort(key=lambda record: (record.checked_at, record.name))
        failures = Failures()
        for name in [*gone, *(record.name for record in due)][:CHECKED_PER_RUN]:
            if invocation.time_left(self._clock.now()) < LEAST_TIME:
                logger.info("no time left in this invocation", left=name)
                break
            with failures.collect("pipeline not checked", pipeline=name):
                try:
                    self.update(name, invocation, is_deleted=name in gone)
                except NotYet as error:
                    logger.info("pipeline not checked yet", pipeline=name, reason=str(error))
        failures.raise_all("not every pipeline was checked")

    def _update(self, name: str, *, is_deleted: bool) -> None:
        record = self._pipelines.get(name) or PipelineRecord(name=name)
        parameter = self._parameters.get(name)
        changed = record
        if parameter is None:
            changed = removed(record, self._clock.now()) if is_deleted else record
        elif is_due(record, parameter, self._clock.now()):
            changed = self._checked(record, parameter)
        if changed != record:
            record = self._pipelines.save(changed)
        if record.unreported:
            self._notices.publish([notice_of(record)])
            self._pipelines.save(replace(record, unreported=False))

    def _checked(self, record: PipelineRecord, parameter: Parameter) -> PipelineRecord:
        """The record when a parameter has been checked."""
        pipeline = documents.read(parameter)
        problems = [pipeline] if isinstance(pipeline, Problem) else problems_of(pipeline)
        if isinstance(pipeline, Problem) or problems:
            return refused(record, parameter, problems, self._clock.now())
        facts = self._facts.read(pipeline)
        now = self._clock.now()
        if facts.is_passing and now - parameter.modified < PATIENCE:
            raise NotYet(f"AWS does not say all that {parameter.pipeline} is checked against")
        judgement = judge(pipeline, facts, self._allowed)
        others = [one.pipeline for one in self._pipelines.records() if one.pipeline]
        problems = [*conflicts_of(pipeline, others), *judgement.problems]
        if problems:
            return refused(record, parameter, problems, now)
        return accepted(record, parameter, judgement.pipeline, judgement.warnings, now)
