"""boto3 clients, each made on first use and kept for the life of the container.

Threads may share a client, but boto3 must not make two at the same time ("Clients" in its guide).
"""

from threading import Lock
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from berthmaster import __version__

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_eks import EKSClient
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_resourcegroupstaggingapi import ResourceGroupsTaggingAPIClient
    from mypy_boto3_s3 import S3Client
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
_ONCE = Config(retries={"mode": "standard", "total_max_attempts": 1})
_SERVICES = {
    "ec2": "ec2",
    "ecs": "ecs",
    "ecs_once": "ecs",
    "eks": "eks",
    "elbv2": "elbv2",
    "discovery": "servicediscovery",
    "tagging": "resourcegroupstaggingapi",
    "sts": "sts",
    "dynamodb": "dynamodb",
    "events": "events",
    "functions": "lambda",
    "scheduler": "scheduler",
    "quotas": "service-quotas",
    "cloudformation": "cloudformation",
    "s3": "s3",
    "sqs": "sqs",
    "sns": "sns",
    "ssm": "ssm",
    "autoscaling": "autoscaling",
    "batch": "batch",
    "codebuild": "codebuild",
    "elasticache": "elasticache",
    "rds": "rds",
    "stepfunctions": "stepfunctions",
}
"""By the names below: the services as boto3 names them."""


class Clients:
    """The AWS APIs that Berthmaster calls."""

    ec2: "EC2Client"
    """VPCs, subnets, interfaces."""
    ecs: "ECSClient"
    """Services and their network configuration."""
    ecs_once: "ECSClient"
    """The same without retries: for a call that must not be made twice."""
    eks: "EKSClient"
    """Clusters: endpoints and certificate authorities of their API servers."""
    elbv2: "ElasticLoadBalancingv2Client"
    """Target groups and their targets."""
    discovery: "ServiceDiscoveryClient"
    """Cloud Map's services and their instances."""
    tagging: "ResourceGroupsTaggingAPIClient"
    """What carries a tag, whatever its service."""
    sts: "STSClient"
    """The signature by which an EKS cluster knows the role."""
    dynamodb: "DynamoDBClient"
    """The ledgers."""
    events: "EventBridgeClient"
    """The bus, and rules that run tasks."""
    functions: "LambdaClient"
    """The function that reads private endpoints of EKS."""
    scheduler: "EventBridgeSchedulerClient"
    """Schedules that run tasks."""
    cloudformation: "CloudFormationClient"
    """Stacks: whether one is being updated."""
    quotas: "ServiceQuotasClient"
    """The account's limits."""
    s3: "S3Client"
    """Input objects, results, manifests."""
    sqs: "SQSClient"
    """The functions' own queues."""
    sns: "SNSClient"
    """People."""
    ssm: Any
    """Parameters: the documents of pipelines."""
    autoscaling: Any
    """Auto Scaling groups and launch configurations."""
    batch: Any
    """AWS Batch: compute environments."""
    codebuild: Any
    """Build projects."""
    elasticache: Any
    """Cache clusters."""
    rds: Any
    """Databases of RDS, Aurora, DocumentDB and Neptune."""
    stepfunctions: Any
    """State machines."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._session = boto3.session.Session()

    def __getattr__(self, name: str) -> Any:
        """Make a client when it is used first; AttributeError for a name that is none of the above."""
        if name not in _SERVICES:
            raise AttributeError(name)
        with self._lock:
            if name not in vars(self):
                config = CONFIG.merge(_ONCE) if name.endswith("_once") else CONFIG
                setattr(self, name, self._session.client(_SERVICES[name], config=config))  # type: ignore[call-overload]
            return vars(self)[name]

    @property
    def region(self) -> str:
        """The Region of all clients."""
        return self._session.region_name
