"""Where tests of capacity begin: a VPC, the tasks that run in it, and Berthmaster deployed."""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from berthmaster.clock import Clock
from berthmaster.lease import Leases
from berthmaster.modes import Mode
from berthmaster.switch import Switch, SwitchRequest
from docs.generate.events import schemas
from simulator.calls import OPERATOR, calling_as
from simulator.cloud import Cloud
from simulator.faults import NO_FAULTS, FaultPlan
from simulator.stack.deployment import Deployment
from simulator.workload.network import MANAGED, Network
from simulator.workload.services import Workload
from tests.support.event_schemas import check_outcomes
from tests.support.mails import check_mails

EXPAND = "CapacityExpandFunction"
WATCH = "CapacityWatchFunction"
QUEUE = "CapacityQueue"
DEAD_LETTERS = "CapacityDeadLetterQueue"
BUS = "berthmaster"
UNSCHEDULED = ("TargetsReconcileFunction", "TargetsPodsFunction")


@dataclass
class CapacityScene:
    """One managed VPC, 10.0.0.0/24, which three subnets fill, one in each zone; Berthmaster is deployed."""

    cloud: Cloud
    network: Network
    workload: Workload
    berthmaster: Deployment

    @property
    def vpc_id(self) -> str:
        return self.network.vpc_id

    @property
    def table(self) -> str:
        """The name of the ledger's table."""
        return str(self.berthmaster.template.identity("CapacityTable").name)

    @property
    def subnets(self) -> list[str]:
        """The three subnets that the VPC has in the beginning."""
        return list(self.network.subnets)

    # What happens

    def request(self, detail_type: str, **detail: Any) -> None:
        """Send a request as an operator, and let all that follows from it happen."""
        self.put("berthmaster.operator", detail_type, bus=BUS, **detail)
        self.berthmaster.drain()

    def pause(self) -> None:
        self.request("Pause Requested", automation="capacity", by="Ann")

    def resume(self) -> None:
        self.request("Resume Requested", automation="capacity", by="Ann")

    def put(self, source: str, detail_type: str, *, bus: str = "default", **detail: Any) -> None:
        self.berthmaster.put_event({"source": source, "detail-type": detail_type, "detail": detail}, bus=bus)

    def room_needed(self, subnet: str = "", *, vpc: str = "") -> None:
        """Put the watch's event about a subnet and its VPC, the first ones if none are given."""
        (detail,) = copy.deepcopy(schemas()["Room Needed"]["examples"])
        detail["vpc"] = vpc or self.vpc_id
        detail["subnets"][0]["subnet"] = subnet or self.subnets[0]
        self.put("berthmaster", "Room Needed", bus=BUS, **detail)

    def need_room(self) -> None:
        """Put the watch's event, and let all that follows from it happen."""
        self.room_needed()
        self.berthmaster.drain()

    def propose(self) -> str:
        """Have an expansion proposed; returns the id of the proposal."""
        self.need_room()
        return str(self.events("Expansion Proposed")[-1]["proposal"])

    def expand(self, *, which: int = 0) -> str:
        """Have 50 addresses added for a subnet; returns the id of the expansion."""
        self.request("Expand Requested", vpc=self.vpc_id, subnet=self.subnets[which], addresses=50)
        return str(self.events("Expansion Completed")[-1]["expansion"])

    def fill(self, *, leave: int = 1, which: int = 0) -> None:
        """Use the addresses of a subnet until only so many are free."""
        self.network.occupy(self.subnets[which], leave=leave)

    def hold_lease(self, *, seconds: float) -> None:
        """Let another invocation hold the VPC's lease."""
        now = self.cloud.clock.now()
        leases = Leases(self.cloud.client("dynamodb"), self.table)
        leases.acquire(self.vpc_id, owner="another", now=now, deadline=now + timedelta(seconds=seconds))

    def pause_during(self, operation: str) -> None:
        """Let an operator pause capacity while AWS carries out an operation, such as `ec2:CreateSubnet`."""
        handler = self.cloud.handlers.get(operation)

        def paused(cloud: Cloud, params: Mapping[str, Any]) -> Any:
            with calling_as(OPERATOR):
                self._switch().apply(SwitchRequest(pause=True, by="Ann", time=self.cloud.clock.now()))
            return handler(cloud, params) if handler else None

        self.cloud.handlers[operation] = paused

    @property
    def mode(self) -> str:
        """The mode that capacity_expand is deployed with."""
        environment = cast("dict[str, str]", self.berthmaster.runtime.functions[EXPAND].environment)
        return environment["CAPACITY_MODE"]

    def deploy_mode(self, mode: str) -> None:
        """Deploy the functions again with another mode; rules and schedules stay as they are."""
        for function in (EXPAND, WATCH):
            environment = cast("dict[str, str]", self.berthmaster.runtime.functions[function].environment)
            environment["CAPACITY_MODE"] = mode
        self.berthmaster.runtime.kill_containers()

    def _switch(self) -> Switch:
        dynamodb = self.cloud.client("dynamodb")
        return Switch(dynamodb, Clock(), table=self.table, automation="capacity", mode=Mode.ENFORCE)

    # What can be seen

    def events(self, *detail_types: str) -> list[Mapping[str, Any]]:
        """Details of Berthmaster's own events, oldest first."""
        return [
            seen.event["detail"]
            for seen in self.berthmaster.bus_events
            if seen.event["source"] == "berthmaster" and seen.event["detail-type"] in detail_types
        ]

    def blocks(self) -> list[str]:
        """The VPC's CIDRs in use, primary first."""
        return list(self._associations().values())

    def secondary_blocks(self) -> dict[str, str]:
        """The VPC's secondary CIDRs in use, by the ids of their associations."""
        return dict(list(self._associations().items())[1:])

    def _associations(self) -> dict[str, str]:
        vpc = self.cloud.client("ec2").describe_vpcs(VpcIds=[self.vpc_id])["Vpcs"][0]
        return {
            one["AssociationId"]: one["CidrBlock"]
            for one in vpc["CidrBlockAssociationSet"]
            if one["CidrBlockState"]["State"] in {"associating", "associated"}
        }

    def added_subnets(self) -> list[Any]:
        """The subnets that Berthmaster has added, by CIDR."""
        ec2 = self.cloud.client("ec2")
        found = ec2.describe_subnets(
            Filters=[
                {"Name": "vpc-id", "Values": [self.vpc_id]},
                {"Name": "tag-key", "Values": ["berthmaster:expansion"]},
            ]
        )
        return sorted(found["Subnets"], key=lambda one: str(one["CidrBlock"]))

    def service_subnets(self, name: str) -> list[str]:
        """The subnets that an ECS service lists now."""
        answer = self.cloud.client("ecs").describe_services(cluster=self.workload.cluster, services=[name])
        subnets: list[str] = answer["services"][0]["networkConfiguration"]["awsvpcConfiguration"]["subnets"]
        return subnets

    def writes(self) -> list[str]:
        """The writes of capacity_expand to EC2, ECS, EventBridge and Scheduler."""
        own = {"dynamodb", "sqs", "sns"}
        writes = self.cloud.calls.of(EXPAND).writes()
        return [call.operation for call in writes if call.service not in own and call.operation != "PutEvents"]

    def dead_letters(self) -> list[Any]:
        """The events that capacity_expand has failed on."""
        return self.berthmaster.dead_letters(DEAD_LETTERS)


