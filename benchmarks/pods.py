"""How soon pods are followed, and what that costs: pods of many Services are replaced one after the other.

Each call takes a realistic time, requests to the cluster as well; CPU takes none.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache
from random import Random
from statistics import median, quantiles
from typing import TYPE_CHECKING

from benchmarks.bill import LOGS_KEPT, PLATFORM_LOG, Bill, deployed, dollars, memory_of
from benchmarks.usage import Meter
from simulator.aws.eks.api_server import PUBLISHED_AFTER
from simulator.cloud import Cloud
from simulator.demo.bill import HOURS_PER_MONTH, PRICES_OF
from simulator.stack.deployment import Deployment
from simulator.workload.network import Network

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.usage import Usage
    from simulator.aws.eks.api_server import ApiServer, Pod
    from simulator.calls import Call

FOLLOW = "TargetsPodsFunction"
PROMISED = 10.0
"""Seconds from the change of a slice until a pod that terminates is deregistered."""
SIZES = (10, 100)
"""Services, each with a target group."""
PODS_PER_SERVICE = 10
GRACE = 30.0
MINUTES = 30
LONGEST_GAP = 10.0
"""Seconds between two replacements."""
QUIET_MINUTES = 10
SEED = 9
RUNS = 60 * HOURS_PER_MONTH
READ_ONLY_LOG = 600
"""Bytes of a run without changes, measured: its one line and that of its figures."""


@dataclass(frozen=True)
class Delays:
    """Virtual seconds from the change of a slice to the call of Elastic Load Balancing."""

    count: int
    median: float
    p99: float
    longest: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Delays:
        """Of single delays."""
        return cls(len(seconds), median(seconds), quantiles(seconds, n=100, method="inclusive")[98], max(seconds))


@dataclass(frozen=True)
class Followed:
    """quiet: what was used in some minutes without any change. bill: of a month without changes."""

    services: int
    registered: Delays
    deregistered: Delays
    quiet: Usage
    bill: Bill


@dataclass(frozen=True)
class Report:
    """latency: of the simulated AWS; poll_seconds: between two lists."""

    sizes: tuple[Followed, ...]
    latency: str
    poll_seconds: int


@cache
def report() -> Report:
    """Measure each size."""
    (function,) = (one for one in deployed().resources("AWS::Lambda::Function") if one.logical_id == FOLLOW)
    with Cloud(seed=SEED) as cloud:
        latency = str(cloud.latency)
    poll = int(function.properties["Environment"]["Variables"]["TARGETS_POD_POLL_SECONDS"])
    return Report(tuple(followed(services) for services in SIZES), latency, poll)


def followed(services: int) -> Followed:
    """Replace pods one by one, then let nothing happen for a while."""
    with Cloud(seed=SEED) as cloud:
        network = Network.create(cloud, "10.0.0.0/16")
        network.subnet("a", "10.0.0.0/17")
        berthmaster = Deployment(
            cloud,
            parameters={"TargetsMode": "enforce"},
            unscheduled=("TargetsReconcileFunction", "CapacityWatchFunction"),
        )
        cluster = cloud.kubernetes.create("blue")
        cluster.admits.add(FOLLOW)
        running = [_serve(network, cluster, number) for number in range(services)]
        berthmaster.run(minutes=10)
        seq, changes = len(cloud.calls), _Changes()
        random = Random(SEED)
        end = cloud.clock.timestamp() + MINUTES * 60
        while cloud.clock.timestamp() < end:
            _replace(cluster, random.choice(running), changes)
            berthmaster.run(minutes=random.uniform(0, LONGEST_GAP) / 60)
        berthmaster.run(minutes=3)
        calls = [call for call in cloud.calls.of(FOLLOW).since(seq).writes() if call.outcome == "ok"]
        meter = Meter(berthmaster, FOLLOW)
        berthmaster.run(minutes=QUIET_MINUTES)
        quiet = meter.read()
    return Followed(
        services,
        Delays.of(_delays(calls, "RegisterTargets", changes.begun)),
        Delays.of(_delays(calls, "DeregisterTargets", changes.ended)),
        quiet,
        Bill.of(_month(quiet)),
    )


class _Changes:
    """When the slices showed that pods began and ended, by address."""

    def __init__(self) -> None:
        self.begun: dict[str, float] = {}
        self.ended: dict[str, float] = {}


def _serve(network: Network, cluster: ApiServer, number: int) -> list[Pod]:
    service = f"web-{number}"
    elbv2 = network.cloud.client("elbv2")
    tags = {
        "berthmaster:targets": "managed",
        "berthmaster:eks-cluster": cluster.cluster,
        "berthmaster:namespace": "shop",
        "berthmaster:k8s-service": service,
    }
    elbv2.create_target_group(
        Name=service,
        Protocol="HTTP",
        Port=80,
        VpcId=network.vpc_id,
        TargetType="ip",
        Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
    )
    return [
        cluster.run(PODS_PER_SERVICE * number + pod, service=service, address=_address(PODS_PER_SERVICE * number + pod))
        for pod in range(PODS_PER_SERVICE)
    ]


def _replace(cluster: ApiServer, pods: list[Pod], changes: _Changes) -> None:
    """Delete the oldest pod of a Service and run another, at an address that nobody had."""
    oldest = pods.pop(0)
    cluster.delete(oldest, grace=GRACE)
    changes.ended[oldest.address] = cluster.now + PUBLISHED_AFTER
    number = len(cluster.pods)
    pods.append(cluster.run(number, service=oldest.service, address=_address(number)))
    changes.begun[pods[-1].address] = cluster.now + PUBLISHED_AFTER


def _address(number: int) -> str:
    return f"10.0.{number // 250}.{number % 250 + 4}"


def _delays(calls: Sequence[Call], operation: str, changed: dict[str, float]) -> list[float]:
    """From the change to the first call about each address; fails if one was forgotten."""
    first: dict[str, float] = {}
    for call in calls:
        if call.operation == operation:
            for target in call.params["Targets"]:
                first.setdefault(target["Id"], call.at)
    return [first[address] - at for address, at in changed.items()]


def _month(quiet: Usage) -> Counter[str]:
    """Of a month without changes: each item that is read is smaller than a unit, and so is each query."""
    per_run = {what: count / len(quiet.seconds) for what, count in quiet.calls.items()}
    logged = (PLATFORM_LOG + READ_ONLY_LOG) / 1e9
    one = {
        "Lambda GB-second, arm64": quiet.total / len(quiet.seconds) * memory_of(FOLLOW) / 1024,
        "Lambda request": 1,
        "EventBridge Scheduler run": 1,
        "DynamoDB read unit": per_run.get("dynamodb:GetItem", 0) + per_run.get("dynamodb:Query", 0),
        "DynamoDB write unit": per_run.get("dynamodb:UpdateItem", 0) + per_run.get("dynamodb:PutItem", 0),
        "CloudWatch Logs GB": logged,
        "CloudWatch Logs GB kept, a month": LOGS_KEPT * logged,
    }
    return Counter({what: RUNS * quantity for what, quantity in one.items()})


def printed(found: Report) -> Iterator[str]:
    """The delays of each size, and what a month costs."""
    yield f"lists every {found.poll_seconds} s; {found.latency}; prices: {PRICES_OF}"
    yield f"  {'seconds from the change of a slice':46s}{'changes':>9s}{'median':>9s}{'p99':>9s}{'longest':>9s}"
    for size in found.sizes:
        name = f"{size.services} Services, {size.services * PODS_PER_SERVICE:,} pods"
        for what, delays in (("registered", size.registered), ("deregistered", size.deregistered)):
            row = f"{delays.count:9d}{delays.median:9.1f}{delays.p99:9.1f}{delays.longest:9.1f}"
            yield f"  {f'{name}: {what}':46s}{row}"
    for size in found.sizes:
        verdict = "kept" if size.deregistered.p99 <= PROMISED else "BROKEN"
        yield f"{size.services} Services: deregistered within {PROMISED:g} s in 99 of 100 cases: {verdict}"
    yield "without changes, a month:"
    for size in found.sizes:
        reads = sum(count for name, count in size.quiet.calls.items() if not name.startswith("dynamodb:"))
        calls = reads / len(size.quiet.seconds) * RUNS
        yield f"  {f'{size.services} Services':20s}{calls:12,.0f} read calls{dollars(size.bill.dollars)}"
        for line in sorted(size.bill.lines, key=lambda line: -line.dollars)[:3]:
            yield f"    {line.what:36s}{line.quantity:14,.0f}{dollars(line.dollars)}"
