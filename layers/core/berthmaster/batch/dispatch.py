"""batch_dispatch: launches tasks for waiting files, as fast as the account's rates allow."""

from collections.abc import Mapping
from datetime import timedelta

from berthmaster.batch.act.launch import run_task
from berthmaster.batch.ledger.files import Files
from berthmaster.batch.ledger.pipelines import Pipelines
from berthmaster.batch.model.files import File, Launch
from berthmaster.batch.model.pipelines import Pipeline
from berthmaster.batch.plan.transitions import launching, starting
from berthmaster.batch.settings import DispatchSettings
from berthmaster.batch.triggers import dispatch
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.concurrently import concurrently
from berthmaster.invocation import Invocation
from berthmaster.lease import Leases
from berthmaster.telemetry import logger

AT_ONCE = 16
LEASE = "dispatch"


class Dispatch:
    """What batch_dispatch does."""

    def __init__(self, settings: DispatchSettings, clients: Clients, clock: Clock) -> None:
        self._clients = clients
        self._clock = clock
        self._stack = settings.stack
        self._files = Files(clients.dynamodb, settings.batch_table, kept_for=settings.kept_for)
        self._pipelines = Pipelines(clients.dynamodb, settings.batch_table, clock)
        self._leases = Leases(clients.dynamodb, settings.batch_table)

    def process(self, bodies: Mapping[str, str], invocation: Invocation) -> dict[str, Exception]:
        """Launch what waits; returns the messages (body by id) that are to be received again, with the reason."""
        failed: dict[str, Exception] = {}
        for message, body in bodies.items():
            try:
                dispatch(body)
            except Exception as error:  # noqa: BLE001 - a message that is not valid stops no launches
                failed[message] = error
        now = self._clock.now()
        lease = self._leases.acquire(LEASE, owner=invocation.id, now=now, deadline=invocation.deadline)
        if lease is None:
            raise TimeoutError("another invocation launches")
        try:
            for pipeline in self._pipelines.in_force().values():
                self._launch_waiting(pipeline)
        finally:
            self._leases.release(lease, considered_at=self._clock.now(), resumes_at=None)
        return failed

    def _launch_waiting(self, pipeline: Pipeline) -> None:
        free = pipeline.limits.tasks - self._files.count_in_flight(pipeline.name)
        if free <= 0 or pipeline.paused:
            return
        waiting = self._files.waiting(pipeline.name, until=self._clock.now(), most=free)
        concurrently(lambda file: self._launch(file, pipeline), waiting, at_once=AT_ONCE)

    def _launch(self, file: File, pipeline: Pipeline) -> None:
        now = self._clock.now()
        launch = Launch(
            number=file.launch.number + 1 if file.launch else 1,
            pipeline_version=pipeline.version,
            subnets=pipeline.run.subnets,
            requested_at=now,
            deadline=now + timedelta(minutes=pipeline.limits.timeout_minutes),
        )
        file = self._files.save(launching(file, launch))
        answer = run_task(self._clients.ecs_once, file, launch, pipeline, stack=self._stack)
        for task in answer["tasks"]:
            self._files.save(starting(file, task["taskArn"], self._clock.now()))
            logger.info("task launched", file=file.id, task=task["taskArn"])
