"""A rule as EC2's calls take it, and the AWS CLI likewise."""

from ipaddress import IPv4Network, IPv6Network
from typing import Any

from berthmaster.security_groups.model.rules import (
    ANY,
    ICMP,
    ICMPV6,
    TCP,
    UDP,
    GroupReference,
    Peer,
    PrefixListReference,
    Rule,
)

_NAMES = {ANY: "-1", TCP: "tcp", UDP: "udp", ICMP: "icmp", ICMPV6: "icmpv6"}
_RESERVED = "aws:"
"""How keys of tags begin that only AWS may set."""


def rule_request(rule: Rule, peer: Peer) -> dict[str, Any]:
    """A `SecurityGroupRule` of ModifySecurityGroupRules: the rule with a peer. What is left out is dropped."""
    text = {"Description": rule.description} if rule.description else {}
    match peer:
        case IPv4Network():
            return {**_traffic(rule), "CidrIpv4": str(peer), **text}
        case IPv6Network():
            return {**_traffic(rule), "CidrIpv6": str(peer), **text}
        case GroupReference(group=group):
            return {**_traffic(rule), "ReferencedGroupId": group, **text}
        case PrefixListReference(prefix_list=prefix_list):
            return {**_traffic(rule), "PrefixListId": prefix_list, **text}


def permission(rule: Rule) -> dict[str, Any]:
    """An `IpPermission` of AuthorizeSecurityGroup*."""
    return {**_traffic(rule), **_peers(rule)}


def tags_of(rule: Rule) -> list[dict[str, str]]:
    """The tags that a rule can be given."""
    return [{"Key": key, "Value": value} for key, value in rule.tags if not key.startswith(_RESERVED)]


def _traffic(rule: Rule) -> dict[str, Any]:
    """Protocol and ports, or ICMP type and code; EC2 has neither for other protocols."""
    found: dict[str, Any] = {"IpProtocol": _NAMES.get(rule.protocol, str(rule.protocol))}
    if rule.protocol in {TCP, UDP}:
        return found | {"FromPort": rule.ports[0], "ToPort": rule.ports[1]}
    if rule.protocol in {ICMP, ICMPV6}:
        return found | {"FromPort": rule.icmp[0], "ToPort": rule.icmp[1]}
    return found


def _peers(rule: Rule) -> dict[str, Any]:
    text = {"Description": rule.description} if rule.description else {}
    match rule.peer:
        case IPv4Network():
            return {"IpRanges": [{"CidrIp": str(rule.peer), **text}]}
        case IPv6Network():
            return {"Ipv6Ranges": [{"CidrIpv6": str(rule.peer), **text}]}
        case GroupReference(group=group, owner=owner):
            # EC2 finds the peering itself.
            account = {"UserId": owner} if owner else {}
            return {"UserIdGroupPairs": [{"GroupId": group, **account, **text}]}
        case PrefixListReference(prefix_list=prefix_list):
            return {"PrefixListIds": [{"PrefixListId": prefix_list, **text}]}
