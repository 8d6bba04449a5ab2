"""The hottest calls without botocore's serialiser, endpoint rules and hooks, which cost more than the answers.

Parameters are still validated against the service model, and faults still send a call the whole way.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from botocore.client import BaseClient
from botocore.exceptions import ParamValidationError
from botocore.validate import ParamValidator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.botocore.interception import Interception

# Operations whose answer is seldom left to moto.
HOT = {
    "ec2:DescribeVpcs",
    "ec2:DescribeSubnets",
    "ec2:DescribeNetworkInterfaces",
    "ec2:GetSubnetCidrReservations",
    "ecs:ListClusters",
    "ecs:ListServices",
    "ecs:DescribeServices",
    "ecs:DescribeTaskDefinition",
    "ecs:DescribeTasks",
    "ecs:ListTasks",
    "elbv2:RegisterTargets",
    "elbv2:DeregisterTargets",
    "elbv2:DescribeTargetHealth",
    "elbv2:DescribeTargetGroups",
    "elbv2:DescribeTargetGroupAttributes",
    "resourcegroupstaggingapi:GetResources",
    "service-quotas:GetServiceQuota",
    "servicediscovery:DiscoverInstances",
    "servicediscovery:GetInstance",
    "servicediscovery:GetOperation",
    "servicediscovery:GetService",
    "servicediscovery:ListInstances",
    "dynamodb:BatchGetItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:TransactWriteItems",
    "dynamodb:UpdateItem",
}

_validator = ParamValidator()
_whole_way = BaseClient._make_api_call  # type: ignore[attr-defined]


@contextmanager
def short_cut(interception: Interception) -> Iterator[None]:
    """Answer hot calls at once, in every client."""

    def make_api_call(client: Any, operation_name: str, api_params: dict[str, Any]) -> Any:
        model = client._service_model.operation_model(operation_name)
        name = f"{model.service_model.service_name}:{operation_name}"
        if name not in HOT or not interception.may_answer_at_once(name):
            return _whole_way(client, operation_name, api_params)
        report = _validator.validate(api_params, model.input_shape)
        if report.has_errors():
            raise ParamValidationError(report=report.generate_report())
        answer = interception.answer_at_once(client, model, api_params)
        return _whole_way(client, operation_name, api_params) if answer is None else answer

    with patch.object(BaseClient, "_make_api_call", make_api_call):
        yield
