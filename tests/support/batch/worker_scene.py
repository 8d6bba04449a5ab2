"""Workers as tasks on Fargate in virtual time, without Berthmaster's functions."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from simulator.aws.ecs.programs import Program
from simulator.cloud import Cloud
from simulator.faults import NO_FAULTS, FaultPlan
from simulator.workload.workers import Work, worker
from tests.support.batch.worker_ledger import WorkerLedger
from tests.support.fargate import Scene


@dataclass
class WorkerScene:
    """The ledger, and a cluster with the task definition `ocr`."""

    cloud: Cloud
    ledger: WorkerLedger
    fargate: Scene

    def start(self, work: Work, *, name: str = "w1", with_checkpoints: bool = False, minutes: float = 60) -> str:
        """Run a worker; returns the ARN of its task."""
        environment = self.ledger.environment(name, minutes=minutes)
        return self.run_task(worker(work, with_checkpoints=with_checkpoints), environment)

    def run_task(self, program: Program, environment: dict[str, str]) -> str:
        """Run a task with this environment; returns its ARN."""
        pairs = [{"name": name, "value": value} for name, value in environment.items()]
        return self.fargate.run(program, overrides={"containerOverrides": [{"name": "ocr", "environment": pairs}]})

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.fargate.wait(seconds)

    def stop(self, task: str) -> None:
        """Have ECS stop a task."""
        self.fargate.ecs.stop_task(cluster="batch", task=task)

    def exit_code(self, task: str) -> int | None:
        """Of the container; None while it runs."""
        code: int | None = self.fargate.described(task)["containers"][0].get("exitCode")
        return code


@contextmanager
def a_worker_scene(*, seed: int = 0, faults: FaultPlan = NO_FAULTS) -> Iterator[WorkerScene]:
    """Where workers may claim."""
    with Cloud(seed=seed, faults=faults) as cloud:
        fargate = Scene(cloud, stop_timeout=120)
        cloud.client("s3").delete_bucket(Bucket="results")
        yield WorkerScene(cloud, WorkerLedger.create(cloud.client, cloud.clock.now), fargate)
