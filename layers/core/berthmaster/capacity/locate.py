"""Which VPC an event is about, and whether it is Berthmaster's to manage."""

from dataclasses import replace
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from berthmaster.capacity.model import MANAGED, MANAGED_TAG
from berthmaster.capacity.triggers import Shortage
from berthmaster.errors import code_of

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

_GONE = frozenset({"InvalidSubnetID.NotFound", "InvalidNetworkInterfaceID.NotFound"})


def located(ec2: "EC2Client", shortage: Shortage) -> Shortage | None:
    """The same with its VPC, and the subnet of the interface if that is all it names; None if they are gone."""
    try:
        if shortage.vpc_id:
            return shortage
        if shortage.subnet_ids:
            subnets = ec2.describe_subnets(SubnetIds=[shortage.subnet_ids[0]])["Subnets"]
            return replace(shortage, vpc_id=subnets[0]["VpcId"])
        if shortage.interface_id:
            answer = ec2.describe_network_interfaces(NetworkInterfaceIds=[shortage.interface_id])
            interface = answer["NetworkInterfaces"][0]
            return replace(shortage, vpc_id=interface["VpcId"], subnet_ids=(interface["SubnetId"],))
    except ClientError as error:
        if code_of(error) not in _GONE:
            raise
    return None


def is_managed(ec2: "EC2Client", vpc_id: str) -> bool:
    """Whether the VPC is there and tagged."""
    answer = ec2.describe_vpcs(
        Filters=[{"Name": "vpc-id", "Values": [vpc_id]}, {"Name": f"tag:{MANAGED_TAG}", "Values": [MANAGED]}]
    )
    return bool(answer["Vpcs"])
