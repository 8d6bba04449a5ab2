"""Scenes for security_groups: two interfaces with groups of their own, a flow log, and Berthmaster deployed."""

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from simulator.aws.ec2.flow_logs import fields
from simulator.cloud import Cloud
from simulator.faults import NO_FAULTS, FaultPlan
from simulator.stack.deployment import Deployment
from simulator.workload.traffic.traffic import Traffic
from tests.support.event_schemas import check_outcomes
from tests.support.mails import check_mails
from tests.support.security_groups.topology import OTHERS, SURVEY

CREDIT, REPORT = "SecurityGroupsCreditFunction", "SecurityGroupsReportFunction"
CHANGE = "SecurityGroupsChangeFunction"
LOGS = "flow-logs"
BUS = "berthmaster"
QUEUES = tuple(f"SecurityGroups{one}" for one in ("Change", "Credit", "Report", "Topology", "Watch"))
INTERNET = "203.0.113.9"


@dataclass
class SecurityGroupsScene:
    """Interfaces `web` and `db`, each with a group of that name without rules, in a VPC that logs to a bucket."""

    cloud: Cloud
    berthmaster: Deployment
    traffic: Traffic
    vpc: str
    subnet: str
    log: str
    groups: dict[str, str] = field(default_factory=dict)
    interfaces: dict[str, str] = field(default_factory=dict)
    mails_before: int = 0

    # Groups

    def allow(self, name: str, port: int, peer: str, protocol: str = "tcp") -> str:
        """A rule for what comes in, from a CIDR or a group by its name; returns its id."""
        source: dict[str, Any] = (
            {"UserIdGroupPairs": [{"GroupId": self.groups[peer]}]}
            if peer in self.groups
            else {"IpRanges": [{"CidrIp": peer}]}
        )
        permission: Any = {"IpProtocol": protocol, "FromPort": port, "ToPort": port, **source}
        ec2 = self.cloud.client("ec2")
        made = ec2.authorize_security_group_ingress(GroupId=self.groups[name], IpPermissions=[permission])
        return str(made["SecurityGroupRules"][0]["SecurityGroupRuleId"])

    def add(self, name: str) -> None:
        """An interface with a group of its own, which lets out everything."""
        ec2 = self.cloud.client("ec2")
        made = ec2.create_security_group(GroupName=name, Description=name, VpcId=self.vpc)
        self.groups[name] = made["GroupId"]
        eni = ec2.create_network_interface(SubnetId=self.subnet, Groups=[made["GroupId"]])["NetworkInterface"]
        self.interfaces[name] = eni["NetworkInterfaceId"]

    def manage(self, name: str, **tags: str) -> None:
        """Tag a group as managed."""
        given = {"berthmaster:security-groups": "managed", **tags}
        self.cloud.client("ec2").create_tags(
            Resources=[self.groups[name]], Tags=[{"Key": key, "Value": value} for key, value in given.items()]
        )

    # Time

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.berthmaster.run(minutes=seconds / 60)

    def survey(self) -> None:
        """Have it recorded now what there is."""
        self.berthmaster.invoke(SURVEY, {})

    # Evidence and reports

    @property
    def bucket(self) -> str:
        """The application's bucket."""
        return str(self.berthmaster.template.identity("SecurityGroupsBucket").name)

    @property
    def table(self) -> str:
        """The ledger's table."""
        return str(self.berthmaster.template.identity("SecurityGroupsTable").name)

    def keys(self, prefix: str, bucket: str = "") -> list[str]:
        """The keys of the application's bucket, or another, below a prefix."""
        pages = (
            self.cloud.client("s3")
            .get_paginator("list_objects_v2")
            .paginate(Bucket=bucket or self.bucket, Prefix=prefix)
        )
        return [one["Key"] for page in pages for one in page.get("Contents", [])]

    def body(self, key: str, bucket: str = "") -> bytes:
        """An object."""
        return self.cloud.client("s3").get_object(Bucket=bucket or self.bucket, Key=key)["Body"].read()

    def report(self) -> dict[str, Any]:
        """Request a report; returns the evidence.json that is written."""
        before = len(self.events("Security Groups Reported"))
        self.request("Security Groups Report Requested", by="ann")
        for _ in range(20):
            self.wait(30)
            if len(self.events("Security Groups Reported")) > before:
                break
        return self.latest()

    def latest(self) -> dict[str, Any]:
        """The newest evidence.json."""
        return dict(json.loads(self.body("reports/latest/evidence.json")))

    # Events, requests, results

    def request(self, detail_type: str, **detail: Any) -> None:
        """Send a request as an operator."""
        event = {"source": "berthmaster.operator", "detail-type": detail_type, "detail": detail}
        self.berthmaster.put_event(event, bus=BUS)

    def events(self, *detail_types: str) -> list[Mapping[str, Any]]:
        """Details of Berthmaster's own events, in order."""
        return [
            seen.event["detail"]
            for seen in self.berthmaster.bus_events
            if seen.event["source"] == "berthmaster" and seen.event["detail-type"] in detail_types
        ]

    def mails(self) -> list[str]:
        """The messages that people got since the scene was opened."""
        return [one.message for one in self.berthmaster.published[self.mails_before :]]

    def dead_letters(self) -> list[Any]:
        """What ended in dead-letter queues."""
        return [one for queue in QUEUES for one in self.berthmaster.dead_letters(f"{queue}DeadLetterQueue")]


@contextmanager
def a_security_groups_scene(
    *,
    mode: str = "observe",
    seed: int = 1,
    faults: FaultPlan = NO_FAULTS,
    scheduled: bool = True,
    unscheduled: Collection[str] = (*OTHERS, REPORT),
    parquet: bool = False,
    **parameters: Any,
) -> Iterator[SecurityGroupsScene]:
    """Open a cloud with one scene in it, in which the topology is recorded every five minutes.

    In the end, all events of Berthmaster are compared with their schemas, and what people got is checked.
    """
    with Cloud(seed=seed, faults=faults) as cloud:
        ec2, s3 = cloud.client("ec2"), cloud.client("s3")
        s3.create_bucket(Bucket=LOGS, CreateBucketConfiguration={"LocationConstraint": cloud.region})
        s3.put_bucket_notification_configuration(
            Bucket=LOGS, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
        given = {"SecurityGroupsMode": mode, "FlowLogBuckets": f"arn:aws:s3:::{LOGS}", **parameters}
        berthmaster = Deployment(cloud, parameters=given, unscheduled=unscheduled)
        berthmaster.schedules_enabled = scheduled
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
        [log] = ec2.create_flow_logs(
            ResourceIds=[vpc],
            ResourceType="VPC",
            TrafficType="ALL",
            LogDestinationType="s3",
            LogDestination=f"arn:aws:s3:::{LOGS}/account",
            LogFormat=fields.log_format(fields.up_to(5)),
            MaxAggregationInterval=60,
            **({"DestinationOptions": {"FileFormat": "parquet"}} if parquet else {}),
        )["FlowLogIds"]
        scene = SecurityGroupsScene(cloud, berthmaster, Traffic(cloud), vpc, subnet, str(log))
        scene.add("web")
        scene.add("db")
        yield scene
        check_outcomes(berthmaster.bus_events)
        check_mails(cloud, berthmaster.published)
