"""What the template lets each function do: one Grant per allowed action and resource."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from policy_sentry.querying.actions import get_action_data, get_actions_for_service

from tests.template.application import OPTIONAL, as_list, named, properties, resources

ANYWHERE = {
    "xray:PutTraceSegments": "X-Ray has no resources",
    "xray:PutTelemetryRecords": "X-Ray has no resources",
}
"""Actions that write and that AWS lets nobody narrow to a resource."""

WHATEVER_ITS_TAGS = {
    ("ec2:AssociateRouteTable", "route-table"): "the sibling's; the subnet beside it must be Berthmaster's own",
    ("ec2:ReplaceNetworkAclAssociation", "network-acl"): "the sibling's; the subnet must be Berthmaster's own",
    ("ec2:CreateNetworkInterface", "security-group"): "the VPC's default one, on the canary only",
    ("ec2:AssociateVpcCidrBlock", "ipam-pool"): "the one pool that the operator names",
    ("scheduler:UpdateSchedule", "schedule"): "a schedule has no tags; the function checks those of its group",
    ("ecs:StopTask", "task"): "a task that an operator names, when it has drained",
    ("route53:ChangeResourceRecordSets", "hostedzone"): "the zones that the operator names; Cloud Map calls it",
}
"""Writes on others' resources that no tag narrows, and why that must be so."""

IMPLIED = {
    "iam:PassRole": "PutTargets and UpdateSchedule with a RoleArn",
    "kms:Decrypt": "DynamoDB, SQS and SNS in the role's name",
    "kms:DescribeKey": "as above",
    "kms:Encrypt": "as above",
    "kms:GenerateDataKey*": "as above",
    "kms:ReEncrypt*": "as above",
    "logs:CreateLogStream": "Lambda, for what the function prints",
    "logs:PutLogEvents": "as above",
    "route53:ChangeResourceRecordSets": "Cloud Map, where a service has DNS records",
    "sqs:DeleteMessage": "Lambda, which polls the queue in the role's name",
    "sqs:GetQueueAttributes": "as above",
    "sqs:ReceiveMessage": "as above",
    "sqs:SendMessage": "Lambda, which reports an asynchronous invocation that failed",
    "xray:PutTelemetryRecords": "Lambda, for its own segments",
    "xray:PutTraceSegments": "as above",
}
"""Actions that no code of a function calls, and what needs them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One action on one resource; `condition` is IAM's, operator to key to value."""

    sid: str
    action: str
    resource: str
    condition: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def service(self) -> str:
        """IAM's prefix of the service, as in `ec2`."""
        return self.action.partition(":")[0]

    @property
    def resource_type(self) -> str:
        """What kind of thing an ARN names: `arn:aws:ec2:…:vpc/*` is of `vpc`."""
        return self.resource.split(":", 5)[-1].partition("/")[0]

    @property
    def is_in_stack(self) -> bool:
        """Whether it reaches only what the template itself makes."""
        return self.resource.startswith("${")

    @property
    def actions(self) -> frozenset[str]:
        """Its action, with wildcards expanded to AWS's actions; empty if AWS has none of that name."""
        name = self.action.partition(":")[2].lower()
        known = get_actions_for_service(self.service)
        return frozenset(one for one in known if fnmatchcase(one.partition(":")[2].lower(), name))

    @property
    def changes_something(self) -> bool:
        """Whether any of its actions does more than read."""
        return any(access_level(action) not in {"Read", "List"} for action in self.actions)

    @property
    def condition_keys(self) -> tuple[str, ...]:
        """The keys its condition looks at."""
        return tuple(key for keys in self.condition.values() for key in keys)


def granted(holder: str, given: Iterable[str] = OPTIONAL) -> list[Grant]:
    """All that a role, or that of a function or a schedule, allows when an operator has `given` some parameters."""
    if "AssumeRolePolicyDocument" in properties(holder):
        role = holder
    else:
        role = named(properties(holder).get("Role") or properties(holder)["Target"]["RoleArn"])
    return list(_grants_of(resources(*given)[role]["Properties"]))


def access_level(action: str) -> str:
    """IAM's word: Read, List, Write, Tagging or Permissions management."""
    service, _, name = action.partition(":")
    return str(get_action_data(service, name)[service][0]["access_level"])


def _grants_of(role: Mapping[str, Any]) -> Iterator[Grant]:
    for policy in role["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            for action in as_list(statement["Action"]):
                for resource in as_list(statement["Resource"]):
                    yield Grant(
                        sid=statement["Sid"],
                        action=action,
                        resource=resource,
                        condition=statement.get("Condition", {}),
                    )
