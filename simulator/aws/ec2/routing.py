"""Route tables, network ACLs and peering connections: where moto differs from AWS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.aws.ec2.lookup import find_subnet
from simulator.aws.ec2.vpcs import live_cidrs
from simulator.errors import AwsError

if TYPE_CHECKING:
    from simulator.account import Account, Handlers, Params, Patches


def associate_route_table(account: Account, params: Params) -> dict[str, Any] | None:
    """AssociateRouteTable: a subnet has one table; moto ignores the second, AWS refuses it."""
    target = params.get("SubnetId") or params.get("GatewayId")
    asked = account.backend("ec2").get_route_table(params["RouteTableId"])
    if "SubnetId" in params and find_subnet(account, params["SubnetId"]).vpc_id != asked.vpc_id:
        message = f"Route table {asked.id} and subnet {target} belong to different networks"
        raise AwsError("InvalidParameterValue", message)
    for table in account.backend("ec2").route_tables.values():
        if table.id != asked.id and target in table._associations.values():
            message = f"the specified association for route table {asked.id} conflicts with an existing association"
            raise AwsError("Resource.AlreadyAssociated", message)
    return None


def replace_network_acl_association(account: Account, params: Params) -> dict[str, Any] | None:
    """ReplaceNetworkAclAssociation: an unknown association has an error code of its own."""
    association_id = params["AssociationId"]
    if not any(association_id in acl._associations for acl in account.backend("ec2").network_acls.values()):
        raise AwsError("InvalidAssociationID.NotFound", f"The association ID '{association_id}' does not exist")
    account.backend("ec2").get_network_acl(params["NetworkAclId"])
    return None


class Unshared:
    """Prefix lists of another account that are no longer shared with this one; what names them still does."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def add(self, prefix_list_id: str) -> None:
        """Stop sharing a list: routes and rules keep it, and EC2 does not find it any more."""
        self._account.backend("ec2").managed_prefix_lists.pop(prefix_list_id)


def get_managed_prefix_list_entries(account: Account, params: Params) -> dict[str, Any] | None:
    """GetManagedPrefixListEntries: a list that is not there has no entries in moto, and is an error in AWS."""
    prefix_list_id = params["PrefixListId"]
    if prefix_list_id not in account.backend("ec2").managed_prefix_lists:
        raise AwsError("InvalidPrefixListID.NotFound", f"The prefix list ID '{prefix_list_id}' does not exist")
    return None


def complete_peering(account: Account, _: Params, response: dict[str, Any]) -> None:
    """DescribeVpcPeeringConnections: both sides' blocks, secondary ones too; hidden from each other while pending."""
    for connection in response["VpcPeeringConnections"]:
        for side in ("RequesterVpcInfo", "AccepterVpcInfo"):
            info = connection.get(side, {})
            vpc = account.backend("ec2").vpcs.get(info.get("VpcId"))
            if vpc is not None:
                info["CidrBlockSet"] = [{"CidrBlock": cidr} for cidr in live_cidrs(vpc, ("associated",))]


HANDLERS: Handlers = {
    "ec2:AssociateRouteTable": associate_route_table,
    "ec2:ReplaceNetworkAclAssociation": replace_network_acl_association,
    "ec2:GetManagedPrefixListEntries": get_managed_prefix_list_entries,
}
PATCHES: Patches = {"ec2:DescribeVpcPeeringConnections": complete_peering}
