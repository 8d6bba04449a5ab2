"""A large account on the simulator: 100 managed VPCs, 1,000 subnets, 20,000 interfaces, 40 ECS clusters."""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network
from itertools import chain, repeat
from random import Random
from typing import TYPE_CHECKING, Any

from berthmaster.capacity.ledger.history import EXPIRES, KEPT, PARTITION
from berthmaster.capacity.ledger.sample_codec import encode
from berthmaster.capacity.ledger.series import UsageHistory
from berthmaster.capacity.model.vpc import PREFIX_SIZE
from simulator.aws.ec2.lookup import find_subnet
from simulator.workload.network import MANAGED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from berthmaster.capacity.ledger.series import Column
    from simulator.cloud import Cloud

    type Interface = dict[str, Any]

VPCS = 100
SUBNETS_PER_VPC = 10
INTERFACES_PER_SUBNET = 20
CLUSTERS = 40
SERVICES_PER_CLUSTER = 12
BUSY_VPCS = 10
"""These have small subnets, three quarters full; the subnets of the others are a third full."""
BUSY_PREFIX_LENGTH = 27
OTHER_PREFIX_LENGTH = 26
FIRST_HOST = 10

STEP = 5
DAY = 24 * 60
SAMPLES_PER_HOUR = 60 // STEP
BUSY_GROWTH = 0.2
"""Addresses a day by which the use of a busy subnet grew."""
NOISE = (-2, -1, -1, 0, 0, 0, 0, 1, 1, 2)


@dataclass(frozen=True)
class Fleet:
    """What the account has: subnets by id, those of busy VPCs, and the interfaces as EC2 describes them."""

    subnets: Mapping[str, IPv4Network]
    busy: frozenset[str]
    interfaces: list[Interface]


def settle(cloud: Cloud) -> Fleet:
    """Fill an account. The interfaces exist only in the answer: moto would take minutes to create as many."""
    ec2 = cloud.client("ec2")
    tags = [{"ResourceType": "vpc", "Tags": [{"Key": key, "Value": value} for key, value in MANAGED.items()]}]
    subnets: dict[str, IPv4Network] = {}
    busy: set[str] = set()
    interfaces: dict[str, list[Interface]] = {}
    for number in range(VPCS):
        network = IPv4Network(f"10.{number}.0.0/16")
        vpc = ec2.create_vpc(CidrBlock=str(network), TagSpecifications=tags)["Vpc"]["VpcId"]
        is_busy = number < BUSY_VPCS
        blocks = network.subnets(new_prefix=BUSY_PREFIX_LENGTH if is_busy else OTHER_PREFIX_LENGTH)
        for _, block in zip(range(SUBNETS_PER_VPC), blocks, strict=False):
            subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=str(block))["Subnet"]["SubnetId"]
            subnets[subnet] = block
            busy |= {subnet} if is_busy else set()
            addresses = [block[FIRST_HOST + host] for host in range(INTERFACES_PER_SUBNET)]
            interfaces[subnet] = [_interface(subnet, vpc, address) for address in addresses]
            interfaces.setdefault(vpc, []).extend(interfaces[subnet])
            for address in addresses:
                cloud.interfaces.pool_of(find_subnet(cloud, subnet)).take(int(address))
    cloud.handlers["ec2:DescribeNetworkInterfaces"] = lambda _, params: {
        "NetworkInterfaces": [
            one for wanted in params["Filters"] for place in wanted["Values"] for one in interfaces[place]
        ]
    }
    _run_services(cloud, list(subnets))
    return Fleet(subnets, frozenset(busy), list(chain.from_iterable(interfaces[subnet] for subnet in subnets)))


def _run_services(cloud: Cloud, subnets: list[str]) -> None:
    ecs = cloud.client("ecs")
    container = {"name": "main", "image": "x", "memory": 64}
    ecs.register_task_definition(family="web", networkMode="awsvpc", containerDefinitions=[container])
    for number in range(CLUSTERS):
        ecs.create_cluster(clusterName=f"cluster-{number}")
        for service in range(SERVICES_PER_CLUSTER):
            place = [subnets[number * SERVICES_PER_CLUSTER + service]]
            ecs.create_service(
                cluster=f"cluster-{number}",
                serviceName=f"service-{service}",
                taskDefinition="web",
                desiredCount=2,
                networkConfiguration={"awsvpcConfiguration": {"subnets": place, "securityGroups": []}},
            )


