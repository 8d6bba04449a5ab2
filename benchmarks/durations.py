"""How long each function takes at realistic latency, and whether its timeout allows that."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from benchmarks import expansion, reconciliation, survey, targets_bill, task_events
from benchmarks.bill import deployed
from benchmarks.cluster import CLUSTER, RECONCILE, SYNC, busy_cluster
from benchmarks.fleet import SUBNETS_PER_VPC, VPCS
from benchmarks.usage import Meter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.reconciliation import Invoked
    from benchmarks.usage import Usage

GATE = "TargetsGateFunction"
GATE_GROUPS, GATE_TASKS = 5, 20
MOST_GATE_CALLS = 60


@dataclass(frozen=True)
class Duration:
    """The longest of some invocations of a function, in virtual seconds.

    timeouts: how many of them Lambda ended. left: what one invocation does not achieve; empty if it does everything.
    """

    function: str
    what: str
    seconds: float
    timeouts: int = 0
    left: str = ""

    @classmethod
    def of(cls, function: str, what: str, usage: Usage, *, left: str = "") -> Duration:
        """Of measured invocations."""
        return cls(function, what, usage.longest, usage.timeouts, left)

    @property
    def timeout(self) -> float:
        """Of the function, in seconds."""
        (function,) = (one for one in deployed().resources("AWS::Lambda::Function") if one.logical_id == self.function)
        return float(function.properties["Timeout"])

    @property
    def verdict(self) -> str:
        """Empty if all was done in time."""
        return "; ".join(filter(None, [f"{self.timeouts} timed out" if self.timeouts else "", self.left]))


@dataclass(frozen=True)
class Report:
    """latency: of the simulated AWS."""

    durations: tuple[Duration, ...]
    latency: str


@cache
def report() -> Report:
    """Measure all functions; what other benchmarks have measured is not measured again."""
    seen = survey.survey()
    watched = f"{VPCS} VPCs, {VPCS * SUBNETS_PER_VPC:,} subnets"
    return Report(
        durations=(
            Duration(survey.FUNCTION, f"{watched}, cold", seen.cold_seconds),
            Duration(survey.FUNCTION, f"{watched}, warm", seen.warm_seconds),
            Duration(expansion.FUNCTION, "an expansion", max(expansion.in_time().seconds)),
            *_syncing(),
            *_reconciling(reconciliation.GROUPS, reconciliation.TASKS_PER_GROUP),
            *_reconciling(targets_bill.GROUPS, targets_bill.TASKS_PER_GROUP),
            *gate(),
        ),
        latency=seen.latency,
    )


def _syncing() -> Iterator[Duration]:
    batch = task_events.at_once()
    needed = f"{len(batch.usage.seconds)} invocations and {max(batch.targets, batch.instances):.0f} s until all is done"
    yield Duration.of(SYNC, f"{task_events.AT_ONCE:,} events at once, cold", batch.usage, left=needed)


def _reconciling(groups: int, each: int) -> Iterator[Duration]:
    recorded = reconciliation.recording(groups, each)
    what = f"{groups} target groups, {groups * each:,} tasks"
    first, *_ = recorded.cold
    yield Duration.of(RECONCILE, f"{what}, cold", first.usage, left=_left([first], groups, recorded.cold))
    slowest = max(recorded.warm, key=lambda one: one.seconds)
    yield Duration.of(RECONCILE, f"{what}, warm", slowest.usage, left=_left(recorded.warm, groups, recorded.warm))


def _left(runs: Sequence[Invoked], groups: int, until: Sequence[Invoked]) -> str:
    fewest = min(len(one.reached) for one in runs)
    needed = reconciliation.runs_until_all_are_reached(until)
    return "" if fewest == groups else f"reaches {fewest} of {groups}, all within {needed} runs"


def gate() -> Iterator[Duration]:
    """Deploy a service, and call the hook as ECS does until it lets the deployment go on."""
    with busy_cluster({"web": GATE_GROUPS}, tasks=GATE_TASKS) as scene:
        service = f"arn:aws:ecs:{scene.cloud.region}:{scene.cloud.account_id}:service/{CLUSTER}/web"
        event = {
            "executionId": "f4fcae0f-9bec-41c6-ba87-0eaa0cef8af5",
            "lifecycleStage": "POST_SCALE_UP",
            "resourceArn": service.replace(":service/", ":service-deployment/") + "/EZe5RNVLH6PPzHXINuP28",
            "executionDetails": {"serviceArn": service, "targetServiceRevisionArn": scene.fleet.deploy("web")},
        }
        what = f"{GATE_TASKS} tasks in {GATE_GROUPS} target groups"
        cold = Meter(scene.berthmaster, GATE)
        answer = scene.berthmaster.invoke(GATE, event).result
        yield Duration.of(GATE, f"{what}, cold", cold.read())
        warm = Meter(scene.berthmaster, GATE)
        while answer["hookStatus"] == "IN_PROGRESS" and len(warm.read().seconds) < MOST_GATE_CALLS:
            scene.berthmaster.run(minutes=answer["callBackDelay"] / 60)
            answer = scene.berthmaster.invoke(GATE, event | {"hookDetails": answer["hookDetails"]}).result
        if answer["hookStatus"] != "SUCCEEDED":
            raise TimeoutError(f"the gate still holds the deployment: {answer}")
        yield Duration.of(GATE, f"{what}, warm", warm.read())


def printed(found: Report) -> Iterator[str]:
    """A line for each, and whatever was not done in time."""
    yield f"virtual seconds of the longest invocation ({found.latency}):"
    yield f"  {'':20s}{'':50s}{'seconds':>9s}{'timeout':>9s}"
    for one in found.durations:
        name = deployed().code_folder(one.function).name
        remark = f"  ! {one.verdict}" if one.verdict else ""
        yield f"  {name:20s}{one.what:50s}{one.seconds:9.1f}{one.timeout:9g}{remark}"
    yield "without the function's own CPU: see `cpu` and `reconcile`"
