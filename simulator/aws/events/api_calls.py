"""Calls of EC2's API, as CloudTrail has EventBridge know of them: what was done, and who did it with what."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moto.moto_api._internal import mock_random

from simulator.calls import OPERATOR, WORKLOAD, caller

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.account import Account


@dataclass(frozen=True)
class Principal:
    """Who makes a call: the name of a role, that of the session, and the user agent of the program.

    invoked_by: the service of AWS that makes it with that role, such as CloudFormation.
    """

    role: str
    session: str
    agent: str
    invoked_by: str = ""


NODE = Principal("node", "i-0123456789abcdef0", "amazon-vpc-cni-k8s")
PERSON = Principal(
    "AWSReservedSSO_Network_0123456789abcdef",
    "ann",
    "aws-cli/2.31.6 md/awscrt#0.27.6 ua/2.1 os/macos#24.6.0 lang/python#3.13.7 md/prompt#off",
)
TERRAFORM = Principal(
    "deployment",
    "aws-go-sdk-1764252000",
    "APN/1.0 HashiCorp/1.0 Terraform/1.13.4 terraform-provider-aws/6.15.0 aws-sdk-go-v2/1.39.2 os/linux lang/go#1.24.8",
)
CLOUDFORMATION = Principal(
    "deployment", "AWSCloudFormation", "cloudformation.amazonaws.com", "cloudformation.amazonaws.com"
)
LOAD_BALANCER_CONTROLLER = Principal(
    "AmazonEKSLoadBalancerControllerRole", "1764252000", "elbv2.k8s.aws/v2.14.0 aws-sdk-go-v2/1.39.2 os/linux"
)
FUNCTION_AGENT = "Boto3/1.40.4 md/Botocore#1.40.4 exec-env/AWS_Lambda_python3.13 os/linux lang/python#3.13 berthmaster"

_acting: ContextVar[Principal | None] = ContextVar("acting", default=None)


@contextmanager
def acting_as(principal: Principal) -> Iterator[None]:
    """Have the operator's calls made by another principal than PERSON."""
    token = _acting.set(principal)
    try:
        yield
    finally:
        _acting.reset(token)


class Functions:
    """The roles of deployed functions, by their logical ids, with the names of the functions as sessions."""

    def __init__(self, _: Account) -> None:
        self.principals: dict[str, Principal] = {}


def principal(account: Account) -> Principal:
    """Who is calling AWS now."""
    name = caller()
    if name == WORKLOAD:
        return NODE
    if name == OPERATOR:
        return _acting.get() or PERSON
    return account.state(Functions).principals.get(name) or Principal(name, name, FUNCTION_AGENT)


def api_called(account: Account, operation: str, **detail: Any) -> dict[str, Any]:
    """AWS API Call via CloudTrail of a call of EC2 by a node, now; `detail` adds to it."""
    return {
        "source": "aws.ec2",
        "detail-type": "AWS API Call via CloudTrail",
        "detail": {
            **called_by(account, NODE),
            "eventVersion": "1.09",
            "eventTime": account.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "eventSource": "ec2.amazonaws.com",
            "eventName": operation,
            "awsRegion": account.region,
            "requestParameters": None,
            "responseElements": None,
            "requestID": _uuid(),
            "eventID": _uuid(),
            "readOnly": False,
            "eventType": "AwsApiCall",
            "managementEvent": True,
            "recipientAccountId": account.account_id,
            "eventCategory": "Management",
            **detail,
        },
    }


def called_by(account: Account, who: Principal) -> dict[str, Any]:
    """The members of an event's detail that say who has called."""
    role = f"arn:aws:iam::{account.account_id}:role/{who.role}"
    invoked = {"invokedBy": who.invoked_by} if who.invoked_by else {}
    return {
        "userIdentity": {
            "type": "AssumedRole",
            "accountId": account.account_id,
            "arn": f"arn:aws:sts::{account.account_id}:assumed-role/{who.role}/{who.session}",
            "sessionContext": {"sessionIssuer": {"type": "Role", "arn": role, "userName": who.role}},
            **invoked,
        },
        "sourceIPAddress": who.invoked_by or "10.0.0.10",
        "userAgent": who.agent,
    }


def _uuid() -> str:
    return str(uuid.UUID(int=mock_random.getrandbits(128), version=4))