def _interface(subnet: str, vpc: str, address: IPv4Address) -> Interface:
    """The interface of a Fargate task, with every field that EC2 returns."""
    name = f"ip-{str(address).replace('.', '-')}.eu-central-1.compute.internal"
    number = int(address)
    return {
        "Attachment": {
            "AttachmentId": f"ela-attach-{number:017x}",
            "DeleteOnTermination": False,
            "DeviceIndex": 1,
            "InstanceOwnerId": "578734482556",
            "NetworkCardIndex": 0,
            "Status": "attached",
        },
        "AvailabilityZone": "eu-central-1a",
        "Description": f"arn:aws:ecs:eu-central-1:123456789012:attachment/{number:08x}-5f60-4718-a1b2-c3d4e5f60718",
        "Groups": [{"GroupId": f"sg-{number % 97:017x}", "GroupName": "tasks"}],
        "InterfaceType": "interface",
        "Ipv6Addresses": [],
        "MacAddress": f"02:00:{number >> 24:02x}:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}",
        "NetworkInterfaceId": f"eni-{number:017x}",
        "OwnerId": "123456789012",
        "PrivateDnsName": name,
        "PrivateIpAddress": str(address),
        "PrivateIpAddresses": [{"Primary": True, "PrivateDnsName": name, "PrivateIpAddress": str(address)}],
        "Ipv4Prefixes": [],
        "RequesterId": "578734482556",
        "RequesterManaged": True,
        "SourceDestCheck": True,
        "Status": "in-use",
        "SubnetId": subnet,
        "TagSet": [
            {"Key": "aws:ecs:clusterName", "Value": f"cluster-{number % CLUSTERS}"},
            {"Key": "aws:ecs:serviceName", "Value": f"service-{number % SERVICES_PER_CLUSTER}"},
        ],
        "VpcId": vpc,
    }


def past(fleet: Fleet, now: datetime, *, seed: int = 1) -> Iterator[dict[str, Any]]:
    """The items of the table that hold the two weeks before ``now``, hour by hour.

    Every subnet has its own daily shape, and busy ones grow.
    """
    rng = Random(seed)
    start = now.replace(minute=0, second=0, microsecond=0) - KEPT + timedelta(hours=1)
    minutes = range(int(start.timestamp()) // 60, int(now.timestamp()) // 60, STEP)
    daily = [round(2 * math.sin(2 * math.pi * (minute / DAY - 10 / 24))) for minute in minutes]
    grown = [round(BUSY_GROWTH * (minute - minutes[-1]) / DAY) for minute in minutes]
    used: dict[str, Column] = {}
    for subnet in fleet.subnets:
        noise = rng.choices(NOISE, k=len(minutes))
        trend = grown if subnet in fleet.busy else repeat(0)
        used[subnet] = array("H", map(sum, zip(repeat(INTERFACES_PER_SUBNET), daily, noise, trend, strict=False)))
    blocked = {subnet: array("H", (-(-value // PREFIX_SIZE) for value in column)) for subnet, column in used.items()}
    for first in range(0, len(minutes), SAMPLES_PER_HOUR):
        hour = slice(first, first + SAMPLES_PER_HOUR)
        began = start + timedelta(minutes=first * STEP)
        samples = UsageHistory(
            list(minutes[hour]),
            {subnet: column[hour] for subnet, column in used.items()},
            {subnet: column[hour] for subnet, column in blocked.items()},
        )
        yield {
            "pk": {"S": PARTITION},
            "sk": {"S": f"{began:%Y-%m-%dT%H}#000"},
            "samples": {"B": encode(samples)},
            "version": {"N": str(len(samples.minutes))},
            "expires": {"N": str(int((began + EXPIRES).timestamp()))},
        }
