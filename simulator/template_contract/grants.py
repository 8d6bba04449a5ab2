"""What the template allows each role: one Grant per allowed action and resource."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from policy_sentry.querying.actions import get_action_data, get_actions_for_service

from simulator.template_contract.application import PSEUDO_PARAMETERS, as_list, named, properties

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

OPTIONAL = {
    "BatchInputBuckets": "arn:aws:s3:::${BucketName}",
    "BatchOutputBuckets": "arn:aws:s3:::${BucketName}",
    "BatchBucketKeys": "arn:aws:kms:eu-central-1:123456789012:key/${BatchBucketKeys}",
    "BatchPassRoles": "arn:aws:iam::123456789012:role/${BatchPassRoles}",
    "BatchTaskDefinitions": "arn:aws:ecs:eu-central-1:123456789012:task-definition/${BatchTaskDefinitions}",
    "FlowLogBucketKeys": "arn:aws:kms:eu-central-1:123456789012:key/${FlowLogBucketKeys}",
    "FlowLogBuckets": "arn:aws:s3:::${BucketName}",
    "CapacityCallerRoles": "${CapacityCallerRoles}",
    "TargetsHostedZones": "arn:aws:route53:::hostedzone/${TargetsHostedZones}",
    "TargetsPodSecurityGroups": "${TargetsPodSecurityGroups}",
    "TargetsPodSubnets": "${TargetsPodSubnets}",
}
"""Parameters that grant more than the defaults do, with a value in which each name stands for itself."""

WHATEVER_ITS_TAGS = {
    ("ec2:AssociateRouteTable", "route-table"): "that of a sibling subnet; the new subnet must be Berthmaster's own",
    (
        "ec2:ReplaceNetworkAclAssociation",
        "network-acl",
    ): "that of a sibling subnet; the new subnet must be Berthmaster's own",
    ("ec2:CreateNetworkInterface", "security-group"): "the VPC's default one, for the canary only",
    ("ec2:AuthorizeSecurityGroupEgress", "security-group-rule"): "of a tagged group, which is asked as well",
    ("ec2:AuthorizeSecurityGroupIngress", "security-group-rule"): "of a tagged group, which is asked as well",
    ("ec2:ModifySecurityGroupRules", "security-group-rule"): "of a tagged group, which is asked as well",
    ("ec2:ModifySecurityGroupRules", "prefix-list"): "named by a rule of a tagged group, and not changed",
    ("ec2:CreateSecurityGroup", "vpc"): "any; the new group must be Berthmaster's own",
    ("ec2:AssociateVpcCidrBlock", "ipam-pool"): "the one pool that `CapacityIpamPool` names",
    ("scheduler:UpdateSchedule", "schedule"): "a schedule has no tags; the function checks those of its group",
    ("ecs:RunTask", "task-definition"): "the families that `BatchTaskDefinitions` names",
    ("kms:Decrypt", "key"): "as below",
    ("kms:GenerateDataKey", "key"): "the keys that `BatchBucketKeys` names, for objects in S3",
    ("s3:DeleteObject", "${BucketName}"): "what attempts have written in the buckets that `BatchOutputBuckets` names",
    ("s3:PutObject", "${BucketName}"): "the buckets that `BatchOutputBuckets` names",
    ("ecs:StopTask", "task"): "a task that an operator requested to drain, after it has drained",
    ("route53:ChangeResourceRecordSets", "hostedzone"): "the zones that `TargetsHostedZones` names; Cloud Map calls it",
}
"""Writes on others' resources that no tag narrows, and which resources they reach."""

