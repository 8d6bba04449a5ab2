"""Which VPCs an event is about, and whether Berthmaster may manage them."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import batched
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from berthmaster.capacity.model.shortage import Shortage
from berthmaster.capacity.model.tags import MANAGED, MANAGED_TAG
from berthmaster.capacity.observe.network import VALUES_PER_FILTER
from berthmaster.errors import code_of
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import NetworkInterfaceTypeDef

    from berthmaster.clients import Clients


class Locator:
    """Asks EC2 once per subnet and container: a subnet never changes its VPC."""

    def __init__(self, clients: "Clients") -> None:
        self._clients = clients
        self._vpc_of: dict[str, str] = {}

    def locate(self, shortages: Iterable[Shortage]) -> list[Shortage]:
        """The shortages with their VPCs and subnets, one for each VPC; without what is gone."""
        found: dict[str, Shortage] = {}
        for located in (one for shortage in shortages for one in self._locate(shortage)):
            known = found.get(located.vpc_id, located)
            subnet_ids = tuple(dict.fromkeys((*known.subnet_ids, *located.subnet_ids)))
            found[located.vpc_id] = replace(known, subnet_ids=subnet_ids)
        return list(found.values())

    def _locate(self, shortage: Shortage) -> Iterator[Shortage]:
        if shortage.vpc_id:
            yield shortage
            return
        self._read(shortage.subnet_ids)
        known = [subnet_id for subnet_id in shortage.subnet_ids if subnet_id in self._vpc_of]
        for subnet_id in known:
            yield replace(shortage, vpc_id=self._vpc_of[subnet_id], subnet_ids=(subnet_id,))
        if known:
            return
        if shortage.interface_id and (interface := self._interface(shortage.interface_id)):
            yield replace(shortage, vpc_id=interface["VpcId"], subnet_ids=(interface["SubnetId"],))
            return
        logger.warning(
            "no VPC found", source=shortage.source, subnets=shortage.subnet_ids, interface=shortage.interface_id
        )

    def _read(self, subnet_ids: Iterable[str]) -> None:
        """Read the VPCs of those that are not known; a filter finds none for a subnet that is gone."""
        unknown = [subnet_id for subnet_id in subnet_ids if subnet_id not in self._vpc_of]
        for some in batched(unknown, VALUES_PER_FILTER, strict=False):
            answer = self._clients.ec2.describe_subnets(Filters=[{"Name": "subnet-id", "Values": list(some)}])
            self._vpc_of |= {subnet["SubnetId"]: subnet["VpcId"] for subnet in answer["Subnets"]}

    def _interface(self, interface_id: str) -> "NetworkInterfaceTypeDef | None":
        try:
            answer = self._clients.ec2.describe_network_interfaces(NetworkInterfaceIds=[interface_id])
        except ClientError as error:
            if code_of(error) != "InvalidNetworkInterfaceID.NotFound":
                raise
            return None
        return next(iter(answer["NetworkInterfaces"]), None)


def is_managed(ec2: "EC2Client", vpc_id: str) -> bool:
    """Whether the VPC exists and has the tag."""
    answer = ec2.describe_vpcs(
        Filters=[{"Name": "vpc-id", "Values": [vpc_id]}, {"Name": f"tag:{MANAGED_TAG}", "Values": [MANAGED]}]
    )
    if not answer["Vpcs"]:
        logger.info("VPC is not tagged", vpc=vpc_id)
    return bool(answer["Vpcs"])
