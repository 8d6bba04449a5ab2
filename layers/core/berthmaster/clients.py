"""boto3 clients, each made on first use and kept for the life of the container."""

from functools import cached_property
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from berthmaster import __version__

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_eks import EKSClient
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_resourcegroupstaggingapi import ResourceGroupsTaggingAPIClient
    from mypy_boto3_scheduler import EventBridgeSchedulerClient
    from mypy_boto3_service_quotas import ServiceQuotasClient
    from mypy_boto3_servicediscovery import ServiceDiscoveryClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sts import STSClient

CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": 5},
    connect_timeout=3,
    read_timeout=20,
    user_agent_extra=f"berthmaster/{__version__}",
)


class Clients:
    """The AWS APIs that Berthmaster calls."""

    @cached_property
    def _session(self) -> boto3.session.Session:
        return boto3.session.Session()

    @property
    def region(self) -> str:
        """The Region of all clients."""
        return self._session.region_name

    @cached_property
    def ec2(self) -> "EC2Client":
        """VPCs, subnets, interfaces."""
        return self._session.client("ec2", config=CONFIG)

    @cached_property
    def ecs(self) -> "ECSClient":
        """Services and their network configuration."""
        return self._session.client("ecs", config=CONFIG)

    @cached_property
    def eks(self) -> "EKSClient":
        """Clusters: endpoints and certificate authorities of their API servers."""
        return self._session.client("eks", config=CONFIG)

    @cached_property
    def elbv2(self) -> "ElasticLoadBalancingv2Client":
        """Target groups and their targets."""
        return self._session.client("elbv2", config=CONFIG)

    @cached_property
    def discovery(self) -> "ServiceDiscoveryClient":
        """Cloud Map's services and their instances."""
        return self._session.client("servicediscovery", config=CONFIG)

    @cached_property
    def tagging(self) -> "ResourceGroupsTaggingAPIClient":
        """What carries a tag, whatever its service."""
        return self._session.client("resourcegroupstaggingapi", config=CONFIG)

    @cached_property
    def sts(self) -> "STSClient":
        """The signature by which an EKS cluster knows the role."""
        return self._session.client("sts", config=CONFIG)

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        """The ledgers."""
        return self._session.client("dynamodb", config=CONFIG)

    @cached_property
    def events(self) -> "EventBridgeClient":
        """The bus, and rules that run tasks."""
        return self._session.client("events", config=CONFIG)

    @cached_property
    def scheduler(self) -> "EventBridgeSchedulerClient":
        """Schedules that run tasks."""
        return self._session.client("scheduler", config=CONFIG)

    @cached_property
    def quotas(self) -> "ServiceQuotasClient":
        """The account's limits."""
        return self._session.client("service-quotas", config=CONFIG)

    @cached_property
    def sqs(self) -> "SQSClient":
        """The functions' own queues."""
        return self._session.client("sqs", config=CONFIG)

    @cached_property
    def sns(self) -> "SNSClient":
        """People."""
        return self._session.client("sns", config=CONFIG)
