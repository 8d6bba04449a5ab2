"""Scenes for targets: services whose tasks start and stop, destinations for their traffic, and Berthmaster deployed."""

import copy
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from simulator.aws.ecs.task import Task
from simulator.aws.ecs.task_events import task_state_changed
from simulator.calls import Call
from simulator.cloud import Cloud
from simulator.errors import AwsError
from simulator.faults import NO_FAULTS, FaultPlan, Outage
from simulator.stack.deployment import Deployment
from simulator.workload.fleet import Fleet
from simulator.workload.network import Network
from tests.support.event_schemas import check_outcomes
from tests.support.mails import check_mails

SYNC = "TargetsSyncFunction"
RECONCILE = "TargetsReconcileFunction"
GATE = "TargetsGateFunction"
QUEUE = "TargetsQueue"
DEAD_LETTER_QUEUE = "TargetsDeadLetterQueue"
BUS = "berthmaster"
CLUSTER = "blue"
PORT = 8080
TAG = "berthmaster:targets"
COOL_DOWN = 130
"""Seconds after which the reconciliation may change what an event has changed."""

WRITTEN_SERVICES = frozenset({"elbv2", "servicediscovery", "ecs"})
"""Where targets changes resources that are not its own."""

type Handler = Callable[[Cloud, Mapping[str, Any]], Any]


def tags_of(*, service: str = "", family: str = "", cluster: str = CLUSTER, **more: str) -> dict[str, str]:
    """The tags of a destination for the tasks of a service or of a family."""
    chosen = {"service": service, "family": family, "cluster": cluster, **more}
    return {TAG: "managed"} | {f"berthmaster:{name}": value for name, value in chosen.items() if value}


SHOP = tags_of(service="shop")
BATCH = tags_of(family="batch")
OTHER = tags_of(service="other")


def addresses(tasks: Iterable[Task]) -> set[str]:
    return {task.address for task in tasks}


