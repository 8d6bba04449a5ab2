"""Rules of security groups: changed in place, revoked, and made again. Each call is about one rule, by its id."""

from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, Any

from berthmaster.security_groups.model.rules import ANY, ICMP, ICMPV6, TCP, UDP, Direction, GroupReference, Peer, Rule

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

RESERVED = "aws:"
"""How keys of tags begin that only AWS may set."""


class GroupRules:
    """Writes rules."""

    def __init__(self, ec2: "EC2Client") -> None:
        self._ec2 = ec2

    def give_peer(self, rule: Rule, rule_id: str, peer: Peer) -> None:
        """Change the peer of a rule in place; it stays of its kind. The description is sent, or EC2 would drop it."""
        wanted: Any = {**_traffic(rule), **_modified_peer(peer), "Description": rule.description}
        self._ec2.modify_security_group_rules(
            GroupId=rule.group,
            SecurityGroupRules=[{"SecurityGroupRuleId": rule_id, "SecurityGroupRule": wanted}],
        )

    def revoke(self, rule: Rule, rule_id: str) -> None:
        """Take a rule out of its group."""
        if rule.direction is Direction.INGRESS:
            self._ec2.revoke_security_group_ingress(GroupId=rule.group, SecurityGroupRuleIds=[rule_id])
        else:
            self._ec2.revoke_security_group_egress(GroupId=rule.group, SecurityGroupRuleIds=[rule_id])

    def make_again(self, rule: Rule) -> str:
        """Make a rule as it was, with its description and tags; returns its new id."""
        permission: Any = {**_traffic(rule), **_permitted_peer(rule)}
        tags = [{"Key": key, "Value": value} for key, value in rule.tags if not key.startswith(RESERVED)]
        given: Any = {"GroupId": rule.group, "IpPermissions": [permission]}
        if tags:
            given["TagSpecifications"] = [{"ResourceType": "security-group-rule", "Tags": tags}]
        if rule.direction is Direction.INGRESS:
            return self._ec2.authorize_security_group_ingress(**given)["SecurityGroupRules"][0]["SecurityGroupRuleId"]
        return self._ec2.authorize_security_group_egress(**given)["SecurityGroupRules"][0]["SecurityGroupRuleId"]


def _traffic(rule: Rule) -> dict[str, Any]:
    found: dict[str, Any] = {"IpProtocol": str(rule.protocol)}
    if rule.protocol in {TCP, UDP}:
        found |= {"FromPort": rule.ports[0], "ToPort": rule.ports[1]}
    elif rule.protocol in {ICMP, ICMPV6}:
        found |= {"FromPort": rule.icmp[0], "ToPort": rule.icmp[1]}
    else:
        found |= {"FromPort": ANY, "ToPort": ANY}
    return found


def _modified_peer(peer: Peer) -> dict[str, str]:
    if isinstance(peer, IPv4Network):
        return {"CidrIpv4": str(peer)}
    if isinstance(peer, IPv6Network):
        return {"CidrIpv6": str(peer)}
    if isinstance(peer, GroupReference):
        return {"ReferencedGroupId": peer.group}
    return {"PrefixListId": peer.prefix_list}


def _permitted_peer(rule: Rule) -> dict[str, Any]:
    peer = rule.peer
    text = {"Description": rule.description} if rule.description else {}
    if isinstance(peer, IPv4Network):
        return {"IpRanges": [{"CidrIp": str(peer), **text}]}
    if isinstance(peer, IPv6Network):
        return {"Ipv6Ranges": [{"CidrIpv6": str(peer), **text}]}
    if isinstance(peer, GroupReference):
        names = {"UserId": peer.owner, "VpcId": peer.vpc, "VpcPeeringConnectionId": peer.peering}
        return {
            "UserIdGroupPairs": [{"GroupId": peer.group, **{key: one for key, one in names.items() if one}, **text}]
        }
    return {"PrefixListIds": [{"PrefixListId": peer.prefix_list, **text}]}
