"""Rules of security groups: changed in place, revoked, and made again. Each call is about one rule, by its id.

What EC2 refuses is an outcome, by its exact code: whoever has called reads the group again and decides anew. What may
succeed a little later is raised.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from berthmaster.errors import code_of, is_denied, is_transient
from berthmaster.security_groups.model.rules import Direction, Peer, Rule
from berthmaster.security_groups.plan.rule_requests import permission, rule_request, tags_of

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client


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
    """EC2 does not change such a rule."""
    OTHER = "other"
    """Refused for a reason that says nothing of the rule, such as a token that has expired."""


_OUTCOMES = {
    "InvalidPermission.Duplicate": Outcome.DUPLICATE,
    "InvalidSecurityGroupRuleId.NotFound": Outcome.NO_RULE,
    "InvalidPermission.NotFound": Outcome.NO_RULE,
    "InvalidGroup.NotFound": Outcome.NOT_FOUND,
    "InvalidSecurityGroupID.NotFound": Outcome.NOT_FOUND,
    "InvalidPrefixListID.NotFound": Outcome.NOT_FOUND,
    "RulesPerSecurityGroupLimitExceeded": Outcome.FULL,
    "InvalidParameterCombination": Outcome.REFUSED,
    "InvalidParameterValue": Outcome.REFUSED,
    "OperationNotPermitted": Outcome.REFUSED,
    "UnsupportedOperation": Outcome.REFUSED,
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
        wanted: Any = rule_request(rule, peer)
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
        given: Any = {"GroupId": rule.group, "IpPermissions": [permission(rule)]}
        if tags := tags_of(rule):
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
        outcome = Outcome.DENIED if is_denied(error) else _OUTCOMES.get(code, Outcome.OTHER)
        return Written(outcome, f"{code}: {error.response.get('Error', {}).get('Message', '')}")
    made = answer.get("SecurityGroupRules", [])
    return Written(Outcome.DONE, rule_id=made[0]["SecurityGroupRuleId"] if made else "")
