"""Rules of security groups: changed in place, revoked, and made again. Each call is about one rule, by its id.

What EC2 refuses is an outcome, by its exact code: whoever has called reads the group again and decides anew. What may
succeed a little later is raised.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from berthmaster.errors import code_of, is_denied, is_transient
from berthmaster.security_groups.model.rules import (
    ANY,
    ICMP,
    ICMPV6,
    TCP,
    UDP,
    Direction,
    GroupReference,
    Peer,
    PrefixListReference,
    Rule,
)

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

RESERVED = "aws:"
"""How keys of tags begin that only AWS may set."""
_NAMES = {ANY: "-1", TCP: "tcp", UDP: "udp", ICMP: "icmp", ICMPV6: "icmpv6"}


class Outcome(StrEnum):
    """What EC2 has made of a call."""

    DONE = "done"
    DUPLICATE = "duplicate"
    """The group has a rule that allows the same."""
    NO_RULE = "no rule"
    """The rule is not there."""
    NOT_FOUND = "not found"
    """The group is not there, or the group or prefix list that the rule would name."""
    FULL = "full"
    """The group may have no more rules."""
    DENIED = "denied"
    """The function may not: a permission is lacking, or the group is not tagged as managed."""
    REFUSED = "refused"
    """For another reason."""


_OUTCOMES = {
    "InvalidPermission.Duplicate": Outcome.DUPLICATE,
    "InvalidSecurityGroupRuleId.NotFound": Outcome.NO_RULE,
    "InvalidPermission.NotFound": Outcome.NO_RULE,
    "InvalidGroup.NotFound": Outcome.NOT_FOUND,
    "InvalidPrefixListID.NotFound": Outcome.NOT_FOUND,
    "RulesPerSecurityGroupLimitExceeded": Outcome.FULL,
}


@dataclass(frozen=True, slots=True)
class Written:
    """The outcome of a call. message: EC2's, with its code. rule_id: of the rule that was made."""

    outcome: Outcome
    message: str = ""
    rule_id: str = ""


class GroupRules:
    """Writes rules."""

    def __init__(self, ec2: "EC2Client") -> None:
        self._ec2 = ec2

    def give_peer(self, rule: Rule, peer: Peer) -> Written:
        """Change the peer of a rule in place; it stays of its kind. What is not sent is dropped: the description is."""
        text = {"Description": rule.description} if rule.description else {}
        wanted: Any = {**_traffic(rule), **_modified_peer(peer), **text}
        return _written(
            lambda: self._ec2.modify_security_group_rules(
                GroupId=rule.group,
                SecurityGroupRules=[{"SecurityGroupRuleId": rule.id, "SecurityGroupRule": wanted}],
            )
        )

    def revoke(self, rule: Rule) -> Written:
        """Take a rule out of its group."""
        call = (
            self._ec2.revoke_security_group_ingress
            if rule.direction is Direction.INGRESS
            else self._ec2.revoke_security_group_egress
        )
        return _written(lambda: call(GroupId=rule.group, SecurityGroupRuleIds=[rule.id]))

    def make_again(self, rule: Rule) -> Written:
        """Make a rule as it was, with its description and tags; it has a new id."""
        permission: Any = {**_traffic(rule), **_permitted_peer(rule)}
        tags = [{"Key": key, "Value": value} for key, value in rule.tags if not key.startswith(RESERVED)]
        given: Any = {"GroupId": rule.group, "IpPermissions": [permission]}
        if tags:
            given["TagSpecifications"] = [{"ResourceType": "security-group-rule", "Tags": tags}]
        call: Any = (
            self._ec2.authorize_security_group_ingress
            if rule.direction is Direction.INGRESS
            else self._ec2.authorize_security_group_egress
        )
        return _written(lambda: call(**given))


def _written(call: Callable[[], Any]) -> Written:
    try:
        answer = call()
    except ClientError as error:
        if is_transient(error):
            raise
        code = code_of(error)
        outcome = Outcome.DENIED if is_denied(error) else _OUTCOMES.get(code, Outcome.REFUSED)
        return Written(outcome, f"{code}: {error.response.get('Error', {}).get('Message', '')}")
    made = answer.get("SecurityGroupRules", [])
    return Written(Outcome.DONE, rule_id=made[0]["SecurityGroupRuleId"] if made else "")


def _traffic(rule: Rule) -> dict[str, Any]:
    """Protocol and ports, or ICMP type and code; EC2 has neither for other protocols."""
    found: dict[str, Any] = {"IpProtocol": _NAMES.get(rule.protocol, str(rule.protocol))}
    if rule.protocol in {TCP, UDP}:
        return found | {"FromPort": rule.ports[0], "ToPort": rule.ports[1]}
    if rule.protocol in {ICMP, ICMPV6}:
        return found | {"FromPort": rule.icmp[0], "ToPort": rule.icmp[1]}
    return found


def _modified_peer(peer: Peer) -> dict[str, str]:
    match peer:
        case IPv4Network():
            return {"CidrIpv4": str(peer)}
        case IPv6Network():
            return {"CidrIpv6": str(peer)}
        case GroupReference():
            return {"ReferencedGroupId": peer.group}
        case PrefixListReference():
            return {"PrefixListId": peer.prefix_list}


def _permitted_peer(rule: Rule) -> dict[str, Any]:
    text = {"Description": rule.description} if rule.description else {}
    match rule.peer:
        case IPv4Network():
            return {"IpRanges": [{"CidrIp": str(rule.peer), **text}]}
        case IPv6Network():
            return {"Ipv6Ranges": [{"CidrIpv6": str(rule.peer), **text}]}
        case GroupReference(group=group, owner=owner, vpc=vpc, peering=peering):
            names = {"UserId": owner, "VpcId": vpc, "VpcPeeringConnectionId": peering}
            given = {name: value for name, value in names.items() if value}
            return {"UserIdGroupPairs": [{"GroupId": group, **given, **text}]}
        case PrefixListReference(prefix_list=prefix_list):
            return {"PrefixListIds": [{"PrefixListId": prefix_list, **text}]}
