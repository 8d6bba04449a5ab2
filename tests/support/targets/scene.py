"""Scenes for targets: services whose tasks come and go, what is to send them traffic, and Berthmaster between them."""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from simulator.aws.ecs.task import Task
from simulator.aws.ecs.task_events import task_state_changed
from simulator.calls import Call
from simulator.cloud import Cloud
from simulator.faults import CALM, FaultPlan
from simulator.stack.deployment import Deployment
from simulator.workload.fleet import Fleet
from simulator.workload.network import Network

SYNC = "TargetsSyncFunction"
RECONCILE = "TargetsReconcileFunction"
QUEUE = "TargetsQueue"
DEAD_LETTERS = "TargetsDeadLetterQueue"
BUS = "berthmaster"
CLUSTER = "scene"
PORT = 8080
TAG = "berthmaster:targets"

TRAFFIC = frozenset({"elbv2", "servicediscovery", "ecs"})
"""Where targets changes anything that is not its own."""


def tags_of(*, service: str = "", family: str = "", **more: str) -> dict[str, str]:
    """The tags of a destination that wants the tasks of a service or a family of the cluster."""
    chosen = {"service": service, "family": family, "cluster": CLUSTER, **more}
    return {TAG: "managed"} | {f"berthmaster:{name}": value for name, value in chosen.items() if value}


SHOP = tags_of(service="shop")


@dataclass
class TargetsScene:
    """One VPC, 10.0.0.0/24, with two subnets, one a zone, and an Application Load Balancer; Berthmaster is deployed.

    `shop` is a target group that wants the tasks of the service of that name.
    """

    cloud: Cloud
    network: Network
    fleet: Fleet
    berthmaster: Deployment
    balancer: str
    shop: str = ""
    _namespaces: dict[str, str] = field(default_factory=dict)

    @property
    def table(self) -> str:
        """The name of the ledger."""
        return str(self.berthmaster.template.identity("TargetsTable").name)

    # What is to send traffic

    def target_group(
        self,
        name: str,
        tags: Mapping[str, str],
        *,
        protocol: str = "HTTP",
        balancer: str = "",
        vpc_id: str = "",
        kind: str = "ip",
        drain: int = 300,
        **more: Any,
    ) -> str:
        """Make a target group, behind the load balancer unless it is in another VPC; returns its ARN."""
        elb = self.cloud.client("elbv2")
        arn: str = elb.create_target_group(
            Name=name,
            Protocol=protocol,
            Port=80,
            VpcId=vpc_id or self.network.vpc_id,
            TargetType=kind,
            **({"Tags": _pairs(tags)} if tags else {}),
            **more,
        )["TargetGroups"][0]["TargetGroupArn"]
        elb.modify_target_group_attributes(
            TargetGroupArn=arn, Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": str(drain)}]
        )
        self.cloud.targets.attach(arn, balancer or self.balancer)
        return arn

    def network_load_balancer(self) -> str:
        """Make one in the same subnets; returns its ARN."""
        answer = self.cloud.client("elbv2").create_load_balancer(
            Name="tcp", Subnets=list(self.network.subnets), Type="network"
        )
        return str(answer["LoadBalancers"][0]["LoadBalancerArn"])

    def other_vpc(self) -> str:
        """A VPC beside, as one behind a transit gateway would be; returns its id."""
        return str(self.cloud.client("ec2").create_vpc(CidrBlock="10.9.0.0/24")["Vpc"]["VpcId"])

    def cloud_map(self, name: str, tags: Mapping[str, str], *, ttl: int = 0) -> str:
        """Make a Cloud Map service, with A records if there is a `ttl`; returns its ARN."""
        config: dict[str, Any] = {"DnsConfig": {"DnsRecords": [{"Type": "A", "TTL": ttl}]}} if ttl else {}
        service = self.cloud.client("servicediscovery").create_service(
            Name=name, NamespaceId=self._namespace(dns=bool(ttl)), Tags=_pairs(tags), **config
        )["Service"]
        return str(service["Arn"])

    def _namespace(self, *, dns: bool) -> str:
        name = "port.local" if dns else "port"
        if name not in self._namespaces:
            client = self.cloud.client("servicediscovery")
            operation = (
                client.create_private_dns_namespace(Name=name, Vpc=self.network.vpc_id)
                if dns
                else client.create_http_namespace(Name=name)
            )["OperationId"]
            found = client.get_operation(OperationId=operation)["Operation"]
            self._namespaces[name] = found["Targets"]["NAMESPACE"]
        return self._namespaces[name]

    def change_mode(self, mode: str) -> None:
        """Deploy anew with another TargetsMode."""
        runtime = self.berthmaster.runtime
        runtime.functions = {
            name: replace(function, environment={**function.environment, "TARGETS_MODE": mode})
            for name, function in runtime.functions.items()
        }
        runtime.kill_containers()

    def retag(self, arn: str, tags: Mapping[str, str]) -> None:
        """Change some tags of a target group."""
        self.cloud.client("elbv2").add_tags(ResourceArns=[arn], Tags=_pairs(tags))

    # Who is to get it

    def serve(self, count: int, *, name: str = "shop", spread: bool = True, **more: Any) -> list[Task]:
        """Start a service, in both subnets unless told otherwise, and wait until its tasks run and are registered."""
        where = self.network.network_configuration() if spread else self.first_subnet()
        self.fleet.service(name, where, count, **more)
        self.wait(60)
        return self.running(name)

    def run_task(self, family: str = "batch", **more: Any) -> Task:
        """Run a task of no service in the first subnet, and wait until it runs and is registered."""
        task = self.begin_task(family, **more)
        self.wait(60)
        return task

    def begin_task(self, family: str = "batch", **more: Any) -> Task:
        """As `run_task`, without waiting."""
        (task,) = self.fleet.run_task(family, self.first_subnet(), **more)
        return task

    def first_subnet(self) -> dict[str, Any]:
        return self.network.network_configuration(next(iter(self.network.subnets)))

    def running(self, name: str = "shop") -> list[Task]:
        """The tasks of a service that run and are to."""
        return [task for task in self.fleet.tasks if task.service == name and task.is_running]

    # Time

    def wait(self, seconds: float) -> None:
        self.berthmaster.run(minutes=seconds / 60)

    def until_status(self, task: Task, last_status: str, *, desired: str = "", limit: float = 300) -> None:
        """Let time pass, event by event, until a task is there."""
        clock = self.cloud.clock
        end = clock.timestamp() + limit
        while task.last_status != last_status or (desired and task.desired_status != desired):
            assert clock.timestamp() < end, f"{task.arn} is {task.last_status}"
            clock.run_next()

    def reconcile(self, *, times: int = 1, minutes: float = 1) -> None:
        """Run passes of the reconciliation, with so much time after each."""
        for _ in range(times):
            invocation = self.berthmaster.invoke(RECONCILE, {})
            if invocation.error is not None:
                raise invocation.error
            self.berthmaster.run(minutes=minutes)

    # What is told

    def tell(self, detail_type: str, **detail: Any) -> None:
        """Say something as an operator."""
        event = {"source": "berthmaster.operator", "detail-type": detail_type, "detail": detail}
        self.berthmaster.put_event(event, bus=BUS)

    @contextmanager
    def deaf(self) -> Iterator[None]:
        """Lose every event meanwhile."""
        deliver, self.cloud.buses.deliver = self.cloud.buses.deliver, None
        try:
            yield
        finally:
            self.cloud.buses.deliver = deliver

    def sighting(self, task: Task, **detail: Any) -> dict[str, Any]:
        """ECS's event about a task as it is now, but for some fields of its detail."""
        event = copy.deepcopy(task_state_changed(task))
        event["detail"] |= detail
        return event

    def sightings(self, task: Task) -> list[dict[str, Any]]:
        """All events that ECS sent about a task, oldest first, each as it was then."""
        return [
            dict(seen.event)
            for seen in self.berthmaster.bus_events
            if seen.event["source"] == "aws.ecs" and seen.event["detail"].get("taskArn") == task.arn
        ]

    # What came of it

    def targets(self, arn: str = "") -> set[str]:
        """The addresses that a target group, the shop's unless another is named, sends new requests to."""
        return {ip for ip, _ in self.cloud.targets.routable(arn or self.shop)}

    def state(self, task: Task, arn: str = "") -> str:
        """The state of a task's target, as DescribeTargetHealth shows it; nothing if it is not registered."""
        return self.cloud.targets.state(arn or self.shop, task.address, task.port)

    def instances(self, arn: str) -> set[str]:
        """The addresses that a Cloud Map service gives out."""
        found = self.cloud.discovery.instances(arn.rpartition("/")[2])
        return {attributes["AWS_INSTANCE_IPV4"] for attributes in found.values()}

    def writes(self) -> list[Call]:
        """What Berthmaster changed beyond its own house, oldest first."""
        return [
            call
            for call in self.cloud.calls.writes()
            if call.is_by_function and call.caller.startswith("Targets") and call.service in TRAFFIC
        ]

    def operations(self) -> list[str]:
        """The names of those calls that AWS accepted."""
        return [call.operation for call in self.writes() if call.outcome == "ok"]

    def events(self, *detail_types: str) -> list[Mapping[str, Any]]:
        """Details of Berthmaster's own events, in order."""
        return [
            seen.event["detail"]
            for seen in self.berthmaster.bus_events
            if seen.event["source"] == "berthmaster" and seen.event["detail-type"] in detail_types
        ]

    def findings(self) -> list[tuple[str, str]]:
        """Code and text of what was found."""
        return [(one["code"], one["text"]) for one in self.events("Finding")]

    def letters(self) -> list[Any]:
        return self.berthmaster.dead_letters(DEAD_LETTERS)