@dataclass
class TargetsScene:
    """One VPC, 10.0.0.0/24, with two subnets in two zones, and an Application Load Balancer; Berthmaster is deployed.

    `shop` is a target group for the tasks of the service of that name.
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
        """The name of the ledger's table."""
        return str(self.berthmaster.template.identity("TargetsTable").name)

    # Destinations

    def target_group(
        self,
        name: str,
        tags: Mapping[str, str],
        *,
        protocol: str = "HTTP",
        balancer: str | None = "",
        vpc_id: str = "",
        kind: str = "ip",
        drain: int = 300,
        **more: Any,
    ) -> str:
        """Create a target group behind the load balancer, another one, or none; returns its ARN."""
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
        if balancer is not None:
            self.cloud.targets.attach(arn, balancer or self.balancer)
        return arn

    def network_load_balancer(self) -> str:
        """Create one in the same subnets; returns its ARN."""
        answer = self.cloud.client("elbv2").create_load_balancer(
            Name="tcp", Subnets=list(self.network.subnets), Type="network"
        )
        return str(answer["LoadBalancers"][0]["LoadBalancerArn"])

    def other_vpc(self) -> str:
        """Create another VPC, as behind a transit gateway; returns its id."""
        return str(self.cloud.client("ec2").create_vpc(CidrBlock="10.9.0.0/24")["Vpc"]["VpcId"])

    def cloud_map(self, name: str, tags: Mapping[str, str], *, ttl: int = 0) -> str:
        """Create a Cloud Map service, with A records if there is a `ttl`; returns its ARN."""
        config: dict[str, Any] = {"DnsConfig": {"DnsRecords": [{"Type": "A", "TTL": ttl}]}} if ttl else {}
        service = self.cloud.client("servicediscovery").create_service(
            Name=name, NamespaceId=self._namespace(dns=bool(ttl)), Tags=_pairs(tags), **config
        )["Service"]
        return str(service["Arn"])

    def _namespace(self, *, dns: bool) -> str:
        name = "web.local" if dns else "web"
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

    def retag(self, arn: str, tags: Mapping[str, str]) -> None:
        """Change some tags of a target group."""
        self.cloud.client("elbv2").add_tags(ResourceArns=[arn], Tags=_pairs(tags))

    def registered_by_ecs(self, service: str, arn: str = "") -> None:
        """From now on, ECS names a target group, the shop's by default, as one where it registers a service."""
        self.cloud.backend("ecs").services[f"{CLUSTER}:{service}"].load_balancers = [
            {"targetGroupArn": arn or self.shop, "containerName": service, "containerPort": PORT}
        ]

    # Tasks

    def serve(self, count: int, *, name: str = "shop", spread: bool = True, **more: Any) -> list[Task]:
        """Start a service, in both subnets by default, and wait until its tasks run and are registered."""
        where = self.network.network_configuration() if spread else self.first_subnet()
        self.fleet.service(name, where, count, **more)
        self.wait(60)
        return self.running(name)

    def start_task(self, **more: Any) -> Task:
        """Start the service `shop` with one task; return when its event that it runs has just been sent."""
        self.fleet.service("shop", self.first_subnet(), 1, **more)
        self.wait(5)
        (task,) = self.fleet.tasks
        self.until_status(task, "RUNNING")
        return task

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
        """The tasks of a service that run and are not to stop."""
        return [task for task in self.fleet.tasks if task.service == name and task.is_running]

    def scale_without_events(self, count: int, *, name: str = "shop") -> None:
        """Change the number of a service's tasks, and lose all events about it."""
        with self.without_events():
            self.fleet.scale(name, count)
            self.wait(60)

    def vanish(self, count: int) -> None:
        """Stop all but so many tasks of the shop, and let two hours pass in which nothing but one run notices."""
        self.scale_without_events(count)
        self.reconcile()
        self.wait(2 * 3600)

    def lose_ledger(self) -> None:
        """Let the ledger be empty, as after a new deployment of everything."""
        dynamodb = self.cloud.client("dynamodb")
        for item in dynamodb.scan(TableName=self.table)["Items"]:
            dynamodb.delete_item(TableName=self.table, Key={name: item[name] for name in ("pk", "sk")})
        self.berthmaster.runtime.kill_containers()

    def deregister_by_hand(self, task: Task, arn: str = "") -> None:
        self.cloud.client("elbv2").deregister_targets(
            TargetGroupArn=arn or self.shop, Targets=[{"Id": task.address, "Port": task.port}]
        )

    def register_by_hand(self, address: str, arn: str = "") -> None:
        self.cloud.client("elbv2").register_targets(
            TargetGroupArn=arn or self.shop, Targets=[{"Id": address, "Port": PORT}]
        )

    # Time

    def wait(self, seconds: float) -> None:
        self.berthmaster.run(minutes=seconds / 60)

    def until_status(self, task: Task, last_status: str, *, desired: str = "", limit: float = 300) -> None:
        """Let time pass, step by step, until a task has that status."""
        clock = self.cloud.clock
        end = clock.timestamp() + limit
        while task.last_status != last_status or (desired and task.desired_status != desired):
            assert clock.timestamp() < end, f"{task.arn} is {task.last_status}"
            clock.step(end)

    def reconcile(self, *, times: int = 1, minutes: float = 1) -> None:
        """Run the reconciliation, with so much time after each run."""
        for _ in range(times):
            if (error := self.failed_run()) is not None:
                raise error
            self.berthmaster.run(minutes=minutes)

    def failed_run(self) -> Exception | None:
        """Run the reconciliation once; returns its error."""
        return self.berthmaster.invoke(RECONCILE, {}).error

    # Faults

    @contextmanager
    def without_events(self) -> Iterator[None]:
        """Lose every event meanwhile."""
        deliver, self.cloud.buses.deliver = self.cloud.buses.deliver, None
        try:
            yield
        finally:
            self.cloud.buses.deliver = deliver

    @contextmanager
    def answering(self, operation: str, handler: Handler) -> Iterator[None]:
        """Let AWS answer an operation differently meanwhile; in containers that know no earlier answers."""
        usual = self.usual_handler(operation)
        self.berthmaster.runtime.kill_containers()
        self.cloud.handlers[operation] = handler
        try:
            yield
        finally:
            if usual:
                self.cloud.handlers[operation] = usual
            else:
                del self.cloud.handlers[operation]

    def usual_handler(self, operation: str) -> Handler | None:
        """What answers an operation; None if moto does by itself."""
        return self.cloud.handlers.get(operation)

    @contextmanager
    def failing(
        self, operation: str, about: str = "", code: str = "InternalFailure", status: int = 503
    ) -> Iterator[None]:
        """Let AWS fail at calls that name something, or at all calls of an operation."""
        usual = self.usual_handler(operation)

        def answer(cloud: Cloud, params: Mapping[str, Any]) -> Any:
            if about in str(params):
                raise AwsError(code, "Try again later.", status=status)
            return usual(cloud, params) if usual else None

        with self.answering(operation, answer):
            yield

    def begin_outage(self, operation: str, seconds: float) -> None:
        """Let AWS fail at an operation for some time."""
        self.cloud.faults.begin_outage(Outage(operation, until=self.cloud.clock.timestamp() + seconds))

    def change_mode(self, mode: str) -> None:
        """Deploy again with another TargetsMode."""
        runtime = self.berthmaster.runtime
        runtime.functions = {
            name: replace(function, environment={**function.environment, "TARGETS_MODE": mode})
            for name, function in runtime.functions.items()
        }
        runtime.kill_containers()

    # Events and requests

    def request(self, detail_type: str, **detail: Any) -> None:
        """Send a request as an operator."""
        event = {"source": "berthmaster.operator", "detail-type": detail_type, "detail": detail}
        self.berthmaster.put_event(event, bus=BUS)

    def pause(self) -> None:
        self.request("Pause Requested", automation="targets", by="ann")

    def resume(self) -> None:
        self.request("Resume Requested", automation="targets", by="ann")

    def approve(self, proposal: Mapping[str, Any]) -> None:
        """Approve what a Change Proposed event proposes."""
        self.request("Proposal Approved", proposal=proposal["proposal"], by="ann")
        self.wait(5)

    def task_event(self, task: Task, **detail: Any) -> dict[str, Any]:
        """ECS's event about a task as it is now, with some fields of its detail changed."""
        event = copy.deepcopy(task_state_changed(task))
        event["detail"] |= detail
        return event

    def task_events(self, task: Task) -> list[dict[str, Any]]:
        """All events that ECS sent about a task, the oldest first."""
        return [
            dict(seen.event)
            for seen in self.berthmaster.bus_events
            if seen.event["source"] == "aws.ecs" and seen.event["detail"].get("taskArn") == task.arn
        ]

    def send_events(self, tasks: Iterable[Task]) -> None:
        """Send an event about each task as it is now, so that one invocation gets all of them."""
        for task in tasks:
            self.berthmaster.put_event(self.task_event(task))
        self.wait(10)

    # Results

    def targets(self, arn: str = "") -> set[str]:
        """The addresses that a target group, the shop's by default, sends new requests to."""
        return {ip for ip, _ in self.cloud.targets.routable(arn or self.shop)}

    def state(self, task: Task, arn: str = "") -> str:
        """The state of a task's target, as DescribeTargetHealth shows it; empty if it is not registered."""
        return self.cloud.targets.state(arn or self.shop, task.address, task.port)

    def instances(self, arn: str) -> set[str]:
        """The addresses that a Cloud Map service returns."""
        found = self.cloud.discovery.instances(arn.rpartition("/")[2])
        return {attributes["AWS_INSTANCE_IPV4"] for attributes in found.values()}

    def writes(self, function: str = "Targets") -> list[Call]:
        """What the functions of targets, or one of them, changed beyond Berthmaster's own resources, oldest first."""
        return [
            call
            for call in self.cloud.calls.writes()
            if call.is_by_function and call.caller.startswith(function) and call.service in WRITTEN_SERVICES
        ]

    def operations(self, function: str = "Targets") -> list[str]:
        """The names of those calls that AWS accepted."""
        return [call.operation for call in self.writes(function) if call.outcome == "ok"]

    def events(self, *detail_types: str) -> list[Mapping[str, Any]]:
        """Details of Berthmaster's own events, in order."""
        return [
            seen.event["detail"]
            for seen in self.berthmaster.bus_events
            if seen.event["source"] == "berthmaster" and seen.event["detail-type"] in detail_types
        ]

    def findings(self) -> list[tuple[str, str]]:
        """Codes and texts of the findings that were reported."""
        return [(one["code"], one["text"]) for one in self.events("Finding Reported")]

    def mails(self) -> list[str]:
        """The messages that people got."""
        return [one.message for one in self.berthmaster.published]

    def logged(self, function: str, message: str) -> list[dict[str, Any]]:
        """The log lines of a function with that message."""
        return [line for line in self.berthmaster.logs.records(function) if line.get("message") == message]

    def metric(self, function: str, name: str) -> list[float]:
        """The values of a metric, in order."""
        return [value for record in self.berthmaster.logs.metrics(function) for value in record.get(name, [])]

    def dead_letters(self) -> list[Any]:
        return self.berthmaster.dead_letters(DEAD_LETTER_QUEUE)


