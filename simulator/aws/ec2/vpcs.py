"""VPCs and their CIDR blocks: association with AWS's rules, states and delays."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from moto.ec2.utils import random_vpc_cidr_association_id

from simulator.aws.ec2.association_rules import VpcNetwork, overlap, refusal, span
from simulator.aws.ec2.filters import select
from simulator.aws.ec2.ipam import Ipam
from simulator.aws.ec2.lookup import subnets_of, tag_list, tags_of
from simulator.aws.service_quotas.quotas import Quotas
from simulator.calls import caller
from simulator.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.account import Account, Handlers, Params


LIVE = ("associating", "associated")
CIDRS_PER_VPC = "L-83CA0A9D"
ROUTES_PER_TABLE = "L-93826ACB"
GONE_AFTER = 60.0


class Associations:
    """How CIDR blocks are associated.

    delay: seconds for which one stays `associating` or `disassociating`. made_by: who called, by association id, which
    AWS itself does not tell.
    """

    def __init__(self, _: Account) -> None:
        self.delay = 20.0
        self.made_by: dict[str, str] = {}


FIELDS = {
    "vpc-id": lambda vpc: [vpc.id],
    "state": lambda vpc: [vpc.state],
    "cidr": lambda vpc: [vpc.cidr_block],
    "is-default": lambda vpc: [str(vpc.is_default).lower()],
    "owner-id": lambda vpc: [vpc.owner_id],
    "cidr-block-association.cidr-block": lambda vpc: [item["cidr_block"] for item in vpc.cidr_block_association_set],
    "cidr-block-association.association-id": lambda vpc: [
        item["association_id"] for item in vpc.cidr_block_association_set
    ],
    "cidr-block-association.state": lambda vpc: [
        item["cidr_block_state"]["state"] for item in vpc.cidr_block_association_set
    ],
}


def describe_vpcs(account: Account, params: Params) -> dict[str, Any]:
    """DescribeVpcs, from moto's state."""
    ec2 = account.backend("ec2")
    wanted = params.get("VpcIds", [])
    for vpc_id in wanted:
        ec2.get_vpc(vpc_id)
    vpcs = [ec2.vpcs[vpc_id] for vpc_id in wanted] if wanted else ec2.vpcs.values()
    chosen = select(vpcs, params.get("Filters", []), FIELDS, lambda vpc: tags_of(account, vpc.id))
    return {"Vpcs": [_described(account, vpc) for vpc in chosen]}


def owner_of(vpc: Any) -> str:
    """The account that owns a VPC (a moto VPC): another one, if a test says that it shares the VPC's subnets."""
    owner: str = getattr(vpc, "shared_by", vpc.owner_id)
    return owner


def _described(account: Account, vpc: Any) -> dict[str, Any]:
    described = {
        "OwnerId": owner_of(vpc),
        "InstanceTenancy": vpc.instance_tenancy,
        "Ipv6CidrBlockAssociationSet": [
            {
                "AssociationId": item["association_id"],
                "Ipv6CidrBlock": item["cidr_block"],
                "Ipv6CidrBlockState": {"State": item["cidr_block_state"]["state"]},
                "NetworkBorderGroup": item["ipv6_cidr_block_network_border_group"],
                "Ipv6Pool": item["ipv6_pool"],
            }
            for item in vpc.get_cidr_block_association_set(ipv6=True)
        ],
        "CidrBlockAssociationSet": [_association(item) for item in vpc.cidr_block_association_set],
        "IsDefault": vpc.is_default,
        "VpcId": vpc.id,
        "State": vpc.state,
        "CidrBlock": vpc.cidr_block,
        "DhcpOptionsId": vpc.dhcp_options_id,
    }
    if tags := tag_list(account, vpc.id):
        described["Tags"] = tags
    return described


def _association(item: Mapping[str, Any]) -> dict[str, Any]:
    state = {"State": item["cidr_block_state"]["state"]}
    if message := item["cidr_block_state"].get("StatusMessage"):
        state["StatusMessage"] = message
    return {"AssociationId": item["association_id"], "CidrBlock": item["cidr_block"], "CidrBlockState": state}


def associate_vpc_cidr_block(account: Account, params: Params) -> dict[str, Any] | None:
    """AssociateVpcCidrBlock for IPv4: refused by AWS's rules, else `associating` and, later, `associated` or `failed`.

    Neither DryRun nor a client token exists for this operation; IPv6 requests are moto's.
    """
    if params.get("AmazonProvidedIpv6CidrBlock") or "Ipv6CidrBlock" in params:
        return None
    vpc = account.backend("ec2").get_vpc(params["VpcId"])
    cidr = _requested_cidr(account, vpc, params)
    if refused := refusal(cidr, network_of(account, vpc)):
        raise AwsError(refused.code, refused.message)
    if any(len(table.routes) >= account.state(Quotas).value(ROUTES_PER_TABLE) for table in _tables(account, vpc)):
        raise AwsError("RouteLimitExceeded", "A route table of the VPC has met its maximum number of routes.")
    if "Ipv4IpamPoolId" in params:
        tags = tags_of(account, vpc.id)
        account.state(Ipam).allocate_to_vpc(params["Ipv4IpamPoolId"], cidr, vpc.id, tags)
    association_id: str = random_vpc_cidr_association_id()
    item = {
        "association_id": association_id,
        "cidr_block": cidr,
        "cidr_block_state": {"state": "associating", "StatusMessage": None},
    }
    vpc._cidr_block_association_set[association_id] = item
    account.state(Associations).made_by[association_id] = caller()
    _progress(account, vpc, item)
    return {"CidrBlockAssociation": _association(item), "VpcId": vpc.id}