@contextmanager
def a_targets_scene(
    *,
    mode: str = "enforce",
    seed: int = 1,
    faults: FaultPlan = CALM,
    watched: bool = False,
    reuse: float = 0.0,
    drain: int = 300,
    shop: Mapping[str, str] = SHOP,
    **parameters: Any,
) -> Iterator[TargetsScene]:
    """Open a cloud with one scene in it, and with no task yet.

    Unless `watched`, no schedule runs: only events, and what the test says, happen. `reuse`: the probability that a new
    task gets the address that was freed last. `drain`: the deregistration delay of the shop's target group.
    """
    with Cloud(seed=seed, faults=faults) as cloud:
        network = Network.create(cloud, "10.0.0.0/24")
        network.subnet("a", "10.0.0.0/26")
        network.subnet("b", "10.0.0.64/26")
        answer = cloud.client("elbv2").create_load_balancer(
            Name="front", Subnets=list(network.subnets), Type="application"
        )
        fleet = Fleet(cloud, cluster=CLUSTER, reuse=reuse)
        berthmaster = Deployment(cloud, parameters={"TargetsMode": mode, **parameters})
        berthmaster.schedules_enabled = watched
        scene = TargetsScene(cloud, network, fleet, berthmaster, answer["LoadBalancers"][0]["LoadBalancerArn"])
        scene.shop = scene.target_group("shop", shop, drain=drain)
        yield scene


def _pairs(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
