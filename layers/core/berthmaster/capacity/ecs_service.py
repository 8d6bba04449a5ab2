"""ECS services as DescribeServices shows them, for reading and for writing."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import ServiceTypeDef

DESCRIBED_AT_ONCE = 10
"""DescribeServices takes at most 10 services."""


def is_deploying(service: "ServiceTypeDef") -> bool:
    """Whether a rolling deployment is in progress."""
    deployments = service.get("deployments", [])
    return len(deployments) > 1 or any(one.get("rolloutState") == "IN_PROGRESS" for one in deployments)
