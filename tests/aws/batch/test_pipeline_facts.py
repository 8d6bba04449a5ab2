"""What is read about the things that a document names: what is not there, what is elsewhere, what cannot be read."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC

import boto3
import pytest

from berthmaster.batch.model.pipeline_facts import Bucket, Facts
from berthmaster.batch.model.pipelines import Pipeline
from berthmaster.batch.observe.parameters import Parameters
from berthmaster.batch.observe.pipeline_facts import PipelineFacts
from berthmaster.clients import Clients
from simulator.calls import calling_as
from simulator.cloud import Cloud
from simulator.faults import Outage
from tests.support.batch.pipelines import a_pipeline

PIPELINE = a_pipeline()


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud(seed=3) as cloud:
        yield cloud


def read(pipeline: Pipeline = PIPELINE) -> Facts:
    return PipelineFacts(Clients()).read(pipeline)


def test_what_is_not_there_is_absent_and_not_unread(cloud: Cloud) -> None:
    assert cloud
    facts = read()
    assert facts == Facts()


def test_buckets_have_a_region_and_send_events_or_not(cloud: Cloud) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="incoming", CreateBucketConfiguration={"LocationConstraint": cloud.region})
    far = boto3.client("s3", region_name="us-west-2")
    far.create_bucket(Bucket="results", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    facts = read()
    assert facts.input_bucket == Bucket(region=cloud.region, sends_events=False)
    assert facts.output_bucket == Bucket(region="us-west-2", sends_events=False)
    on = {"EventBridgeConfiguration": {}}
    s3.put_bucket_notification_configuration(Bucket="incoming", NotificationConfiguration=on)
    assert read().input_bucket == Bucket(region=cloud.region, sends_events=True)


def test_a_task_definition_and_a_cluster_are_found_by_name_and_by_arn(cloud: Cloud) -> None:
    ecs = cloud.client("ecs")
    ecs.create_cluster(clusterName="batch", capacityProviders=["FARGATE"])
    for _ in range(2):
        ecs.register_task_definition(
            family="ocr",
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            containerDefinitions=[
                {"name": "ocr", "image": "i", "stopTimeout": 90, "memory": 256},
                {"name": "log", "image": "i", "essential": False},
            ],
        )
    home = f"arn:aws:ecs:{cloud.region}:{cloud.account_id}"
    for name, revision in (("ocr", 2), ("ocr:1", 1), (f"{home}:task-definition/ocr:1", 1)):
        run = replace(PIPELINE.run, task_definition=name, cluster=f"{home}:cluster/batch")
        facts = read(replace(PIPELINE, run=run))
        assert facts.task_definition
        assert (facts.task_definition.family, facts.task_definition.revision) == ("ocr", revision)
        found = facts.task_definition.containers
        assert [(one.name, one.is_essential, one.stop_timeout, one.memory) for one in found] == [
            ("ocr", True, 90, 256),
            ("log", False, 30, 0),
        ]
        assert facts.cluster
        assert (facts.cluster.name, facts.cluster.is_active, facts.cluster.providers) == ("batch", True, ("FARGATE",))


def test_the_default_network_is_that_of_the_default_vpc(cloud: Cloud) -> None:
    facts = read(replace(PIPELINE, run=replace(PIPELINE.run, subnets=(), security_groups=())))
    (vpc,) = cloud.client("ec2").describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    assert {one.vpc_id for one in facts.subnets} == {vpc["VpcId"]}
    assert list(facts.security_groups.values()) == [vpc["VpcId"]]


@pytest.mark.parametrize(
    ("operation", "fields"),
    [
        ("s3:HeadBucket", {"input.bucket", "output.bucket"}),
        ("ecs:DescribeTaskDefinition", {"run.taskDefinition"}),
        ("ecs:DescribeClusters", {"run.cluster"}),
        ("ec2:DescribeSubnets", {"run.subnets", "run.securityGroups"}),
    ],
)
def test_what_aws_does_not_answer_is_unread_and_stops_nothing_else(
    cloud: Cloud, operation: str, fields: set[str]
) -> None:
    cloud.faults.begin_outage(Outage(operation, cloud.clock.timestamp() + 600))
    with calling_as("BatchControlFunction"):
        facts = read()
    assert set(facts.unread) == fields
    assert facts.is_passing


def test_a_parameter_has_its_version_and_time(cloud: Cloud) -> None:
    ssm = cloud.client("ssm")
    parameters = Parameters(Clients())
    assert parameters.get("ocr") is None
    assert parameters.all() == []
    for text in ("one", "two"):
        ssm.put_parameter(Name="/berthmaster/batch/ocr", Type="String", Value=text, Overwrite=True)
    for number in range(25):
        ssm.put_parameter(Name=f"/berthmaster/batch/p{number:02}", Type="SecureString", Value="x")
    ssm.put_parameter(Name="/berthmaster/batches", Type="String", Value="not a pipeline")
    found = parameters.get("ocr")
    assert found
    assert (found.pipeline, found.text, found.version, found.is_secret) == ("ocr", "two", 2, False)
    assert found.modified == cloud.clock.now().astimezone(UTC)
    every = parameters.all()
    assert [one.pipeline for one in every] == ["ocr", *(f"p{number:02}" for number in range(25))]
    assert every[0] == found
    assert every[1].is_secret