IMPLIED = {
    "ec2:CreateTags": "calls that create something with tags",
    "ecs:TagResource": "RunTask with tags",
    "iam:PassRole": "PutTargets and UpdateSchedule with a RoleArn, and RunTask",
    "kms:Decrypt": "DynamoDB, SQS, SNS and S3, with the permissions of their caller",
    "kms:DescribeKey": "as above",
    "kms:Encrypt": "as above",
    "kms:GenerateDataKey": "as above",
    "kms:GenerateDataKey*": "as above",
    "kms:ReEncrypt*": "as above",
    "logs:CreateLogStream": "Lambda, for what the function prints",
    "logs:PutLogEvents": "as above",
    "route53:ChangeResourceRecordSets": "Cloud Map, if a service has DNS records",
    "sqs:DeleteMessage": "Lambda, which polls the queue with the function's role",
    "sqs:GetQueueAttributes": "as above",
    "sqs:ReceiveMessage": "as above",
    "sqs:SendMessage": "Lambda, which reports an asynchronous invocation that failed",
}
"""Actions that no code of a function calls, and what needs them."""


REGION, ACCOUNT = PSEUDO_PARAMETERS["AWS::Region"], PSEUDO_PARAMETERS["AWS::AccountId"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One action on one resource; `condition` is IAM's, operator to key to value.

    by_lambda_only: the role denies it to the code of functions, so that only Lambda itself can use it.
    """

    sid: str
    action: str
    resource: str
    condition: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    by_lambda_only: bool = False

    @property
    def service(self) -> str:
        """IAM's prefix of the service, as in `ec2`."""
        return self.action.partition(":")[0]

    @property
    def resource_type(self) -> str:
        """The type of resource in an ARN: `vpc` in `arn:aws:ec2:…:vpc/*`."""
        return self.resource.split(":", 5)[-1].partition("/")[0]

    @property
    def is_in_stack(self) -> bool:
        """Whether it reaches only a resource of the template."""
        return self.resource.startswith("${")

    @property
    def actions(self) -> frozenset[str]:
        """Its action, with wildcards expanded to AWS's actions; empty if AWS has no such action."""
        name = self.action.partition(":")[2].lower()
        known = get_actions_for_service(self.service)
        return frozenset(one for one in known if fnmatchcase(one.partition(":")[2].lower(), name))

    @property
    def changes_something(self) -> bool:
        """Whether any of its actions does more than read."""
        return any(access_level(action) not in {"Read", "List"} for action in self.actions)

    @property
    def changes_others(self) -> bool:
        """Whether a function can change with it what is not a resource of the template."""
        return self.changes_something and not self.is_in_stack and not self.by_lambda_only

    @property
    def condition_keys(self) -> tuple[str, ...]:
        """The keys in its condition."""
        return tuple(key for keys in self.condition.values() for key in keys)


def granted(holder: str, given: Mapping[str, str] = OPTIONAL) -> list[Grant]:
    """All that a role, or the role of a function or a schedule, allows with the `given` parameters."""
    if "AssumeRolePolicyDocument" in properties(holder):
        role = holder
    else:
        role = named(properties(holder).get("Role") or properties(holder)["Target"]["RoleArn"])
    return list(_grants_of(role, given))


def access_level(action: str) -> str:
    """IAM's access level: Read, List, Write, Tagging or Permissions management."""
    service, _, name = action.partition(":")
    return str(get_action_data(service, name)[service][0]["access_level"])


def _grants_of(role: str, given: Mapping[str, str]) -> Iterator[Grant]:
    attached = properties(role, **given)
    managed = [properties(named(policy), **given) for policy in attached.get("ManagedPolicyArns", ())]
    policies = [*managed, *attached.get("Policies", ())]
    statements = [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]
    denied = {action for one in statements if one["Effect"] == "Deny" for action in _denied_to_code(one)}
    for statement in [one for one in statements if one["Effect"] == "Allow"]:
        for action in as_list(statement["Action"]):
            for resource in as_list(statement["Resource"]):
                yield Grant(
                    sid=statement["Sid"],
                    action=action,
                    resource=resource,
                    condition=statement.get("Condition", {}),
                    by_lambda_only=action in denied,
                )


def _denied_to_code(statement: Mapping[str, Any]) -> list[str]:
    """The actions that a statement denies to the code of every function; Lambda's own requests lack the key."""
    functions = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:*"
    is_for_all = statement["Condition"] == {"ArnLike": {"lambda:SourceFunctionArn": functions}}
    return as_list(statement["Action"]) if is_for_all and statement["Resource"] == "*" else []
