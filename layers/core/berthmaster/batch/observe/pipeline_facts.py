"""Reads what AWS says about the things that a document names, all at the same time; what cannot be read is said."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from berthmaster.batch.model.pipeline_facts import Bucket, Cluster, Container, Facts, Subnet, TaskDefinition
from berthmaster.batch.model.pipelines import Pipeline, Run
from berthmaster.clients import Clients
from berthmaster.concurrently import Together
from berthmaster.errors import code_of, is_transient
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from concurrent.futures import Future

    from mypy_boto3_ec2.type_defs import FilterTypeDef

AT_ONCE = 5
DEFAULT_STOP_TIMEOUT = 30
_ABSENT = {"404", "NoSuchBucket", "NotFound"}


type Network = tuple[tuple[Subnet, ...], Mapping[str, str]]
"""Subnets, and the VPC of each security group."""
NO_NETWORK: Network = ((), {})


class _Unread:
    """What could not be read, by the fields that it concerns."""

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}
        self.is_passing = False

    def take[Value](self, read: "Future[Value]", otherwise: Value, *fields: str) -> Value:
        """What was read, or `otherwise` if AWS has failed at it."""
        try:
            return read.result()
        except (BotoCoreError, ClientError) as error:
            logger.warning("not read", fields=fields, error=repr(error))
            self.reasons |= dict.fromkeys(fields, str(error))
            self.is_passing |= isinstance(error, BotoCoreError) or is_transient(error)
            return otherwise


class PipelineFacts:
    """Reads them."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def read(self, pipeline: Pipeline) -> Facts:
        """All facts about one document."""
        run = pipeline.run
        unread = _Unread()
        with Together(at_once=AT_ONCE) as calls:
            input_bucket = calls.begin(self._bucket, pipeline.input.bucket, is_input=True)
            output_bucket = calls.begin(self._bucket, pipeline.output.bucket)
            task_definition = calls.begin(self._task_definition, run.task_definition)
            cluster = calls.begin(self._cluster, run.cluster)
            network = calls.begin(self._network, run)
        subnets, groups = unread.take(network, NO_NETWORK, "run.subnets", "run.securityGroups")
        return Facts(
            input_bucket=unread.take(input_bucket, None, "input.bucket"),
            output_bucket=unread.take(output_bucket, None, "output.bucket"),
            task_definition=unread.take(task_definition, None, "run.taskDefinition"),
            cluster=unread.take(cluster, None, "run.cluster"),
            subnets=subnets,
            security_groups=groups,
            unread=unread.reasons,
            is_passing=unread.is_passing,
        )

    def _bucket(self, name: str, *, is_input: bool = False) -> Bucket | None:
        s3 = self._clients.s3
        try:
            region = s3.head_bucket(Bucket=name)["BucketRegion"]
            sends = is_input and "EventBridgeConfiguration" in s3.get_bucket_notification_configuration(Bucket=name)
        except ClientError as error:
            if code_of(error) in _ABSENT:
                return None
            raise
        return Bucket(region=region, sends_events=sends)

    def _task_definition(self, name: str) -> TaskDefinition | None:
        try:
            found = self._clients.ecs.describe_task_definition(taskDefinition=name)["taskDefinition"]
        except ClientError as error:
            if code_of(error) in {"ClientException", "InvalidParameterException"}:
                return None
            raise
        roles = {"task role": found.get("taskRoleArn", ""), "execution role": found.get("executionRoleArn", "")}
        return TaskDefinition(
            family=found["family"],
            revision=found["revision"],
            is_active=found["status"] == "ACTIVE",
            network_mode=found.get("networkMode", ""),
            compatibilities=(*found.get("requiresCompatibilities", ()), *found.get("compatibilities", ())),
            containers=tuple(
                Container(
                    name=one["name"],
                    is_essential=one.get("essential", True),
                    stop_timeout=one.get("stopTimeout", DEFAULT_STOP_TIMEOUT),
                    memory=one.get("memory", 0),
                )
                for one in found["containerDefinitions"]
            ),
            roles={kind: role for kind, role in roles.items() if role},
        )

    def _cluster(self, name: str) -> Cluster | None:
        try:
            found = self._clients.ecs.describe_clusters(clusters=[name])["clusters"]
        except ClientError as error:
            if code_of(error) in {"ClientException", "InvalidParameterException"}:
                return None
            raise
        if not found:
            return None
        return Cluster(
            name=found[0]["clusterName"],
            is_active=found[0]["status"] == "ACTIVE",
            providers=tuple(found[0].get("capacityProviders", ())),
        )

    def _network(self, run: Run) -> Network:
        """By filters, which find none where ids raise an error."""
        filters: list[FilterTypeDef]
        if run.subnets:
            filters = [{"Name": "subnet-id", "Values": list(run.subnets)}]
        else:
            filters = [{"Name": "default-for-az", "Values": ["true"]}]
        subnets = tuple(
            Subnet(
                id=one["SubnetId"],
                vpc_id=one["VpcId"],
                free_addresses=one["AvailableIpAddressCount"],
                gives_public_ips=one["MapPublicIpOnLaunch"],
            )
            for page in self._clients.ec2.get_paginator("describe_subnets").paginate(Filters=filters)
            for one in page["Subnets"]
        )
        if run.security_groups:
            filters = [{"Name": "group-id", "Values": list(run.security_groups)}]
        elif subnets:
            vpcs = sorted({one.vpc_id for one in subnets})
            filters = [{"Name": "vpc-id", "Values": vpcs[:1]}, {"Name": "group-name", "Values": ["default"]}]
        else:
            return NO_NETWORK
        pages = self._clients.ec2.get_paginator("describe_security_groups").paginate(Filters=filters)
        groups = {one["GroupId"]: one["VpcId"] for page in pages for one in page["SecurityGroups"]}
        return subnets, groups
