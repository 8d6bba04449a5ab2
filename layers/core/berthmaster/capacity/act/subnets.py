"""The subnets of an expansion: created, tagged as ready for use, and deleted."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from berthmaster.capacity.act.attempt import Attempt, InUse, tag_list
from berthmaster.capacity.ledger.expansions import Expansion
from berthmaster.capacity.model.plan import NewSubnet
from berthmaster.capacity.model.tags import BLOCK_TAG, CIDR_TAG, EXPANSION_TAG
from berthmaster.errors import Refused, code_of

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import SubnetTypeDef

_ON_THE_WAY = frozenset({"pending", "available"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedSubnet:
    """A planned subnet and its id in AWS."""

    planned: NewSubnet
    id: str


class Subnets:
    """The writes to the subnets of one expansion. Each checks first whether its effect is there."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._ec2 = attempt.clients.ec2

    def create(
        self, planned: Sequence[NewSubnet], own_blocks: Callable[[], Mapping[str, IPv4Network]]
    ) -> list[CreatedSubnet]:
        """Create those that are not there, and wait until all are available; Refused if one fails.

        own_blocks: reads the blocks that Berthmaster has associated with the VPC, by the id of the association.
        """
        found = own_subnets(self._attempt)
        missing = [subnet for subnet in planned if subnet.cidr not in found]
        blocks = own_blocks() if missing else {}
        for subnet in missing:
            self._create(subnet, next((one for one, block in blocks.items() if subnet.cidr.subnet_of(block)), ""))
        while True:
            found = own_subnets(self._attempt)
            for cidr, shown in found.items():
                if shown["State"] not in _ON_THE_WAY:
                    raise Refused("CreateSubnet", shown["State"], f"{shown['SubnetId']} with {cidr}")
            if all(subnet.cidr in found and found[subnet.cidr]["State"] == "available" for subnet in planned):
                return [CreatedSubnet(planned=subnet, id=found[subnet.cidr]["SubnetId"]) for subnet in planned]
            self._attempt.wait("subnets are pending")

    def _create(self, subnet: NewSubnet, association_id: str) -> None:
        block = {BLOCK_TAG: association_id} if association_id else {}
        tags = tag_list({**subnet.tags, **self._attempt.tag, CIDR_TAG: str(subnet.cidr), **block})
        ipv6: dict[str, Any] = {"Ipv6CidrBlock": subnet.ipv6_cidr} if subnet.ipv6_cidr else {}
        with self._attempt.write("CreateSubnet", lambda: subnet.cidr in own_subnets(self._attempt)):
            self._ec2.create_subnet(
                VpcId=self._attempt.vpc_id,
                CidrBlock=str(subnet.cidr),
                AvailabilityZone=subnet.zone,
                **ipv6,
                TagSpecifications=[{"ResourceType": "subnet", "Tags": tags}],
            )

    def delete(self, subnet_ids: Iterable[str]) -> None:
        """Delete them; InUse if an interface is in one by now."""
        for subnet_id in subnet_ids:
            self._attempt.check()
            try:
                self._ec2.delete_subnet(SubnetId=subnet_id)
            except ClientError as error:
                if code_of(error) == "DependencyViolation":
                    raise InUse(f"{subnet_id} is in use") from error
                if code_of(error) != "InvalidSubnetID.NotFound":
                    raise

    def of(self, expansion: Expansion) -> list[str]:
        """The subnets of an expansion that exist.

        A person may have copied the tags of one to a subnet of their own. So the tag is not enough: the record must
        have the subnet's id or, if it has none for that CIDR since an attempt died after CreateSubnet, the CIDR.
        """
        planned = {one.cidr for one in expansion.plan.subnets}
        return sorted(
            subnet["SubnetId"]
            for cidr, subnet in own_subnets(self._attempt).items()
            if cidr in planned and expansion.subnet_ids.get(str(cidr), subnet["SubnetId"]) == subnet["SubnetId"]
        )

    def admit(self, created: Sequence[CreatedSubnet]) -> None:
        """Set the tags by which pods, services and later plans use the subnets."""
        for one in created:
            with self._attempt.write("CreateTags"):
                self._ec2.create_tags(Resources=[one.id], Tags=tag_list(one.planned.admission_tags))

    def retag(self, subnet_id: str, *, put: Mapping[str, str], delete: Iterable[str]) -> None:
        """Set tags of a subnet, and delete others by their keys."""
        if put:
            with self._attempt.write("CreateTags"):
                self._ec2.create_tags(Resources=[subnet_id], Tags=tag_list(put))
        if keys := sorted(delete):
            with self._attempt.write("DeleteTags"):
                self._ec2.delete_tags(Resources=[subnet_id], Tags=[{"Key": key} for key in keys])


def own_subnets(attempt: Attempt) -> Mapping[IPv4Network, "SubnetTypeDef"]:
    """The subnets of the expansion that exist, by CIDR."""
    pages = attempt.clients.ec2.get_paginator("describe_subnets").paginate(
        Filters=[
            {"Name": "vpc-id", "Values": [attempt.vpc_id]},
            {"Name": f"tag:{EXPANSION_TAG}", "Values": [attempt.expansion_id]},
        ]
    )
    return {IPv4Network(one["CidrBlock"]): one for page in pages for one in page["Subnets"]}
