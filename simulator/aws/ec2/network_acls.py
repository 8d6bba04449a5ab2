"""Network ACLs: what that of a subnet refuses, packet by packet. Moto keeps the entries and applies them to nothing.

Source: "Network ACLs" of the VPC User Guide.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulator.account import Account, Params, Parsed, Patches

ANY = -1
ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58
CHANGES = (
    "CreateNetworkAclEntry",
    "DeleteNetworkAclEntry",
    "ReplaceNetworkAclEntry",
    "ReplaceNetworkAclAssociation",
)
"""EC2's operations after which packets may be refused that were not."""


def refuses(
    account: Account,
    subnet_id: str,
    peer: str,
    *,
    is_ingress: bool,
    protocol: int,
    port: int,
    icmp: tuple[int, int] = (ANY, ANY),
) -> bool:
    """Whether the ACL of a subnet refuses a packet from or to an address outside: the first entry that matches decides.

    port: of the destination.
    """
    acl = acl_of(account, subnet_id)
    entries = [one for one in acl.network_acl_entries if bool(one.egress) is not is_ingress]
    for entry in sorted(entries, key=lambda one: int(one.rule_number)):
        if _matches(entry, peer, protocol, port, icmp):
            return bool(entry.rule_action != "allow")
    return True


def acl_of(account: Account, subnet_id: str) -> Any:
    """The ACL (moto's) of a subnet."""
    acls = account.backend("ec2").network_acls.values()
    return next(acl for acl in acls for one in acl.associations if one.subnet_id == subnet_id)


def _matches(entry: Any, peer: str, protocol: int, port: int, icmp: tuple[int, int]) -> bool:
    if not _contains(entry.cidr_block or entry.ipv6_cidr_block, peer):
        return False
    if int(entry.protocol) == ANY:
        return True
    if int(entry.protocol) != protocol:
        return False
    if protocol in (TCP, UDP):
        return bool(int(entry.port_range_from) <= port <= int(entry.port_range_to))
    if protocol in (ICMP, ICMPV6):
        asked = zip((entry.icmp_type, entry.icmp_code), icmp, strict=True)
        return all(wanted is None or int(wanted) in (ANY, had) for wanted, had in asked)
    return True


@lru_cache(maxsize=1 << 16)
def _contains(cidr: str, address: str) -> bool:
    network, found = ip_network(cidr, strict=False), ip_address(address)
    return network.version == found.version and found in network


def _allow_ipv6(account: Account, params: Params, answer: Parsed) -> None:
    """Who gives a VPC an IPv6 block gives its default ACL two entries for that."""
    if not (params.get("AmazonProvidedIpv6CidrBlock") or "Ipv6CidrBlock" in params):
        return
    vpc_id = params.get("VpcId") or answer["Vpc"]["VpcId"]
    ec2 = account.backend("ec2")
    default = next(acl for acl in ec2.network_acls.values() if acl.default and acl.vpc_id == vpc_id)
    if any(one.ipv6_cidr_block for one in default.network_acl_entries):
        return
    for number, action in ((101, "allow"), (32768, "deny")):
        for egress in (True, False):
            ec2.create_network_acl_entry(
                network_acl_id=default.id,
                rule_number=number,
                protocol=str(ANY),
                rule_action=action,
                egress=egress,
                cidr_block=None,
                icmp_code=None,
                icmp_type=None,
                port_range_from=None,
                port_range_to=None,
                ipv6_cidr_block="::/0",
            )


def _keep_icmp(account: Account, params: Params, _: Parsed) -> None:
    """Moto looks for type and code of ICMP by another name than botocore sends them by."""
    asked = params.get("IcmpTypeCode", {})
    acl = account.backend("ec2").network_acls[params["NetworkAclId"]]
    for entry in acl.network_acl_entries:
        if (int(entry.rule_number), bool(entry.egress)) == (params["RuleNumber"], params["Egress"]):
            entry.icmp_type, entry.icmp_code = asked.get("Type"), asked.get("Code")


PATCHES: Patches = {
    "ec2:CreateVpc": _allow_ipv6,
    "ec2:AssociateVpcCidrBlock": _allow_ipv6,
    "ec2:CreateNetworkAclEntry": _keep_icmp,
    "ec2:ReplaceNetworkAclEntry": _keep_icmp,
}
