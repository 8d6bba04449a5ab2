"""Which VPC an event is about, and whether Berthmaster may manage it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from berthmaster.capacity.model import MANAGED, MANAGED_TAG, Shortage
from berthmaster.errors import code_of
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import NetworkInterfaceTypeDef

    from berthmaster.clients import Clients

_GONE = frozenset({"InvalidSubnetID.NotFound", "InvalidNetworkInterfaceID.NotFound"})


class Locator:
    """Asks EC2 once per subnet and container: a subnet never changes its VPC."""

    def __init__(self, clients: "Clients") -> None:
        self._clients = clients
        self._vpc_of: dict[str, str] = {}

    def locate(self, shortage: Shortage) -> Shortage | None:
        """The shortage with its VPC, and with the subnet if only an interface was named; None if they are gone."""
        if shortage.vpc_id:
            return shortage
        for subnet_id in shortage.subnet_ids:
            if vpc_id := self._vpc_of_subnet(subnet_id):
                return replace(shortage, vpc_id=vpc_id)
        if shortage.interface_id and (interface := self._interface(shortage.interface_id)):
            return replace(shortage, vpc_id=interface["VpcId"], subnet_ids=(interface["SubnetId"],))
        logger.warning(
            "no VPC found", source=shortage.source, subnets=shortage.subnet_ids, interface=shortage.interface_id
        )
        return None

    def _vpc_of_subnet(self, subnet_id: str) -> str:
        """The VPC; "" if the subnet is gone."""
        if subnet_id not in self._vpc_of:
            with _unless_gone():
                (subnet,) = self._clients.ec2.describe_subnets(SubnetIds=[subnet_id])["Subnets"]
                self._vpc_of[subnet_id] = subnet["VpcId"]
        return self._vpc_of.get(subnet_id, "")

    def _interface(self, interface_id: str) -> "NetworkInterfaceTypeDef | None":
        with _unless_gone():
            answer = self._clients.ec2.describe_network_interfaces(NetworkInterfaceIds=[interface_id])
            return next(iter(answer["NetworkInterfaces"]), None)
        return None


@contextmanager
def _unless_gone() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if code_of(error) not in _GONE:
            raise


def is_managed(ec2: "EC2Client", vpc_id: str) -> bool:
    """Whether the VPC exists and has the tag."""
    answer = ec2.describe_vpcs(
        Filters=[{"Name": "vpc-id", "Values": [vpc_id]}, {"Name": f"tag:{MANAGED_TAG}", "Values": [MANAGED]}]
    )
    if not answer["Vpcs"]:
        logger.info("VPC is not tagged", vpc=vpc_id)
    return bool(answer["Vpcs"])
