"""Berthmaster on the simulator with one pipeline, and files that have not come yet."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.batch_usage import DISPATCH
from simulator.cloud import Cloud
from simulator.faults import NO_FAULTS, FaultPlan
from simulator.stack.deployment import Deployment
from simulator.workload.scans import FAMILY, INCOMING, RESULTS, Scans
from simulator.workload.workers import worker

if TYPE_CHECKING:
    from collections.abc import Iterator

TASKS = 5_000
OTHERS = ("CapacityWatchFunction", "TargetsReconcileFunction", "TargetsPodsFunction")
"""Functions of other automations that a schedule starts."""


@dataclass(frozen=True)
class Account:
    """Files, and Berthmaster with a pipeline in force that works on them."""

    scans: Scans
    berthmaster: Deployment

    def launches(self) -> list[tuple[str, float, str]]:
        """Key, time and outcome of each call of RunTask."""
        calls = self.scans.cloud.calls.of(DISPATCH).named("ecs:RunTask")
        return [(_key_of(call.params), call.at, call.outcome) for call in calls]


@contextmanager
def an_account(
    seed: int = 1,
    faults: FaultPlan = NO_FAULTS,
    *,
    tasks: int = TASKS,
    seconds: float = 30.0,
    workers: bool = False,
    goal: int = 0,
) -> Iterator[Account]:
    """Open a cloud in which batch is in use: its functions have containers.

    seconds: of the work on a file. workers: whether tasks take many files. goal: in minutes, 0 for none.
    """
    with Cloud(seed=seed, faults=faults) as cloud:
        scans = Scans.create(cloud, seconds=seconds)
        if workers:
            cloud.tasks.programs[FAMILY] = worker(scans.command)
        definitions = f"arn:aws:ecs:{cloud.region}:{cloud.account_id}:task-definition/{FAMILY}"
        parameters = {
            "BatchMode": "enforce",
            "BatchInputBuckets": f"arn:aws:s3:::{INCOMING}",
            "BatchOutputBuckets": f"arn:aws:s3:::{RESULTS}",
            "BatchTaskDefinitions": definitions,
        }
        berthmaster = Deployment(cloud, parameters=parameters, unscheduled=OTHERS)
        name = "/berthmaster/batch/ocr"
        cloud.client("ssm").put_parameter(
            Name=name, Type="String", Value=scans.pipeline(tasks, workers=workers, goal=goal)
        )
        berthmaster.run(minutes=5)
        scans.put("scans/first.tif")
        berthmaster.run(minutes=5)
        yield Account(scans, berthmaster)


def _key_of(params: object) -> str:
    (container,) = params["overrides"]["containerOverrides"]  # type: ignore[index]
    return next(str(one["value"]) for one in container["environment"] if one["name"] == "BERTHMASTER_INPUT_KEY")
