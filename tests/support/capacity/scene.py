"""Scenes that tests begin with: a VPC, what runs in it, and Berthmaster deployed beside it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from berthmaster.lease import Leases
from simulator.cloud import Cloud
from simulator.faults import CALM, FaultPlan
from simulator.stack.deployment import Deployment
from simulator.workload.network import MANAGED, Network
from simulator.workload.services import Workload

EXPAND = "CapacityExpandFunction"
WATCH = "CapacityWatchFunction"
QUEUE = "CapacityQueue"
DEAD_LETTERS = "CapacityDeadLetterQueue"
BUS = "berthmaster"


@dataclass
class CapacityScene:
    """One managed VPC, 10.0.0.0/24, that is nothing but three subnets, one a zone; Berthmaster is deployed."""

    cloud: Cloud
    network: Network
    workload: Workload
    berthmaster: Deployment

    @property
    def vpc_id(self) -> str:
        return self.network.vpc_id

    @property
    def table(self) -> str:
        """The name of the ledger."""
        return str(self.berthmaster.template.identity("CapacityTable").name)

    @property
    def subnets(self) -> list[str]:
        """The three that were there first."""
        return list(self.network.subnets)

    def tell(self, detail_type: str, **detail: Any) -> None:
        """Say something as an operator, and let everything that follows from it happen."""
        self.put("berthmaster.operator", detail_type, bus=BUS, **detail)
        self.berthmaster.drain()

    def put(self, source: str, detail_type: str, *, bus: str = "default", **detail: Any) -> None:
        self.berthmaster.put_event({"source": source, "detail-type": detail_type, "detail": detail}, bus=bus)

    def room_needed(self) -> None:
        """The watch's event, about the first subnet."""
        short = {"subnet": self.subnets[0], "zone": "eu-central-1a", "free": 1, "hours": 0.5, "reason": "a test"}
        self.put("berthmaster", "Room Needed", bus=BUS, vpc=self.vpc_id, subnets=[short])

    def somebody_works_on_it(self, *, seconds: float) -> None:
        """Let another invocation hold the VPC's lease."""
        now = self.cloud.clock.now()
        leases = Leases(self.cloud.client("dynamodb"), self.table)
        leases.acquire(self.vpc_id, owner="somebody", now=now, deadline=now + timedelta(seconds=seconds))

    def fill(self, *, leave: int = 1, which: int = 0) -> None:
        self.network.occupy(self.subnets[which], leave=leave)

    def events(self, *detail_types: str) -> list[Mapping[str, Any]]:
        """Details of Berthmaster's own events, in order."""
        return [
            seen.event["detail"]
            for seen in self.berthmaster.bus_events
            if seen.event["source"] == "berthmaster" and seen.event["detail-type"] in detail_types
        ]

    def expansion(self) -> str:
        """The id of the newest expansion that was announced."""
        told = self.events("Expansion Proposed", "Expansion Reported", "Expansion Completed", "Expansion Failed")
        return str(told[-1]["expansion"])

    def blocks(self) -> list[str]:
        """The VPC's CIDRs in use, primary first."""
        vpc = self.cloud.client("ec2").describe_vpcs(VpcIds=[self.vpc_id])["Vpcs"][0]
        return [
            one["CidrBlock"]
            for one in vpc["CidrBlockAssociationSet"]
            if one["CidrBlockState"]["State"] in {"associating", "associated"}
        ]

    def berths(self) -> list[Any]:
        """The subnets Berthmaster made, by CIDR."""
        ec2 = self.cloud.client("ec2")
        found = ec2.describe_subnets(
            Filters=[
                {"Name": "vpc-id", "Values": [self.vpc_id]},
                {"Name": "tag-key", "Values": ["berthmaster:expansion"]},
            ]
        )
        return sorted(found["Subnets"], key=lambda one: str(one["CidrBlock"]))

    def service_subnets(self, name: str) -> list[str]:
        """The subnets an ECS service lists now."""
        answer = self.cloud.client("ecs").describe_services(cluster=self.workload.cluster, services=[name])
        subnets: list[str] = answer["services"][0]["networkConfiguration"]["awsvpcConfiguration"]["subnets"]
        return subnets

    def writes(self) -> list[str]:
        """What the expanding function changed in EC2, ECS, EventBridge and Scheduler."""
        own = {"dynamodb", "sqs", "sns"}
        writes = self.cloud.calls.of(EXPAND).writes()
        return [call.operation for call in writes if call.service not in own and call.operation != "PutEvents"]


@contextmanager
def a_managed_vpc(
    *,
    mode: str = "enforce",
    managed: bool = True,
    seed: int = 1,
    faults: FaultPlan = CALM,
    watched: bool = False,
    **parameters: Any,
) -> Iterator[CapacityScene]:
    """Open a cloud with one scene in it. Unless `watched`, no schedule runs: only what the test says happens."""
    with Cloud(seed=seed, faults=faults) as cloud:
        network = Network.create(cloud, "10.0.0.0/24", managed=managed)
        network.subnet("a", "10.0.0.0/26")
        network.subnet("b", "10.0.0.64/26")
        network.subnet("c", "10.0.0.128/25")
        berthmaster = Deployment(
            cloud, parameters={"CapacityMode": mode, **parameters}, unscheduled=("TargetsReconcileFunction",)
        )
        # What targets makes of the same events is its own suites' matter.
        cloud.client("events").disable_rule(Name=berthmaster.template.identity("TargetsTaskStateRule").name)
        berthmaster.schedules_enabled = watched
        yield CapacityScene(cloud, network, Workload(cloud), berthmaster)


@contextmanager
def a_vpc_short_of_room(**options: Any) -> Iterator[CapacityScene]:
    """A scene whose first subnet has one address left and whose service `shop` runs in all three."""
    with a_managed_vpc(**options) as scene:
        scene.workload.service("shop", scene.network.network_configuration(), 6, tags=MANAGED)
        scene.berthmaster.run(minutes=5)
        scene.fill(leave=1)
        yield scene
