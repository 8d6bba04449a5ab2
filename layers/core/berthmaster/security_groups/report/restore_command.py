"""The command of the AWS CLI by which a person restores a rule, without Berthmaster."""

import json
import shlex
from typing import Any

from berthmaster.security_groups.model.removals import Removal
from berthmaster.security_groups.model.rules import Direction, Rule
from berthmaster.security_groups.plan.rule_requests import permission, rule_request, tags_of


def restore_command(removal: Removal, region: str) -> str:
    """Of a rule in quarantine, its change in place; of one that was revoked, how it is made again."""
    rule = removal.rule
    if removal.revoke_intended_at is None:
        change = {"SecurityGroupRuleId": rule.id, "SecurityGroupRule": rule_request(rule, rule.peer)}
        return f"{_call('modify-security-group-rules', rule, region)} --security-group-rules {_json([change])}"
    operation = "ingress" if rule.direction is Direction.INGRESS else "egress"
    command = _call(f"authorize-security-group-{operation}", rule, region)
    command += f" --ip-permissions {_json([permission(rule)])}"
    if tags := tags_of(rule):
        command += f" --tag-specifications {_json([{'ResourceType': 'security-group-rule', 'Tags': tags}])}"
    return command


def _call(operation: str, rule: Rule, region: str) -> str:
    return f"aws ec2 {operation} --region {region} --group-id {rule.group}"


def _json(value: Any) -> str:
    return shlex.quote(json.dumps(value))
