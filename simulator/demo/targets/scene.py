"""The targets scene: an ordinary morning of two applications behind a load balancer, and of a third beside them.

The storefront is an ECS service, the previews are standalone tasks; ECS registers neither. Payments listens on the same
port in the same subnets: a request for the storefront that reaches it is answered wrongly.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING

from simulator.calls import WORKLOAD, calling_as
from simulator.demo.phases import Scene
from simulator.demo.targets.traffic import Traffic
from simulator.faults import FaultPlan
from simulator.workload.fleet import Fleet
from simulator.workload.network import Network

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simulator.aws.ecs.task import Task
    from simulator.cloud import Cloud

MONDAY_MORNING = datetime(2026, 3, 2, 7, 50, tzinfo=UTC)
CLUSTER = "shop"
STOREFRONT, PAYMENTS, PREVIEW = "storefront", "payments", "preview"
PORT = 8080
SUBNETS = {"a": "10.30.0.0/26", "b": "10.30.0.64/26", "c": "10.30.0.128/26"}
DRAIN = 60
"""Deregistration delay of the target groups, in seconds: short, so that an address may soon be registered again."""

SHARE_INTERRUPTED = 3
"""Spot interrupts one task in so many."""
UNTIL_RESTART = 30.0
"""Seconds until another preview is started in place of one that has stopped."""
NEXT = 30.0
"""Seconds by which payments follows the storefront: just when the storefront's addresses become free."""
LATE = FaultPlan(event_delayed=0.1, longest_delay=300)
LATE_MINUTES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Morning(Scene):
    """What happens whichever way it is run; the same seed affects the same tasks at the same time."""

    start: datetime = MONDAY_MORNING
    minutes: int = 90


class Stage:
    """The scene in a simulated cloud. `groups`: the ARN of each target group by the `group` of the tasks it is for."""

    def __init__(self, cloud: Cloud, scene: Morning) -> None:
        self._cloud = cloud
        self._rng = Random(f"{scene.seed}:morning")
        self._fleet = Fleet(cloud, cluster=CLUSTER)
        network = Network.create(cloud, "10.30.0.0/24", managed=False)
        for zone, cidr in SUBNETS.items():
            network.subnet(zone, cidr)
        self._configuration = network.network_configuration()
        self.groups = self._target_groups(network)
        self.traffic = Traffic(
            cloud,
            self._fleet,
            {
                self.groups[f"service:{STOREFRONT}"]: lambda task: task.service == STOREFRONT,
                self.groups[f"family:{PREVIEW}"]: lambda task: task.group == f"family:{PREVIEW}",
            },
        )
        self._schedule(scene)

    def open(self) -> None:
        """Start the first tasks."""
        with calling_as(WORKLOAD):
            self._fleet.service(STOREFRONT, self._configuration, 6, port=PORT)
            self._fleet.service(PAYMENTS, self._configuration, 6, port=PORT)
            self._run_previews(4)

    def _target_groups(self, network: Network) -> dict[str, str]:
        elbv2 = self._cloud.client("elbv2")
        front = elbv2.create_load_balancer(Name="front", Subnets=list(network.subnets), Type="application")
        groups = {}
        for kind, name in (("service", STOREFRONT), ("family", PREVIEW)):
            tags = {"berthmaster:targets": "managed", "berthmaster:cluster": CLUSTER, f"berthmaster:{kind}": name}
            arn = elbv2.create_target_group(
                Name=name,
                Protocol="HTTP",
                Port=PORT,
                VpcId=network.vpc_id,
                TargetType="ip",
                Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
            )["TargetGroups"][0]["TargetGroupArn"]
            delay = {"Key": "deregistration_delay.timeout_seconds", "Value": str(DRAIN)}
            elbv2.modify_target_group_attributes(TargetGroupArn=arn, Attributes=[delay])
            self._cloud.targets.attach(arn, front["LoadBalancers"][0]["LoadBalancerArn"])
            groups[f"{kind}:{name}"] = arn
        return groups

    def _schedule(self, scene: Morning) -> None:
        for minute, text, happens in self._story():
            # By chance a little later, never earlier: phases keep their order.
            at = scene.begins + minute * 60 + (self._rng.uniform(0, 60) if minute else 0)
            self._cloud.clock.at(at, self._phase(text, happens))

    def _phase(self, text: str, happens: Callable[[], None]) -> Callable[[], None]:
        def begin() -> None:
            self.traffic.begin(text)
            with calling_as(WORKLOAD):
                happens()

        return begin

    def _story(self) -> Iterator[tuple[int, str, Callable[[], None]]]:
        yield 0, "steady state", lambda: None
        yield 5, "scale out: 12 more storefront tasks, 6 more previews, 6 more payments tasks", self._scale_out
        yield 20, "rolling deployments of storefront and payments", self._release
        yield 40, "Spot interrupts every third task; replacements start", self._interrupt
        yield 52, "one storefront task and one preview crash", self._crash
        yield (
            60,
            f"EventBridge delivers every tenth event late for {LATE_MINUTES} minutes; both services are deployed again",
            self._late,
        )
        yield 78, "storefront scales in, payments scales out", self._shift

    def _scale_out(self) -> None:
        self._fleet.scale(STOREFRONT, 18)
        self._fleet.scale(PAYMENTS, 12)
        self._run_previews(6)

    def _release(self) -> None:
        self._fleet.deploy(STOREFRONT)
        self._cloud.clock.after(NEXT, self._release_payments)

    def _release_payments(self) -> None:
        self._fleet.deploy(PAYMENTS)

    def _interrupt(self) -> None:
        for belongs in (self._of(f"service:{STOREFRONT}"), self._of(f"service:{PAYMENTS}"), self._of_previews()):
            for task in self._rng.sample(belongs, len(belongs) // SHARE_INTERRUPTED):
                self._fleet.interrupt(task)
                self._replace(task)

    def _crash(self) -> None:
        for tasks in (self._of(f"service:{STOREFRONT}"), self._of_previews()):
            task = self._rng.choice(tasks)
            self._fleet.crash(task)
            self._replace(task)

    def _late(self) -> None:
        faults = self._cloud.faults
        faults.plan = LATE
        self._cloud.clock.after(LATE_MINUTES * 60, faults.clear)
        self._release()

    def _shift(self) -> None:
        self._fleet.scale(STOREFRONT, 9)
        self._cloud.clock.after(NEXT, lambda: self._fleet.scale(PAYMENTS, 21))

    def _run_previews(self, count: int) -> None:
        self._fleet.run_task(PREVIEW, self._configuration, port=PORT, count=count)

    def _replace(self, task: Task) -> None:
        if not task.service:
            self._cloud.clock.after(UNTIL_RESTART, lambda: self._run_previews(1))

    def _of_previews(self) -> list[Task]:
        return self._of(f"family:{PREVIEW}")

    def _of(self, group: str) -> list[Task]:
        return [task for task in self._fleet.tasks if task.group == group and task.is_running]