@contextmanager
def a_managed_vpc(
    *,
    mode: str = "enforce",
    managed: bool = True,
    seed: int = 1,
    faults: FaultPlan = NO_FAULTS,
    watched: bool = False,
    pool: str = "",
    **parameters: Any,
) -> Iterator[CapacityScene]:
    """Open a cloud with one scene in it. Unless `watched`, no schedule runs: only what the test does happens.

    pool: the CIDR of an IPAM pool from which blocks are to be taken.
    In the end, all events of Berthmaster are compared with their schemas, and what people got is checked.
    """
    with Cloud(seed=seed, faults=faults) as cloud:
        network = Network.create(cloud, "10.0.0.0/24", managed=managed)
        network.subnet("a", "10.0.0.0/26")
        network.subnet("b", "10.0.0.64/26")
        network.subnet("c", "10.0.0.128/25")
        configured = {"CapacityMode": mode, **parameters}
        if pool:
            configured["CapacityIpamPool"] = cloud.ipam.create_pool(pool)
        berthmaster = Deployment(cloud, parameters=configured, unscheduled=UNSCHEDULED)
        berthmaster.schedules_enabled = watched
        yield CapacityScene(cloud, network, Workload(cloud), berthmaster)
        check_outcomes(berthmaster.bus_events)
        check_mails(cloud, berthmaster.published)


@contextmanager
def a_vpc_short_of_room(*, rolls_back: bool = False, **options: Any) -> Iterator[CapacityScene]:
    """A scene whose first subnet has one address left and whose service `shop` runs in all three.

    rolls_back: whether the service has a deployment circuit breaker with rollback.
    """
    breaker = {"enable": True, "rollback": True} if rolls_back else None
    with a_managed_vpc(**options) as scene:
        configuration = scene.network.network_configuration()
        scene.workload.service("shop", configuration, 6, tags=MANAGED, circuit_breaker=breaker)
        scene.berthmaster.run(minutes=5)
        scene.fill(leave=1)
        yield scene
