"""One file's launch: chosen, written down, requested, and written down again.

What is about to be requested is written before, so that an invocation that dies leaves a file `launching`, whose
request can be made again from the record alone: same launch, same client token, no second task.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from berthmaster.batch.act.launch import file_task, tasks_of
from berthmaster.batch.breaking import Breaking
from berthmaster.batch.conditions import Conditions
from berthmaster.batch.ledger.files import Files
from berthmaster.batch.ledger.pipelines import Pipelines
from berthmaster.batch.model.dispatcher import Placement
from berthmaster.batch.model.files import File, FileReference, State
from berthmaster.batch.model.launch_failures import FailureKind, LaunchFailure
from berthmaster.batch.model.pipelines import Pipeline
from berthmaster.batch.model.sizes import Size
from berthmaster.batch.observe.objects import why_gone
from berthmaster.batch.observe.task_definitions import Revisions
from berthmaster.batch.plan import launching as plan
from berthmaster.batch.plan.breaker import is_canary, is_the_files_own
from berthmaster.batch.plan.placement import Wanted, for_file
from berthmaster.batch.plan.transitions import launching, starting, with_launch
from berthmaster.batch.report.outcomes import Outcomes
from berthmaster.batch.requesting import Requesting
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.items import Conflict
from berthmaster.switch import Switch
from berthmaster.telemetry import logger

ROUNDS = 4
"""How often a file is read again because others write it meanwhile."""


@dataclass(frozen=True, slots=True)
class Job:
    """A file that is to be launched now.

    is_canary: whether it finds out if its pipeline works again. size: of its task, if the file needs no other; None for
    that of the task definition.
    """

    file: File
    pipeline: Pipeline
    is_canary: bool = False
    size: Size | None = None

    @property
    def name(self) -> str:
        """By which it is known that it has begun."""
        return self.file.id

    @property
    def wanted(self) -> Wanted:
        """Where it may run."""
        return for_file(self.file, self.pipeline)

    @property
    def task_size(self) -> tuple[int, int] | None:
        """CPU units and MiB of its task; None for those of the task definition."""
        return self.file.task_size or self.size

    @property
    def lasts(self) -> timedelta:
        """How long its task runs at most."""
        return plan.lasts(self.pipeline)


class Launching:
    """Launches files of one invocation, for any number of threads."""

    def __init__(
        self,
        clients: Clients,
        clock: Clock,
        conditions: Conditions,
        *,
        requesting: Requesting,
        files: Files,
        pipelines: Pipelines,
        revisions: Revisions,
        breaking: Breaking,
        switch: Switch,
        outcomes: Outcomes,
    ) -> None:
        self._clients = clients
        self._clock = clock
        self._conditions = conditions
        self._requesting = requesting
        self._files = files
        self._pipelines = pipelines
        self._revisions = revisions
        self._breaking = breaking
        self._switch = switch
        self._outcomes = outcomes

    def launch(self, job: Job, placement: Placement, is_written: Callable[[], None]) -> None:
        """Launch a file that waits; is_written: called when the ledger counts it as in flight.

        The event that its object was deleted may have come before the one that it was created. So S3 is asked whether
        it is there, if a launch has come to nothing. Where there is no capacity, it is launched elsewhere, as long as
        there is anywhere else.
        """
        file, pipeline = job.file, job.pipeline
        if reason := plan.impossible(file):
            dead = self._files.save(plan.refused(file, self._clock.now(), reason))
            self._outcomes.report(dead, FailureKind.FILE)
            return
        if file.launch and (gone := why_gone(self._clients.s3, file)):
            self._save(plan.vanished(file, self._clock.now(), gone))
            return
        failure: LaunchFailure | None = None
        where: Placement | None = placement
        while where:
            if failure:
                self._conditions.wait_turn()
            self._switch.check()
            now = self._clock.now()
            launch = plan.next_launch(file, pipeline, where, now, size=job.size)
            try:
                file = self._files.save(launching(file, launch, due=plan.requested_again_at(launch, now)))
            except Conflict:
                logger.info("file not launched", file=file.id, reason="it was written by another invocation")
                return
            self._conditions.unsettle(file.reference, file.due)
            is_written()
            if job.is_canary:
                self._breaking.probing(pipeline.name, plan.launched(file, self._revisions.of(pipeline)), now)
            failure = self._request(file, pipeline)
            if failure is None:
                return
            is_full = failure.kind is FailureKind.CAPACITY
            where = self._conditions.placed(for_file(file, pipeline)) if is_full else None
        if failure:
            self._after_failure(file, failure, pipeline)

    def settle(self, reference: FileReference, in_force: Mapping[str, Pipeline]) -> None:
        """Find out whether a task has come of a launch, by the same request unless that might start a second one."""
        file = self._files.get(*reference)
        if file is None or file.launch is None or file.state is not State.LAUNCHING:
            self._conditions.settle(reference)
            return
        now = self._clock.now()
        pipeline = self._pipelines.version(file.pipeline, file.launch.pipeline_version)
        current = in_force.get(file.pipeline)
        if current and not current.paused and plan.may_be_repeated(file.launch, now):
            self._conditions.wait_turn()
            self._switch.check()
            if failure := self._request(file, pipeline):
                self._after_failure(file, failure, pipeline)
        elif now - file.launch.requested_at < plan.LISTED_AFTER:
            self._conditions.unsettle(file.reference, file.launch.requested_at + plan.LISTED_AFTER)
        elif task := next(tasks_of(self._clients.ecs, file.started_by, pipeline), None):
            self._started(file, task)
        else:
            self._save(plan.not_launched(file, now))
            self._conditions.settle(file.reference)
            self._conditions.fail(now)

    def _request(self, file: File, pipeline: Pipeline) -> LaunchFailure | None:
        outcome = self._requesting.request(file_task(file, pipeline))
        if not isinstance(outcome, str):
            return outcome
        self._started(file, outcome)
        return None

    def _started(self, file: File, task: str) -> None:
        """Write the task down; another invocation may have had an event of it, or have ended the file meanwhile."""
        for _ in range(ROUNDS):
            try:
                self._files.save(
                    starting(file, task, self._clock.now())
                    if file.state is State.LAUNCHING
                    else with_launch(file, task=task)
                )
            except Conflict:
                newer = self._files.get(*file.reference)
                if newer is None or newer.launch is None or newer.started_by != file.started_by or newer.launch.task:
                    break
                file = newer
            else:
                logger.info("task launched", file=file.id, task=task)
                break
        self._conditions.settle(file.reference)

    def _after_failure(self, file: File, failure: LaunchFailure, pipeline: Pipeline) -> None:
        now = self._clock.now()
        if failure.follows.keeps_token:
            is_slow = failure.kind is FailureKind.THROTTLED
            again_at = now + timedelta(seconds=1) if is_slow else plan.still_launching(file, now, "").due
            if not is_slow:
                self._save(plan.still_launching(file, now, failure.text))
            self._conditions.unsettle(file.reference, again_at)
            return
        launched = plan.launched(file, self._revisions.of(pipeline))
        breaker = self._breaking.refused(pipeline.name, launched, failure, now)
        if failure.follows.opens_breaker:
            self._conditions.stop(pipeline.name)
        its_own, canary = is_the_files_own(breaker, launched), is_canary(breaker, launched)
        after = self._save(plan.after_failure(file, failure, pipeline, now, is_its_own=its_own, is_canary=canary))
        if after and after.is_live:
            self._conditions.fail(after.due)
        elif after:
            self._outcomes.report(after, failure.kind)
        self._conditions.settle(file.reference)

    def _save(self, file: File) -> File | None:
        try:
            return self._files.save(file)
        except Conflict:
            # An event of a task all the same, a newer version, or an operator: whoever wrote it knew more.
            logger.info("file was written by another invocation", file=file.id)
            return None
