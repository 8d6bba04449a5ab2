"""The CIDR block of an expansion: associated with the VPC, and disassociated."""

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network
from typing import Any

from berthmaster.capacity.act.attempt import Attempt
from berthmaster.capacity.model import BlockSource, NewBlock
from berthmaster.errors import Refused

USABLE = frozenset({"associating", "associated"})


class Block:
    """The writes to the VPC's CIDR associations. Each checks first whether its effect is there."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._ec2 = attempt.clients.ec2

    def associate(self, block: NewBlock, known: str) -> str:
        """Associate the block, or find the association of an earlier attempt; returns its id.

        known: the association's id, if it is on record.
        """
        if found := self._find(block, known):
            return found
        request: dict[str, Any] = (
            {"Ipv4IpamPoolId": block.ipam_pool_id, "Ipv4NetmaskLength": block.cidr.prefixlen}
            if block.source is BlockSource.IPAM
            else {"CidrBlock": str(block.cidr)}
        )
        with self._attempt.write("AssociateVpcCidrBlock", lambda: bool(self._find(block, known))):
            answer = self._ec2.associate_vpc_cidr_block(VpcId=self._attempt.vpc_id, **request)
            return answer["CidrBlockAssociation"]["AssociationId"]
        return self._find(block, known)

    def wait_until_associated(self, association_id: str) -> IPv4Network:
        """The block as soon as subnets can be created in it; Refused if the association failed."""
        while True:
            found = next((one for one in self._associations() if one["AssociationId"] == association_id), None)
            state = found["CidrBlockState"] if found else {"State": "associating"}
            if found and state["State"] == "associated":
                return IPv4Network(found["CidrBlock"])
            if state["State"] != "associating":
                raise Refused("AssociateVpcCidrBlock", state["State"], state.get("StatusMessage", ""))
            self._attempt.wait(f"{association_id} is associating")

    def disassociate(self, association_id: str) -> None:
        """Disassociate the block, unless that is done already."""
        if self._is_usable(association_id):
            with self._attempt.write("DisassociateVpcCidrBlock", lambda: not self._is_usable(association_id)):
                self._ec2.disassociate_vpc_cidr_block(AssociationId=association_id)

    def _find(self, block: NewBlock, known: str) -> str:
        for association in self._associations():
            if association["AssociationId"] == known:
                return known
            if _is_planned(association, block) and association["CidrBlockState"]["State"] in USABLE:
                return str(association["AssociationId"])
        return ""

    def _is_usable(self, association_id: str) -> bool:
        return any(
            one["AssociationId"] == association_id and one["CidrBlockState"]["State"] in USABLE
            for one in self._associations()
        )

    def _associations(self) -> Sequence[Any]:
        return self._ec2.describe_vpcs(VpcIds=[self._attempt.vpc_id])["Vpcs"][0]["CidrBlockAssociationSet"]


def _is_planned(association: Mapping[str, Any], block: NewBlock) -> bool:
    """The planned block; or, since IPAM chooses it, one of its length that was not there when it was planned."""
    cidr = IPv4Network(association["CidrBlock"])
    if block.source is BlockSource.IPAM:
        return cidr.prefixlen == block.cidr.prefixlen and cidr not in block.beside
    return cidr == block.cidr
