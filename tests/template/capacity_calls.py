"""A scenario of capacity that leaves no AWS call out."""

from collections.abc import Mapping
from typing import Any

from simulator.aws.cloudformation.stacks import STACK_ID_TAG, Stacks
from simulator.aws.ec2.ipam_resources import Discovered
from simulator.aws.ecs.task_events import api_call_failed
from simulator.calls import Call, Calls
from simulator.cloud import Cloud
from simulator.errors import AwsError
from simulator.stack.deployment import Deployment
from simulator.workload.network import MANAGED, Network
from simulator.workload.services import Workload
from tests.support.capacity.callers import add_rule_and_schedule
from tests.support.capacity.scene import CapacityScene, a_vpc_short_of_room


def capacity_calls() -> list[Call]:
    """Every call while expansions are planned, made, wired, deferred and retired."""
    with a_vpc_short_of_room(CapacityCallerRoles="runner") as scene:
        surroundings(scene)
        scene.berthmaster.schedules_enabled = True
        scene.berthmaster.run(minutes=40)
        scene.berthmaster.schedules_enabled = False
        shortage_of_prefixes(scene)
        starved_deployment(scene)
        deferred(scene)
        calls = list(scene.cloud.calls)
    return calls + list(from_an_ipam_pool_and_back())


def surroundings(scene: CapacityScene) -> None:
    """Everything that a plan reads: a rule, a schedule, a prefix list, a transit gateway, EKS, IPAM; and a bad tag."""
    ec2 = scene.cloud.client("ec2")
    ec2.modify_subnet_attribute(SubnetId=scene.subnets[0], MapPublicIpOnLaunch={"Value": True})
    ec2.create_tags(Resources=[scene.subnets[2]], Tags=[{"Key": "berthmaster:capacity", "Value": "mangaed"}])
    add_rule_and_schedule(scene)
    scene.cloud.kubernetes.create("shop")
    scene.cloud.state(Discovered).add("vpc-0f1e2d3c4b5a69788", "100.64.0.0/20")
    listed = ec2.create_managed_prefix_list(
        PrefixListName="office", MaxEntries=2, AddressFamily="IPv4", Entries=[{"Cidr": "192.168.0.0/24"}]
    )["PrefixList"]["PrefixListId"]
    gateway = ec2.create_transit_gateway()["TransitGateway"]["TransitGatewayId"]
    attachment = ec2.create_transit_gateway_vpc_attachment(
        TransitGatewayId=gateway, VpcId=scene.vpc_id, SubnetIds=scene.subnets[:1]
    )["TransitGatewayVpcAttachment"]["TransitGatewayAttachmentId"]
    table = ec2.create_transit_gateway_route_table(TransitGatewayId=gateway)["TransitGatewayRouteTable"]
    ec2.create_transit_gateway_route(
        DestinationCidrBlock="10.0.0.0/24",
        TransitGatewayRouteTableId=table["TransitGatewayRouteTableId"],
        TransitGatewayAttachmentId=attachment,
    )
    ec2.create_route(
        RouteTableId=scene.network.route_tables["a"], DestinationPrefixListId=listed, TransitGatewayId=gateway
    )


def shortage_of_prefixes(scene: CapacityScene) -> None:
    """An interface in a subnet without a free /28 asks for one."""
    subnet = scene.subnets[1]
    interface = scene.cloud.client("ec2").create_network_interface(SubnetId=subnet, Ipv4PrefixCount=1)
    scene.network.occupy(subnet, leave=6)
    event = api_call_failed(
        scene.cloud, subnet_id=subnet, operation="AssignPrivateIpAddresses", code="Client.InsufficientCidrBlocks"
    )
    event["detail"]["requestParameters"] = {"networkInterfaceId": interface["NetworkInterface"]["NetworkInterfaceId"]}
    scene.berthmaster.put_event(event)
    scene.berthmaster.drain()


def starved_deployment(scene: CapacityScene) -> None:
    """A service that a stack has created starves, and is given a new subnet."""
    stack = scene.cloud.state(Stacks).create("till")
    scene.workload.service(
        "till", scene.network.network_configuration(scene.subnets[2]), 3, tags={**MANAGED, STACK_ID_TAG: stack}
    )
    scene.fill(leave=0, which=2)
    scene.berthmaster.run(minutes=3)
    scene.berthmaster.drain()
    assert len(scene.service_subnets("till")) == 2


def deferred(scene: CapacityScene) -> None:
    """An operator sends a request while the lease of the VPC is taken."""
    scene.hold_lease(seconds=100)
    scene.request("Expand Requested", vpc=scene.vpc_id)


def from_an_ipam_pool_and_back() -> Calls:
    """In an account without applied quotas, a CIDR is taken from an IPAM pool and given back."""
    with Cloud(seed=2) as cloud:
        cloud.handlers["service-quotas:GetServiceQuota"] = no_applied_quota
        pool = cloud.ipam.create_pool("10.64.0.0/16")
        network = Network.create(cloud, "10.5.0.0/26")
        network.subnet("a", "10.5.0.0/26")
        berthmaster = Deployment(cloud, parameters={"CapacityMode": "enforce", "CapacityIpamPool": pool})
        scene = CapacityScene(cloud, network, Workload(cloud), berthmaster)
        berthmaster.run(minutes=6)
        berthmaster.schedules_enabled = False
        scene.request("Retirement Requested", expansion=scene.expand(), drain=True)
        assert scene.events("Expansion Retired")
        return cloud.calls


def no_applied_quota(_: Cloud, __: Mapping[str, Any]) -> None:
    raise AwsError("NoSuchResourceException", "The quota has no applied value.")