def network_of(account: Account, vpc: Any) -> VpcNetwork:
    """What the association rules need to know of a VPC (a moto VPC)."""
    peerings = [pcx for pcx in account.backend("ec2").vpc_pcxs.values() if vpc.id in (pcx.vpc.id, pcx.peer_vpc.id)]
    return VpcNetwork(
        cidrs=live_cidrs(vpc),
        destinations=_destinations(account, vpc),
        peers=tuple(
            cidr
            for pcx in peerings
            if pcx._status.code == "active"
            for cidr in live_cidrs(pcx.peer_vpc if pcx.vpc.id == vpc.id else pcx.vpc)
        ),
        requested_peering=any(pcx._status.code == "pending-acceptance" and pcx.vpc.id == vpc.id for pcx in peerings),
        quota=int(account.state(Quotas).value(CIDRS_PER_VPC)),
    )


def live_cidrs(vpc: Any, states: tuple[str, ...] = LIVE) -> tuple[str, ...]:
    """The IPv4 blocks of a VPC in one of the given states, the primary one first."""
    return tuple(
        item["cidr_block"] for item in vpc.cidr_block_association_set if item["cidr_block_state"]["state"] in states
    )


def _requested_cidr(account: Account, vpc: Any, params: Params) -> str:
    if "Ipv4IpamPoolId" in params and "CidrBlock" not in params:
        length = params.get("Ipv4NetmaskLength")
        if length is None:
            raise AwsError(
                "MissingParameter", "Either CidrBlock or Ipv4NetmaskLength must be given with Ipv4IpamPoolId."
            )
        return account.state(Ipam).next_cidr(params["Ipv4IpamPoolId"], length, taken=live_cidrs(vpc))
    if "CidrBlock" in params and "Ipv4NetmaskLength" in params:
        raise AwsError("InvalidParameterCombination", "CidrBlock and Ipv4NetmaskLength may not be given together.")
    if "CidrBlock" not in params:
        raise AwsError("MissingParameter", "The request must contain the parameter CidrBlock")
    try:
        return str(ipaddress.IPv4Network(params["CidrBlock"], strict=False))
    except ValueError:
        message = f"Value ({params['CidrBlock']}) for parameter cidrBlock is invalid. This is not a valid CIDR block."
        raise AwsError("InvalidParameterValue", message) from None


def _tables(account: Account, vpc: Any) -> list[Any]:
    return [table for table in account.backend("ec2").route_tables.values() if table.vpc_id == vpc.id]


def _destinations(account: Account, vpc: Any) -> tuple[str, ...]:
    found: list[str] = []
    for table in _tables(account, vpc):
        for route in table.routes:
            if route.local:
                continue
            if route.destination_cidr_block:
                found.append(route.destination_cidr_block)
            if route.destination_prefix_list:
                versions = list(route.destination_prefix_list.entries.values())
                found.extend(entry["Cidr"] for entry in (versions[-1] if versions else []) if ":" not in entry["Cidr"])
    return tuple(found)


def _progress(account: Account, vpc: Any, item: dict[str, Any]) -> None:
    state = item["cidr_block_state"]

    def settle() -> None:
        if state["state"] != "associating":
            return
        state["state"] = "associated"
        for table in list(account.backend("ec2").route_tables.values()):
            if table.vpc_id == vpc.id:
                account.backend("ec2").create_route(table.id, item["cidr_block"], local=True)

    def fail() -> None:
        state["state"] = "failed"

    if message := account.faults.next_association_failure():
        state.update(state="failing", StatusMessage=message)
        account.later(account.state(Associations).delay, fail)
    else:
        account.later(account.state(Associations).delay, settle)


def disassociate_vpc_cidr_block(account: Account, params: Params) -> dict[str, Any] | None:
    """DisassociateVpcCidrBlock: refused for the primary block and while a subnet lies in the block."""
    association_id = params["AssociationId"]
    for vpc in account.backend("ec2").vpcs.values():
        item = vpc._cidr_block_association_set.get(association_id)
        if item and "." in item["cidr_block"]:
            return _disassociate(account, vpc, item)
    return None


def _disassociate(account: Account, vpc: Any, item: dict[str, Any]) -> dict[str, Any]:
    primary = next(iter(vpc._cidr_block_association_set))
    if item["association_id"] == primary:
        message = (
            f"The vpc CIDR block with association ID {primary} may not be disassociated. It is the primary IPv4 CIDR "
        )
        raise AwsError("OperationNotPermitted", message + "block of the VPC")
    block = span(item["cidr_block"])
    state = item["cidr_block_state"]
    if state["state"] in LIVE and any(
        overlap(span(subnet.cidr_block), block) for subnet in subnets_of(account, vpc.id)
    ):
        message = f"The CIDR block '{item['cidr_block']}' has dependencies and cannot be disassociated."
        raise AwsError("DependencyViolation", message)
    state["state"] = "disassociating"
    described = _association(item)

    def settle() -> None:
        state["state"] = "disassociated"
        for table in account.backend("ec2").route_tables.values():
            if table.vpc_id == vpc.id:
                for route_id, route in list(table._routes.items()):
                    if route.local and route.destination_cidr_block == item["cidr_block"]:
                        del table._routes[route_id]
        account.state(Ipam).release_resource(item["cidr_block"], vpc.id)
        account.later(GONE_AFTER, lambda: vpc._cidr_block_association_set.pop(item["association_id"], None))

    account.later(account.state(Associations).delay, settle)
    return {"CidrBlockAssociation": described, "VpcId": vpc.id}


HANDLERS: Handlers = {
    "ec2:DescribeVpcs": describe_vpcs,
    "ec2:AssociateVpcCidrBlock": associate_vpc_cidr_block,
    "ec2:DisassociateVpcCidrBlock": disassociate_vpc_cidr_block,
}
