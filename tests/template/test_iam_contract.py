"""Each call of a function is granted, and each grant is used, in scenarios that make every call."""

import functools
import json
from collections.abc import Mapping

import pytest

from simulator.calls import Call
from simulator.template_contract.application import FUNCTIONS
from simulator.template_contract.grants import IMPLIED, granted
from tests.template.batch_calls import batch_calls
from tests.template.capacity_calls import capacity_calls
from tests.template.pods_calls import pods_calls
from tests.template.security_groups_calls import security_groups_calls
from tests.template.targets_calls import targets_calls

PREFIXES = {
    "autoscaling": "autoscaling",
    "batch": "batch",
    "codebuild": "codebuild",
    "cloudformation": "cloudformation",
    "dynamodb": "dynamodb",
    "ec2": "ec2",
    "ecs": "ecs",
    "eks": "eks",
    "elasticache": "elasticache",
    "elbv2": "elasticloadbalancing",
    "events": "events",
    "lambda": "lambda",
    "rds": "rds",
    "resourcegroupstaggingapi": "tag",
    "s3": "s3",
    "scheduler": "scheduler",
    "service-quotas": "servicequotas",
    "servicediscovery": "servicediscovery",
    "sns": "sns",
    "sqs": "sqs",
    "ssm": "ssm",
    "stepfunctions": "states",
    "sts": "sts",
}
"""IAM's name of each service, by boto3's."""

AUTHORISED_AS = {
    "Invoke": "InvokeFunction",
    "CopyObject": "PutObject",
    "DeleteObjects": "DeleteObject",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "HeadBucket": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
}
"""Calls that IAM authorises by another action."""

CREATIONS = frozenset({"ec2:CreateSubnet", "ec2:CreateNetworkInterface"})
"""Calls whose grant depends on the tags in the request."""


def authorised_as(call: Call) -> tuple[str, ...]:
    """The actions that IAM authorises a call by."""
    if call.operation == "HeadObject":
        # Who may not list the bucket is not told that there is no such object: 403 instead of 404.
        return ("GetObjectVersion" if "VersionId" in call.params else "GetObject", "ListBucket")
    if call.operation == "TransactWriteItems":
        return tuple({f"{action}Item" for write in call.params["TransactItems"] for action in write})
    return (AUTHORISED_AS.get(call.operation, call.operation),)


@functools.cache
def all_calls() -> Mapping[str, frozenset[tuple[str, str]]]:
    """Every call of each function, as (IAM action, parameters as JSON)."""
    calls = [*capacity_calls(), *targets_calls(), *pods_calls(), *batch_calls(), *security_groups_calls()]
    return {
        function: frozenset(
            (f"{PREFIXES[call.service]}:{action}", json.dumps(call.params, default=str))
            for call in calls
            if call.caller == function
            for action in authorised_as(call)
        )
        for function in FUNCTIONS
    }


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_call_is_granted(function: str) -> None:
    allowed = {action for grant in granted(function) for action in grant.actions}
    called = {action for action, _ in all_calls()[function]}
    assert called - allowed == set()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_grant_is_used_or_explained(function: str) -> None:
    called = {action for action, _ in all_calls()[function]}
    unused = {grant.action for grant in granted(function) if not grant.actions & called and not grant.by_lambda_only}
    assert unused - set(IMPLIED) == set()


def test_created_subnets_and_interfaces_have_the_tag_that_the_grant_demands() -> None:
    creations = [params for action, params in all_calls()["CapacityExpandFunction"] if action in CREATIONS]
    assert creations
    assert all("berthmaster:expansion" in params for params in creations)
