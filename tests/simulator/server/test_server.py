"""The simulated AWS behind HTTP: another boto3 session sees the same state and the same rules."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.handlers import BUILTIN_HANDLERS
from werkzeug.serving import make_server
from werkzeug.test import Client

from simulator.botocore.hooks import HANDLERS
from simulator.clock import WallClock
from simulator.cloud import Cloud
from simulator.server.endpoint import Endpoint
from simulator.server.event_resources import Named, seed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

VPC, SUBNET, GROUP = "vpc-0a1b2c3d4e5f60718", "subnet-0a11111111111111a", "sg-0e5f60718293a4b5c"
ENI = "eni-0c33333333333333c"


@pytest.fixture
def events(tmp_path: Path) -> Path:
    body = {"vpc": VPC, "subnetId": SUBNET, "group": GROUP, "eni": ENI, "resources": ["arn:aws:s3:::scans"]}
    arn = "arn:aws:ecs:eu-west-1:123456789012:service/web/cranes"
    (tmp_path / "stopped.json").write_text(json.dumps({"Records": [{"body": json.dumps(body), "resources": [arn]}]}))
    return tmp_path


@pytest.fixture
def remote(events: Path) -> Iterator[Callable[[str], Any]]:
    """Clients without any hook, as in another process."""
    named = Named.read(events)
    with Cloud(region=named.region, clock=WallClock(), association_delay=0.0, subnet_delay=0.0) as cloud:
        seed(cloud, named)
        server = make_server("127.0.0.1", 0, Endpoint(cloud))
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()

        def client(service: str) -> Any:
            hooks = [item for item in BUILTIN_HANDLERS if item in HANDLERS]
            for hook in hooks:
                BUILTIN_HANDLERS.remove(hook)
            try:
                return boto3.session.Session().client(
                    service,
                    region_name=named.region,
                    endpoint_url=f"http://127.0.0.1:{server.port}",
                    config=Config(retries={"total_max_attempts": 1}),
                )
            finally:
                BUILTIN_HANDLERS.extend(hooks)

        yield client
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.enable_socket
def test_what_the_events_mention_exists(remote: Callable[[str], Any]) -> None:
    ec2, ecs = remote("ec2"), remote("ecs")
    (vpc,) = ec2.describe_vpcs(VpcIds=[VPC])["Vpcs"]
    assert {"Key": "berthmaster:capacity", "Value": "managed"} in vpc["Tags"]
    (subnet,) = ec2.describe_subnets(Filters=[{"Name": "subnet-id", "Values": [SUBNET]}])["Subnets"]
    assert (subnet["VpcId"], subnet["AvailabilityZone"], subnet["AvailableIpAddressCount"]) == (VPC, "eu-west-1a", 2)
    assert ec2.describe_security_groups(GroupIds=[GROUP])["SecurityGroups"][0]["VpcId"] == VPC
    (interface,) = ec2.describe_network_interfaces(NetworkInterfaceIds=[ENI])["NetworkInterfaces"]
    assert interface["SubnetId"] == SUBNET
    (service,) = ecs.describe_services(cluster="web", services=["cranes"], include=["TAGS"])["services"]
    assert service["networkConfiguration"]["awsvpcConfiguration"]["subnets"] == [SUBNET]
    assert service["tags"] == [{"key": "berthmaster:capacity", "value": "managed"}]


@pytest.mark.enable_socket
def test_each_service_has_a_target_group_and_a_cloud_map_service(remote: Callable[[str], Any]) -> None:
    filters = [{"Key": "berthmaster:targets", "Values": ["managed"]}]
    tagged = remote("resourcegroupstaggingapi").get_resources(TagFilters=filters)["ResourceTagMappingList"]
    elb, discovery = remote("elbv2"), remote("servicediscovery")
    (group,) = elb.describe_target_groups(Names=["cranes"])["TargetGroups"]
    (service,) = discovery.list_services()["Services"]
    assert {one["ResourceARN"] for one in tagged} == {group["TargetGroupArn"], service["Arn"]}
    elb.register_targets(TargetGroupArn=group["TargetGroupArn"], Targets=[{"Id": "10.0.0.9", "Port": 8080}])
    (target,) = elb.describe_target_health(TargetGroupArn=group["TargetGroupArn"])["TargetHealthDescriptions"]
    assert target["Target"] == {"Id": "10.0.0.9", "Port": 8080, "AvailabilityZone": "eu-west-1a"}
    attributes = {"AWS_INSTANCE_IPV4": "10.0.0.9"}
    assert discovery.register_instance(ServiceId=service["Id"], InstanceId="a", Attributes=attributes)["OperationId"]
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        remote("eks").describe_cluster(name="none")


@pytest.mark.enable_socket
def test_the_server_enforces_the_rules(remote: Callable[[str], Any]) -> None:
    ec2 = remote("ec2")
    with pytest.raises(ClientError, match=r"InvalidVpc\.Range"):
        ec2.associate_vpc_cidr_block(VpcId=VPC, CidrBlock="192.168.0.0/16")
    ec2.associate_vpc_cidr_block(VpcId=VPC, CidrBlock="100.64.0.0/20")
    made = ec2.create_subnet(
        VpcId=VPC,
        CidrBlock="100.64.0.0/24",
        TagSpecifications=[{"ResourceType": "subnet", "Tags": [{"Key": "a", "Value": "b<&"}]}],
    )["Subnet"]
    assert made["Tags"] == [{"Key": "a", "Value": "b<&"}]
    with pytest.raises(ClientError, match="DryRunOperation"):
        ec2.create_network_interface(SubnetId=made["SubnetId"], DryRun=True)


@pytest.mark.enable_socket
def test_the_server_speaks_every_protocol(remote: Callable[[str], Any]) -> None:
    table, queue = (
        "berthmaster-CapacityTable",
        "https://sqs.eu-west-1.amazonaws.com/123456789012/berthmaster-CapacityQueue",
    )
    dynamodb = remote("dynamodb")
    item = {"pk": {"S": "a"}, "sk": {"S": "b"}, "bytes": {"B": b"\x00\xff"}, "n": {"N": "1"}}
    dynamodb.put_item(TableName=table, Item=item)
    assert dynamodb.get_item(TableName=table, Key={"pk": {"S": "a"}, "sk": {"S": "b"}})["Item"] == item
    with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException):
        dynamodb.put_item(TableName=table, Item=item, ConditionExpression="attribute_not_exists(pk)")
    assert remote("sqs").send_message(QueueUrl=queue, MessageBody="hello", DelaySeconds=5)["MessageId"]
    topic = "arn:aws:sns:eu-west-1:123456789012:berthmaster-Topic"
    assert remote("sns").publish(TopicArn=topic, Subject="hello", Message="there")["MessageId"]
    entry = {"EventBusName": "berthmaster", "Source": "berthmaster", "DetailType": "x", "Detail": "{}"}
    assert remote("events").put_events(Entries=[entry])["FailedEntryCount"] == 0
    quota = remote("service-quotas").get_service_quota(ServiceCode="vpc", QuotaCode="L-83CA0A9D")["Quota"]
    assert quota["Value"] == 5.0
    scheduler = remote("scheduler")
    schedules = [scheduler.get_schedule(Name=one["Name"]) for one in scheduler.list_schedules()["Schedules"]]
    assert {one["ScheduleExpression"] for one in schedules} == {"rate(5 minutes)", "rate(1 minute)", "rate(1 day)"}
    (group,) = scheduler.list_schedule_groups()["ScheduleGroups"]
    assert scheduler.list_tags_for_resource(ResourceArn=group["Arn"])["Tags"] == []
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        scheduler.get_schedule(Name="gone")


@pytest.mark.enable_socket
def test_the_server_has_objects_and_parameters(remote: Callable[[str], Any]) -> None:
    s3, ssm = remote("s3"), remote("ssm")
    for bucket in ("incoming", "results"):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_bucket_versioning(Bucket="incoming", VersioningConfiguration={"Status": "Enabled"})
    key = "scans/a+b %20 ä/😀.tif"
    put = s3.put_object(Bucket="incoming", Key=key, Body=b"<x>", IfNoneMatch="*", Metadata={"page": "1"})
    got = s3.get_object(Bucket="incoming", Key=key, VersionId=put["VersionId"])
    assert (got["Body"].read(), got["Metadata"], got["ETag"]) == (b"<x>", {"page": "1"}, put["ETag"])
    assert s3.head_object(Bucket="incoming", Key=key)["ContentLength"] == 3
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.put_object(Bucket="incoming", Key=key, Body=b"y", IfNoneMatch="*")
    with pytest.raises(ClientError, match="404"):
        s3.head_object(Bucket="incoming", Key="none")
    source = {"Bucket": "incoming", "Key": key, "VersionId": put["VersionId"]}
    copied = s3.copy_object(Bucket="results", Key=f"ocr/{key}/", CopySource=source)
    assert copied["CopyObjectResult"]["ETag"] == put["ETag"]
    assert [one["Key"] for one in s3.list_objects_v2(Bucket="results", Prefix="ocr/")["Contents"]] == [f"ocr/{key}/"]
    deleted = s3.delete_objects(Bucket="results", Delete={"Objects": [{"Key": f"ocr/{key}/"}]})["Deleted"]
    assert deleted == [{"Key": f"ocr/{key}/"}]
    assert s3.list_objects_v2(Bucket="results")["KeyCount"] == 0
    ssm.put_parameter(Name="/berthmaster/batch/scans", Type="String", Value="{}")
    assert ssm.get_parameters_by_path(Path="/berthmaster/batch")["Parameters"][0]["Value"] == "{}"
    with pytest.raises(ClientError, match="ParameterNotFound"):
        ssm.get_parameter(Name="/berthmaster/batch/none")


def test_a_container_names_a_bucket_as_a_host(events: Path) -> None:
    named = Named.read(events)
    assert named.buckets == ("scans",)
    with Cloud(region=named.region) as cloud:
        seed(cloud, named)
        http = Client(Endpoint(cloud))
        scope = "AWS4-HMAC-SHA256 Credential=testing/20260101/eu-west-1/s3/aws4_request"
        request: Any = {"headers": {"Host": "scans.host.docker.internal:5123", "Authorization": scope}}
        assert http.put("/a/b%2Bc", data=b"x", **request).status_code == 200
        assert http.get("/a/b%2Bc", **request).data == b"x"
        assert b"<Key>a/b+c</Key>" in http.get("/?list-type=2&prefix=a%2F", **request).data
        assert cloud.client("s3").get_object(Bucket="scans", Key="a/b+c")["VersionId"] != "null"