@contextmanager
def a_targets_scene(
    *,
    mode: str = "enforce",
    seed: int = 1,
    faults: FaultPlan = NO_FAULTS,
    scheduled: bool = False,
    reuse: float = 0.0,
    drain: int = 300,
    shop: Mapping[str, str] = SHOP,
    unscheduled: Collection[str] = (),
    **parameters: Any,
) -> Iterator[TargetsScene]:
    """Open a cloud with one scene in it that has no tasks yet.

    Unless `scheduled`, functions run only when the test runs them; `unscheduled` ones never run by themselves. `reuse`:
    the probability that a new task gets the address that was freed last. `drain`: the deregistration delay of the
    shop's target group in seconds.
    In the end, all events of Berthmaster are compared with their schemas, and what people got is checked.
    """
    with Cloud(seed=seed, faults=faults) as cloud:
        network = Network.create(cloud, "10.0.0.0/24")
        network.subnet("a", "10.0.0.0/26")
        network.subnet("b", "10.0.0.64/26")
        answer = cloud.client("elbv2").create_load_balancer(
            Name="front", Subnets=list(network.subnets), Type="application"
        )
        fleet = Fleet(cloud, cluster=CLUSTER, reuse=reuse)
        berthmaster = Deployment(cloud, parameters={"TargetsMode": mode, **parameters}, unscheduled=unscheduled)
        berthmaster.schedules_enabled = scheduled
        scene = TargetsScene(cloud, network, fleet, berthmaster, answer["LoadBalancers"][0]["LoadBalancerArn"])
        scene.shop = scene.target_group("shop", shop, drain=drain)
        yield scene
        check_outcomes(berthmaster.bus_events)
        check_mails(cloud, berthmaster.published)


def _pairs(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
