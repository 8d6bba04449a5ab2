"""Flow logs: their descriptions, and the files that S3 gets."""

from __future__ import annotations

import gzip
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from botocore.exceptions import ClientError

from simulator.aws.ec2.flow_logs import fields
from simulator.aws.ec2.flow_logs.delivery import FlowLogs
from simulator.cloud import Cloud
from simulator.faults import FaultPlan
from simulator.workload.traffic.traffic import Traffic

if TYPE_CHECKING:
    from pathlib import Path

BUCKET = "flows-of-web"
INTERNET = "203.0.113.9"
HOUR = 3600.0


class Logged:
    """A VPC with two interfaces that anybody may connect to, and a bucket that sends events."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.ec2, self.s3 = cloud.client("ec2"), cloud.client("s3")
        self.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": cloud.region})
        self.s3.put_bucket_notification_configuration(
            Bucket=BUCKET, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
        self.vpc_id = self.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnet_id = self.ec2.create_subnet(VpcId=self.vpc_id, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
        group = self.ec2.create_security_group(GroupName="all", Description="all", VpcId=self.vpc_id)["GroupId"]
        self.ec2.authorize_security_group_ingress(
            GroupId=group, IpPermissions=[{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
        )
        self.one, self.other = (
            self.ec2.create_network_interface(SubnetId=subnet_id, Groups=[group])["NetworkInterface"][
                "NetworkInterfaceId"
            ]
            for _ in range(2)
        )
        self.traffic = Traffic(cloud)

    def log(self, names: tuple[str, ...] = fields.up_to(5), **parameters: Any) -> str:
        """Create a flow log of the VPC; returns its id."""
        asked = {
            "ResourceIds": [self.vpc_id],
            "ResourceType": "VPC",
            "TrafficType": "ALL",
            "LogDestinationType": "s3",
            "LogDestination": f"arn:aws:s3:::{BUCKET}",
            "LogFormat": fields.log_format(names),
            "MaxAggregationInterval": 60,
            **parameters,
        }
        [identifier] = self.ec2.create_flow_logs(**{key: one for key, one in asked.items() if one is not None})[
            "FlowLogIds"
        ]
        return str(identifier)

    def described(self) -> dict[str, Any]:
        [log] = self.ec2.describe_flow_logs()["FlowLogs"]
        return dict(log)

    def run(self, seconds: float) -> None:
        self.cloud.clock.run_until(self.cloud.clock.timestamp() + seconds)

    def files(self) -> dict[str, list[dict[str, str]]]:
        """The records of each object, by field."""
        found = {}
        for item in self.s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
            header, *lines = gzip.decompress(self.body(item["Key"])).decode().splitlines()
            found[item["Key"]] = [dict(zip(header.split(" "), line.split(" "), strict=True)) for line in lines]
        return found

    def body(self, key: str) -> bytes:
        return bytes(self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())

    def records(self, status: str = "OK") -> list[dict[str, str]]:
        return [one for records in self.files().values() for one in records if one["log-status"] == status]


@pytest.fixture
def logged(cloud: Cloud) -> Logged:
    return Logged(cloud)


# Descriptions


def test_a_description_shows_what_was_asked_for(logged: Logged) -> None:
    options = {"FileFormat": "parquet", "HiveCompatiblePartitions": True, "PerHourPartition": False}
    tags = [{"ResourceType": "vpc-flow-log", "Tags": [{"Key": "team", "Value": "net"}]}]
    log = logged.log(MaxAggregationInterval=None, LogFormat=None, DestinationOptions=options, TagSpecifications=tags)
    found = logged.described()
    assert (found["FlowLogId"], found["MaxAggregationInterval"], found["FlowLogStatus"]) == (log, 600, "ACTIVE")
    assert found["LogFormat"].startswith("${version} ${account-id} ${interface-id} ${srcaddr}")
    assert (found["DestinationOptions"], found["Tags"]) == (options, tags[0]["Tags"])
    filters: list[Any] = [{"Name": "resource-id", "Values": [logged.vpc_id]}, {"Name": "tag:team", "Values": ["net"]}]
    assert len(logged.ec2.describe_flow_logs(Filter=filters)["FlowLogs"]) == 1
    assert not logged.ec2.describe_flow_logs(Filter=[{"Name": "traffic-type", "Values": ["REJECT"]}])["FlowLogs"]


def test_refusals(logged: Logged) -> None:
    logged.log()
    for code, parameters in {
        "FlowLogAlreadyExists": {},
        "InvalidParameter": {"LogFormat": "${version} ${sourceaddr}"},
        "InvalidVpcID.NotFound": {"ResourceIds": ["vpc-1"]},
    }.items():
        with pytest.raises(ClientError, match=code):
            logged.log(**parameters)
    answer = logged.ec2.create_flow_logs(
        ResourceIds=[logged.vpc_id],
        ResourceType="VPC",
        LogDestinationType="s3",
        LogDestination="arn:aws:s3:::nowhere/prefix",
    )
    assert answer["Unsuccessful"][0]["Error"]["Message"] == "LogDestination: nowhere does not exist."
    [failed] = logged.ec2.delete_flow_logs(FlowLogIds=["fl-1"])["Unsuccessful"]
    assert failed["Error"]["Code"] == "InvalidFlowLogId.NotFound"


# Files


def test_files_have_aws_s_names_and_arrive_some_ten_minutes_later_with_an_event(logged: Logged) -> None:
    log = logged.log(LogDestination=f"arn:aws:s3:::{BUCKET}/logs/")
    logged.traffic.connect(INTERNET, logged.one, 443)
    logged.run(300 + 60 + 100)
    assert logged.files() == {}
    logged.run(400)
    key = min(logged.files())
    name = rf"logs/AWSLogs/123456789012/vpcflowlogs/eu-central-1/2026/03/02/123456789012_vpcflowlogs_eu-central-1_{log}"
    assert re.fullmatch(rf"{name}_20260302T0600Z_[0-9a-f]{{8}}\.log\.gz", key)
    logged.run(10)
    keys = {seen.event["detail"]["object"]["key"] for seen in logged.cloud.buses.seen}
    assert key in keys


def test_partitions_of_hive_by_the_hour(logged: Logged) -> None:
    options = {"FileFormat": "plain-text", "HiveCompatiblePartitions": True, "PerHourPartition": True}
    logged.log(DestinationOptions=options)
    logged.traffic.connect(INTERNET, logged.one, 443)
    logged.run(HOUR / 2)
    place = "AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=eu-central-1"
    assert min(logged.files()).startswith(f"{place}/year=2026/month=03/day=02/hour=06/123456789012_vpcflowlogs_")


@pytest.mark.parametrize("version", sorted(fields.VERSIONS))
def test_fields_of_every_version_come_in_the_order_of_the_format(logged: Logged, version: int) -> None:
    names = tuple(reversed(fields.up_to(version)))
    logged.log(names)
    logged.traffic.connect(logged.one, logged.other, 443)
    logged.run(HOUR / 2)
    records = logged.records()
    assert {tuple(one) for one in records} == {names}
    assert {one["version"] for one in records} == {str(version)}
    assert {one["dstport"] for one in records} >= {"443"}


def test_parquet_has_numbers_and_underscores(logged: Logged, tmp_path: Path) -> None:
    logged.log(DestinationOptions={"FileFormat": "parquet"})
    logged.traffic.connect(INTERNET, logged.one, 443)
    logged.run(HOUR / 4)
    key = min(one["Key"] for one in logged.s3.list_objects_v2(Bucket=BUCKET)["Contents"])
    assert key.endswith(".log.parquet")
    path = tmp_path / "a.parquet"
    path.write_bytes(logged.body(key))
    with duckdb.connect() as connection:
        table = connection.sql(f"SELECT * FROM '{path}' WHERE log_status = 'OK' AND flow_direction = 'ingress'")  # noqa: S608 - a path of this test
        types = dict(zip(table.columns, table.types, strict=True))
        row = dict(zip(table.columns, table.fetchall()[0], strict=True))
    assert (types["dstport"], types["start"], types["pkt_srcaddr"]) == ("INTEGER", "BIGINT", "VARCHAR")
    assert (row["dstport"], row["tcp_flags"], row["srcaddr"]) == (443, 3, INTERNET)


def test_an_idle_interface_has_nodata_in_each_interval(logged: Logged) -> None:
    logged.log()
    logged.run(HOUR)
    records = [one for one in logged.records("NODATA") if one["interface-id"] == logged.one]
    assert {(one["srcaddr"], one["action"], one["packets"]) for one in records} == {("-", "-", "-")}
    starts = sorted(int(one["start"]) for one in records)
    assert {later - earlier for earlier, later in pairwise(starts)} == {60}
    assert len(starts) >= 40


def test_intervals_of_ten_minutes_hold_a_connection_in_few_records(logged: Logged) -> None:
    logged.log(MaxAggregationInterval=600)
    logged.traffic.connect(logged.one, logged.other, 443, lasts=3000, every=10)
    logged.run(2 * HOUR)
    records = [one for one in logged.records() if one["interface-id"] == logged.one]
    assert 10 <= len(records) <= 12
    assert sum(int(one["packets"]) for one in records) == 2 * 301
    assert all(int(one["end"]) - int(one["start"]) < 600 for one in records)


def test_a_record_is_in_the_file_of_the_five_minutes_in_which_it_ends(logged: Logged) -> None:
    logged.log()
    for number in range(50):
        logged.traffic.connect(INTERNET, logged.one, 1000 + number, lasts=number)
        logged.run(37)
    logged.run(HOUR)
    for key, records in logged.files().items():
        minutes = re.search(r"T(\d\d)(\d\d)Z", key)
        assert minutes is not None
        slot = int(minutes[1]) * 12 + int(minutes[2]) // 5
        assert {int(one["end"]) % 86400 // 300 for one in records} == {slot}
    assert len({one["dstport"] for one in logged.records() if one["flow-direction"] == "ingress"}) == 50


def test_a_log_of_accepted_or_rejected_traffic_holds_no_other(logged: Logged) -> None:
    logged.log(TrafficType="REJECT")
    logged.traffic.connect(INTERNET, logged.one, 443)
    logged.run(HOUR)
    assert logged.records() == []


def test_times_may_be_a_minute_late(logged: Logged) -> None:
    logged.cloud.state(FlowLogs).longest_lag = 60.0
    logged.log()
    opened = int(logged.traffic.connect(INTERNET, logged.one, 443, lasts=0).opened)
    logged.run(HOUR)
    [start] = {int(one["start"]) for one in logged.records()}
    assert opened < start <= opened + 60


# What goes wrong


def test_skipped_records_are_lost_and_said_to_be(logged: Logged) -> None:
    logged.log()
    now = logged.cloud.clock.timestamp()
    logged.cloud.state(FlowLogs).skip(now, now + 300, logged.one)
    lost = logged.traffic.connect(logged.one, logged.other, 443)
    logged.run(HOUR)
    assert {one["interface-id"] for one in logged.records()} == {logged.other}
    assert {one["interface-id"] for one in logged.records("SKIPDATA")} == {logged.one}
    assert lost.delivered == 2


def test_what_a_log_cannot_deliver_is_lost(logged: Logged) -> None:
    log = logged.log()
    logged.run(HOUR)
    logged.cloud.state(FlowLogs).begin_outage(log, HOUR)
    lost = logged.traffic.connect(INTERNET, logged.one, 443)
    logged.run(HOUR / 2)
    assert (logged.described()["DeliverLogsStatus"], logged.described()["DeliverLogsErrorMessage"]) == (
        "FAILED",
        "Access error",
    )
    logged.run(2 * HOUR)
    kept = logged.traffic.connect(INTERNET, logged.one, 443)
    logged.run(HOUR)
    assert logged.described()["DeliverLogsStatus"] == "SUCCESS"
    assert (lost.delivered, kept.delivered) == (0, 2)


@pytest.mark.parametrize("fault", ["log_file_lost", "log_file_late", "log_file_doubled"])
def test_files_are_lost_late_and_doubled(fault: str) -> None:
    with Cloud(seed=1, faults=FaultPlan(seed=1, **{fault: 0.5})) as cloud:
        logged = Logged(cloud)
        logged.log()
        logged.run(2 * HOUR)
        logs = cloud.state(FlowLogs)
        slots = 2 * 12 - 3
        by_then = len(logged.files())
        logged.run(logs.longest_late)
        cloud.faults.clear()
        created = [seen.event["detail"]["object"] for seen in cloud.buses.seen if seen.event["source"] == "aws.s3"]
        twice = len(created) - len({one["key"] for one in created})
        if fault == "log_file_lost":
            assert len(logs.missing) >= 3
            assert by_then < slots
        elif fault == "log_file_late":
            assert by_then < slots
            assert not logs.missing
        else:
            assert twice > 3


def test_nothing_is_logged_after_a_log_is_deleted(logged: Logged) -> None:
    log = logged.log()
    logged.run(HOUR)
    logged.ec2.delete_flow_logs(FlowLogIds=[log])
    logged.run(HOUR)
    before = len(logged.files())
    logged.traffic.connect(INTERNET, logged.one, 443)
    logged.run(HOUR)
    assert len(logged.files()) == before
    assert logged.ec2.describe_flow_logs()["FlowLogs"] == []
