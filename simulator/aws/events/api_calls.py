"""Calls of EC2's API, as CloudTrail has EventBridge know of them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from moto.moto_api._internal import mock_random

if TYPE_CHECKING:
    from simulator.account import Account


def api_called(account: Account, operation: str, **detail: Any) -> dict[str, Any]:
    """AWS API Call via CloudTrail of a call of EC2 by a node, now; `detail` adds to it."""
    role = f"arn:aws:iam::{account.account_id}:role/node"
    return {
        "source": "aws.ec2",
        "detail-type": "AWS API Call via CloudTrail",
        "detail": {
            "eventVersion": "1.09",
            "userIdentity": {
                "type": "AssumedRole",
                "accountId": account.account_id,
                "arn": f"arn:aws:sts::{account.account_id}:assumed-role/node/i-0123456789abcdef0",
                "sessionContext": {"sessionIssuer": {"type": "Role", "arn": role, "userName": "node"}},
            },
            "eventTime": account.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "eventSource": "ec2.amazonaws.com",
            "eventName": operation,
            "awsRegion": account.region,
            "sourceIPAddress": "10.0.0.10",
            "userAgent": "amazon-vpc-cni-k8s",
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


def _uuid() -> str:
    return str(uuid.UUID(int=mock_random.getrandbits(128), version=4))
