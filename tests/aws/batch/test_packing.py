"""What packing remembers and reports: from the first file that waits until nothing is left."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from berthmaster.batch.ledger.measures import Measured
from berthmaster.batch.ledger.money import Money
from berthmaster.batch.model.bills import Bill
from berthmaster.batch.model.files import Provider
from berthmaster.batch.model.measures import FileMeasured
from berthmaster.batch.model.packing import ActiveWorker, Plan, Workload
from berthmaster.batch.model.pipelines import Contract, Packing
from berthmaster.batch.model.prices import Resources
from berthmaster.batch.model.sizes import Size
from berthmaster.batch.packing import REMEMBERED, PackingPlans
from berthmaster.batch.plan.measures import measured
from berthmaster.batch.plan.prices import prices_of
from berthmaster.clients import Clients
from berthmaster.failures import Failures
from berthmaster.notices import Notices
from simulator.calls import calling_as
from simulator.cloud import Cloud
from simulator.faults import Outage
from tests.support.batch.pipelines import a_pipeline
from tests.support.event_schemas import validators
from tests.support.tables import BATCH_TABLE, create_batch_table

HALF = Size(512, 1024)
NOTHING = Workload(waiting=0, room=50)


@dataclass
class Scene:
    """A ledger, and the invocations of batch_dispatch that read it."""

    cloud: Cloud
    failures: Failures = field(default_factory=Failures)

    @property
    def measured(self) -> Measured:
        return Measured(Clients().dynamodb, BATCH_TABLE)

    def plans(self) -> PackingPlans:
        """Another invocation."""
        clients = Clients()
        return PackingPlans(
            clients.dynamodb,
            BATCH_TABLE,
            self.cloud.clock,  # type: ignore[arg-type]
            self.failures,
            notices=Notices(clients, bus="default"),
            prices=prices_of("us-east-1"),
        )

    def read(self, workload: Workload, plans: PackingPlans | None = None) -> Plan:
        """A reading of the backlog."""
        pipeline = a_pipeline(packing=Packing.AUTO)
        pipeline = replace(pipeline, run=replace(pipeline.run, contract=Contract.WORKER))
        return (plans or self.plans()).plan(pipeline, workload, Resources(cpu=512, memory=1024))

    def waiting(self, files: int, workers: int = 0) -> Workload:
        """So many files and workers."""
        now = self.cloud.clock.now()
        worker = ActiveWorker(size=HALF, provider=Provider.FARGATE, requested_at=now, started_at=now)
        return Workload(waiting=files, received=(now,), bytes=(1000,), workers=(worker,) * workers, room=50)

    def process(self, files: int, seconds: float = 10.0) -> None:
        """Files are done by workers."""
        one = FileMeasured(pipeline="ocr", size=HALF, bytes=1000, seconds=seconds)
        self.measured.add("ocr", measured([one] * files), self.cloud.clock.now())

    def book(self, dollars: float, task: str) -> None:
        """A task has stopped."""
        arn = f"arn:aws:ecs:us-east-1:123456789012:task/batch/{task * 32}"
        day = self.cloud.clock.now().date()
        money = Money(Clients().dynamodb, BATCH_TABLE, self.cloud.clock)  # type: ignore[arg-type]
        money.book([Bill(task=arn, pipeline="ocr", day=day, seconds=60, dollars=dollars)])

    def events(self, detail_type: str) -> list[dict[str, Any]]:
        """What was published, each as its schema says."""
        entries = [
            entry
            for call in self.cloud.calls.named("events:PutEvents")
            for entry in call.params["Entries"]  # type: ignore[index]
            if entry["DetailType"] == detail_type
        ]
        details = [json.loads(entry["Detail"]) for entry in entries]
        for detail in details:
            validators()[detail_type].validate(detail)
        return details


@pytest.fixture
def scene() -> Iterator[Scene]:
    with Cloud(seed=3) as cloud:
        create_batch_table(cloud.client("dynamodb"))
        yield Scene(cloud)


def test_a_run_is_reported_when_it_begins_and_compared_when_nothing_is_left(scene: Scene) -> None:
    scene.process(100)
    scene.book(1.0, "a")
    plans = scene.plans()
    plan = scene.read(scene.waiting(1000), plans)
    assert plan.dollars
    scene.read(scene.waiting(990, plan.workers), plans)
    scene.read(scene.waiting(500, plan.workers))
    (chosen,) = scene.events("Packing Chosen")
    assert (chosen["files"], chosen["workers"], chosen["dollars"]) == (1000, plan.workers, plan.dollars)
    assert scene.events("Packing Compared") == []
    scene.process(1100)
    scene.cloud.clock.advance(timedelta(hours=1).total_seconds())
    scene.process(100)
    scene.book(0.04, "b")
    scene.book(0.05, "c")
    plans = scene.plans()
    for _ in range(3):
        scene.read(NOTHING, plans)
    scene.read(NOTHING)
    (compared,) = scene.events("Packing Compared")
    assert (compared["files"], compared["predicted_files"]) == (1200, 1000)
    assert compared["dollars"] == pytest.approx(0.09)
    assert compared["dollars_per_file"] == pytest.approx(0.09 / 1200)
    assert compared["predicted_dollars_per_file"] == pytest.approx(plan.dollars / 1000)


def test_the_first_run_of_a_pipeline_is_predicted_as_soon_as_enough_is_known(scene: Scene) -> None:
    assert scene.read(scene.waiting(1000)).dollars is None
    scene.process(40)
    scene.cloud.clock.advance(301)
    plan = scene.read(scene.waiting(960, 4))
    assert [one["dollars"] for one in scene.events("Packing Chosen")] == [None, plan.dollars]
    scene.process(960)
    scene.read(NOTHING)
    (compared,) = scene.events("Packing Compared")
    assert (compared["files"], compared["predicted_files"]) == (1000, 1000)


def test_a_few_files_are_not_worth_a_record(scene: Scene) -> None:
    scene.process(100)
    for number in (1, REMEMBERED - 1, 0):
        scene.read(scene.waiting(number))
    assert scene.events("Packing Chosen") == scene.events("Packing Compared") == []
    assert [call.name for call in scene.cloud.calls].count("dynamodb:PutItem") == 0


def test_workers_are_launched_although_nobody_can_be_told(scene: Scene) -> None:
    plans, clock = scene.plans(), scene.cloud.clock
    scene.cloud.faults.begin_outage(Outage("events:PutEvents", until=clock.timestamp() + 600))
    with calling_as("batch_dispatch"):
        first = scene.read(scene.waiting(1000), plans)
    assert first.workers
    assert len(scene.failures) == 1
    clock.advance(601)
    assert scene.read(scene.waiting(1000), plans).workers == first.workers
    assert len(scene.events("Packing Chosen")) == 2, "the one that was not published, and this"


def test_workers_are_launched_although_another_invocation_has_written_what_is_remembered(scene: Scene) -> None:
    plans, others = scene.plans(), scene.plans()
    scene.read(scene.waiting(100), plans)
    scene.process(100)
    scene.cloud.clock.advance(600)
    scene.read(scene.waiting(1000), others)
    for _ in range(2):
        assert scene.read(scene.waiting(5000), plans).workers
    assert len(scene.failures) == 0
