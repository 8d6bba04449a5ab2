"""The VPCs, subnets, services and buckets that events/ names, created under the names it gives them.

Each service has a target group and a Cloud Map service that Berthmaster may manage.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from unittest.mock import patch

from simulator.cloud import REGION
from simulator.stack.identities import Place
from simulator.stack.resources import create
from simulator.stack.template import Template
from simulator.workload.network import MANAGED, Network

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from simulator.account import Params
    from simulator.cloud import Cloud

ZONES = "abc"
LEFT = 3


@dataclass(frozen=True)
class Named:
    """What the events name, in the order of their ids."""

    region: str
    vpcs: tuple[str, ...]
    subnets: tuple[str, ...]
    groups: tuple[str, ...]
    interfaces: tuple[str, ...]
    services: tuple[tuple[str, str], ...]
    buckets: tuple[str, ...]

    @classmethod
    def read(cls, folder: Path) -> Named:
        """Find ids and ARNs in every file of a folder."""
        text = "\n".join(path.read_text() for path in sorted(folder.glob("*.json")))
        regions = re.findall(r"arn:aws:\w+:([a-z]+-[a-z]+-\d):", text)
        return cls(
            region=regions[0] if regions else REGION,
            vpcs=_unique(r"\bvpc-[0-9a-f]{8,17}\b", text),
            subnets=_unique(r"\bsubnet-[0-9a-f]{8,17}\b", text),
            groups=_unique(r"\bsg-[0-9a-f]{8,17}\b", text),
            interfaces=_unique(r"\beni-[0-9a-f]{8,17}\b", text),
            buckets=_unique(r"(?<=arn:aws:s3:::)[a-z0-9.-]+", text),
            services=tuple(sorted(set(re.findall(r":service/([\w-]+)/([\w-]+)", text)))),
        )


def _unique(pattern: str, text: str) -> tuple[str, ...]:
    return tuple(sorted(set(re.findall(pattern, text))))


def seed(cloud: Cloud, named: Named) -> None:
    """Create the stack's state and, under the ids that the events name, managed VPCs with nearly full subnets."""
    create(cloud, Template(place=Place("berthmaster", cloud.region, cloud.account_id)))
    _buckets(cloud, named)
    for index, vpc_id in enumerate(named.vpcs):
        with (
            patch("moto.ec2.models.vpcs.random_vpc_id", return_value=vpc_id),
            patch("moto.ec2.models.security_groups.random_security_group_id", _ids(named.groups if not index else ())),
        ):
            network = Network.create(cloud, f"10.{index}.0.0/20", public=f"10.{index}.15.0/24")
        # The events name subnets without their VPC: all of them are in the first.
        for number, subnet_id in enumerate(named.subnets if not index else ()):
            with patch("moto.ec2.models.subnets.random_subnet_id", return_value=subnet_id):
                network.subnet(ZONES[number % len(ZONES)], f"10.{index}.{number}.0/26")
            network.occupy(subnet_id, leave=LEFT)
        if not index:
            _attach(cloud, named)
            _run_services(cloud, named, network.network_configuration())
            _offer_targets(cloud, named, vpc_id)


def _buckets(cloud: Cloud, named: Named) -> None:
    s3 = cloud.client("s3")
    for bucket in named.buckets:
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": cloud.region})
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )


def _attach(cloud: Cloud, named: Named) -> None:
    for eni_id in named.interfaces:
        with patch("moto.ec2.models.elastic_network_interfaces.random_eni_id", return_value=eni_id):
            cloud.client("ec2").create_network_interface(SubnetId=named.subnets[0], Description="aws-K8S-node")


def _ids(wanted: Sequence[str]) -> object:
    from moto.ec2.utils import random_security_group_id  # noqa: PLC0415 - as it is before it is patched

    # The first group of a VPC is its default one.
    left = [random_security_group_id(), *wanted]
    return lambda: left.pop(0) if left else random_security_group_id()


def _run_services(cloud: Cloud, named: Named, network: Params) -> None:
    ecs = cloud.client("ecs")
    for cluster in sorted({cluster for cluster, _ in named.services}):
        ecs.create_cluster(clusterName=cluster)
    for cluster, service in named.services:
        container = {"name": service, "image": f"{service}:latest", "memory": 512}
        ecs.register_task_definition(family=service, networkMode="awsvpc", containerDefinitions=[container])
        ecs.create_service(
            cluster=cluster,
            serviceName=service,
            taskDefinition=service,
            desiredCount=2,
            launchType="FARGATE",
            networkConfiguration=network,
            tags=[{"key": key, "value": value} for key, value in MANAGED.items()],
        )


def _offer_targets(cloud: Cloud, named: Named, vpc_id: str) -> None:
    discovery = cloud.client("servicediscovery")
    discovery.create_http_namespace(Name="web")
    (namespace,) = discovery.list_namespaces()["Namespaces"]
    for cluster, service in named.services:
        tags = [
            {"Key": f"berthmaster:{key}", "Value": value}
            for key, value in {"targets": "managed", "cluster": cluster, "service": service}.items()
        ]
        cloud.client("elbv2").create_target_group(
            Name=service, Protocol="HTTP", Port=8080, VpcId=vpc_id, TargetType="ip", Tags=tags
        )
        discovery.create_service(Name=service, NamespaceId=namespace["Id"], Tags=tags)
