"""The CIDR block of an expansion: associated with the VPC, found again, and disassociated.

An association has neither tags nor an author, and AssociateVpcCidrBlock takes no ClientToken. What belongs to an
expansion is an association, never a range: a person may have associated the planned block.
"""

from collections.abc import Collection, Mapping
from ipaddress import IPv4Network
from typing import Any

from botocore.exceptions import ClientError

from berthmaster.capacity.act.attempt import Attempt
from berthmaster.capacity.ledger.expansions import Expansion
from berthmaster.capacity.model.plan import NewBlock
from berthmaster.capacity.model.tags import MANAGED, MANAGED_TAG
from berthmaster.errors import BerthmasterError, Refused, code_of, is_denied

USABLE = frozenset({"associating", "associated"})
_OPERATION = "AssociateVpcCidrBlock"


class Taken(BerthmasterError):
    """Somebody else has associated the planned block with the VPC."""


class Block:
    """The writes to the VPC's CIDR associations. Each checks first whether its effect is there."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._ec2 = attempt.clients.ec2

    def own(self, expansion: Expansion) -> str:
        """The id of the expansion's association; "" if it made none.

        One that is not on record is its own if it has the planned block, and was not there yet when the expansion was
        about to associate it: the answer was lost, or the run died.
        """
        block = expansion.plan.block
        if expansion.association_id or block is None or not expansion.associations_before:
            return expansion.association_id
        return self._usable(block, besides=expansion.associations_before)

    def own_in_the_end(self, expansion: Expansion) -> str:
        """As `own`, for an expansion that is not continued: EC2 may not show its latest association yet."""
        found = [""]

        def is_shown() -> bool:
            found[0] = self.own(expansion)
            return bool(found[0])

        if expansion.association_id or expansion.associations_before:
            self._attempt.becomes(is_shown)
        return found[0]

    def before(self, block: NewBlock) -> tuple[str, ...]:
        """The ids of the VPC's associations before the block is associated; Taken if one of them has the block."""
        if self._usable(block):
            raise Taken(f"somebody else has associated {block.cidr} with {self._attempt.vpc_id}")
        return tuple(sorted(self._associations()))

    def associate(self, block: NewBlock, before: Collection[str], *, is_repeated: bool) -> str:
        """Associate the block; returns the association's id.

        before: what `before` returned. is_repeated: whether an earlier attempt may have made the call already.
        """
        pool = {"Ipv4IpamPoolId": block.ipam_pool_id} if block.ipam_pool_id else {}
        request: dict[str, Any] = {"VpcId": self._attempt.vpc_id, "CidrBlock": str(block.cidr), **pool}
        try:
            with self._attempt.write(_OPERATION):
                return str(self._ec2.associate_vpc_cidr_block(**request)["CidrBlockAssociation"]["AssociationId"])
        except Refused as refusal:
            # The SDK repeats a call whose answer was lost, and the block then conflicts with itself.
            is_own_effect = is_repeated or refusal.was_retried
            if is_own_effect and self._attempt.becomes(lambda: bool(self._usable(block, besides=before))):
                return self._usable(block, besides=before)
            raise

    def wait_until_associated(self, association_id: str) -> None:
        """Return as soon as subnets can be created in the block; Refused if the association failed."""
        while True:
            found = self._associations().get(association_id)
            state = found["CidrBlockState"] if found else {"State": "associating"}
            if state["State"] == "associated":
                return
            if state["State"] != "associating":
                raise Refused(_OPERATION, state["State"], state.get("StatusMessage", ""))
            self._attempt.wait(f"{association_id} is associating")

    def ranges(self, association_ids: Collection[str]) -> Mapping[str, IPv4Network]:
        """The blocks of those of the associations that can hold subnets."""
        return {
            one: IPv4Network(shown["CidrBlock"])
            for one, shown in self._associations().items()
            if one in association_ids and shown["CidrBlockState"]["State"] in USABLE
        }

    def disassociate(self, association_id: str) -> str:
        """Disassociate the block, unless that is done already; returns why AWS does not let it be, "" if it is done."""
        try:
            if self._is_usable(association_id):
                with self._attempt.write("DisassociateVpcCidrBlock", lambda: not self._is_usable(association_id)):
                    self._ec2.disassociate_vpc_cidr_block(AssociationId=association_id)
        except Refused as refusal:
            return f"AWS refuses to disassociate it ({refusal})"
        except ClientError as error:
            if not is_denied(error):
                raise
            # A VPC may have been untagged since.
            return f"{self._attempt.vpc_id} must be tagged {MANAGED_TAG}={MANAGED} for that ({code_of(error)})"
        return ""

    def _usable(self, block: NewBlock, *, besides: Collection[str] = ()) -> str:
        """The id of a usable association of the block; "" if there is none but those."""
        return next(
            (
                one
                for one, shown in self._associations().items()
                if one not in besides
                and shown["CidrBlock"] == str(block.cidr)
                and shown["CidrBlockState"]["State"] in USABLE
            ),
            "",
        )

    def _is_usable(self, association_id: str) -> bool:
        found = self._associations().get(association_id)
        return found is not None and found["CidrBlockState"]["State"] in USABLE

    def _associations(self) -> Mapping[str, Any]:
        """The VPC's IPv4 associations by id; none if the VPC is gone."""
        answer = self._ec2.describe_vpcs(Filters=[{"Name": "vpc-id", "Values": [self._attempt.vpc_id]}])
        return {one["AssociationId"]: one for vpc in answer["Vpcs"] for one in vpc["CidrBlockAssociationSet"]}
