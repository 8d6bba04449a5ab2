"""Which VPC an event is about, and whether it is Berthmaster's to manage."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from berthmaster.capacity.model import MANAGED, MANAGED_TAG
from berthmaster.errors import code_of

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

_GONE = frozenset({"InvalidSubnetID.NotFound", "InvalidNetworkInterfaceID.NotFound"})


def vpc_id_of(ec2: "EC2Client", subnet_ids: Sequence[str], interface_id: str) -> str:
    """The VPC of the subnets or of the interface; "" if they are gone, or none is named."""
    try:
        if subnet_ids:
            return ec2.describe_subnets(SubnetIds=list(subnet_ids[:1]))["Subnets"][0]["VpcId"]
        if interface_id:
            answer = ec2.describe_network_interfaces(NetworkInterfaceIds=[interface_id])
            return answer["NetworkInterfaces"][0]["VpcId"]
    except ClientError as error:
        if code_of(error) not in _GONE:
            raise
    return ""


def is_managed(ec2: "EC2Client", vpc_id: str) -> bool:
    """Whether the VPC is there and tagged."""
    answer = ec2.describe_vpcs(
        Filters=[{"Name": "vpc-id", "Values": [vpc_id]}, {"Name": f"tag:{MANAGED_TAG}", "Values": [MANAGED]}]
    )
    return bool(answer["Vpcs"])
