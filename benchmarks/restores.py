"""From a rejected packet to the restored rule: 200 rules in quarantine that are needed after all, within an hour.

Other VPCs deliver files of flow logs meanwhile, and security_groups_credit is far behind with all of them. Each call
takes a realistic time; CPU takes none.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, partial
from math import ceil
from random import Random
from typing import TYPE_CHECKING, Any

from berthmaster.security_groups.ledger.removals import Removals
from berthmaster.security_groups.model.removals import Candidate, Ground, Origin, Removal, RemovalState
from berthmaster.security_groups.observe.ec2_shapes import SecurityGroupRule, described, rule_of
from simulator.aws.ec2.connection_tracking import ConnectionTracking
from simulator.aws.ec2.flow_logs import fields
from simulator.cloud import Cloud
from simulator.latency import Realistic
from simulator.stack.deployment import Deployment
from simulator.workload.network import Network
from simulator.workload.traffic.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

GROUPS, RULES = 26, 8
"""Groups, and rules of each."""
OTHER_VPCS = 10
SEED = 5
BUCKET = "flow-logs"
FIRST_PORT = 9000
HOUR = 3600.0
WHILE = HOUR
"""Seconds within which all rules are needed, each at a time of its own."""
UNTIL_DELIVERED = 1800.0
AIM = 60.0
"""Seconds from the file to the restored rule, for 99 of a hundred."""
CHANGE = "SecurityGroupsChangeFunction"
UNSCHEDULED = (
    *("CapacityWatchFunction", "TargetsReconcileFunction", "TargetsPodsFunction", "BatchReconcileFunction"),
    *("SecurityGroupsSurveyFunction", "SecurityGroupsReportFunction"),
)
"""Without surveys, security_groups_credit waits with every file."""

type Key = tuple[str, int]
"""An interface and a port."""


@dataclass(frozen=True)
class Report:
    """since_file, since_packet: seconds until each rule was restored, shortest first. waiting: files when all was over.

    files: that were watched. latency: of the simulated AWS.
    """

    since_file: tuple[float, ...]
    since_packet: tuple[float, ...]
    rules: int
    files: int
    waiting: int
    latency: str


@cache
def report() -> Report:
    """Quarantine, deny, and see each rule restored."""
    return measured(GROUPS, OTHER_VPCS)


def measured(groups: int, other_vpcs: int) -> Report:
    """The same with so many groups, and other VPCs."""
    latency = Realistic(SEED)
    with Cloud(seed=SEED, latency=latency) as cloud:
        cloud.state(ConnectionTracking).default["TcpEstablishedTimeout"] = 350
        elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": cloud.region}}
        s3 = cloud.client("s3")
        s3.create_bucket(Bucket=BUCKET, **elsewhere)
        events: Any = {"EventBridgeConfiguration": {}}
        s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration=events)
        parameters = {"SecurityGroupsMode": "approve", "FlowLogBuckets": f"arn:aws:s3:::{BUCKET}"}
        others_off = {f"{name}Mode": "off" for name in ("Capacity", "Targets", "Batch")}
        berthmaster = Deployment(cloud, parameters=parameters | others_off, unscheduled=UNSCHEDULED)
        account = _Account(cloud, berthmaster, groups, other_vpcs)
        account.quarantine()
        berthmaster.run(minutes=10)
        denied = account.need()
        berthmaster.run(minutes=(WHILE + UNTIL_DELIVERED) / 60)
        files, arrived = _files(berthmaster), _arrivals(cloud, berthmaster)
        restored = {
            account.rules[rule]: at for rule, at in _restored(berthmaster).items() if account.rules[rule] in denied
        }
        return Report(
            since_file=tuple(sorted(at - arrived[key] for key, at in restored.items())),
            since_packet=tuple(sorted(at - denied[key] for key, at in restored.items())),
            rules=len(account.rules),
            files=len(files),
            waiting=len(berthmaster.messages("SecurityGroupsCreditQueue")),
            latency=str(latency),
        )


class _Account:
    """Groups with an interface each, whose rules let in one caller; and other VPCs, in which nothing happens."""

    def __init__(self, cloud: Cloud, berthmaster: Deployment, groups: int, other_vpcs: int) -> None:
        self._cloud = cloud
        self._berthmaster = berthmaster
        self._traffic = Traffic(cloud)
        network = Network.create(cloud, "10.0.0.0/16", zones=("a",), managed=False)
        subnet = network.subnet("a", "10.0.0.0/23")
        self._vpc = network.vpc_id
        self._caller = self._interface(subnet, network.security_group_id)
        self.rules: dict[str, Key] = {}
        for number in range(groups):
            self._add(subnet, f"service-{number}")
        vpcs = [self._vpc]
        for number in range(other_vpcs):
            other = Network.create(cloud, f"10.{number + 1}.0.0/16", zones=("a",), managed=False)
            self._interface(other.subnet("a", f"10.{number + 1}.0.0/24"), other.security_group_id)
            vpcs.append(other.vpc_id)
        cloud.client("ec2").create_flow_logs(
            ResourceIds=vpcs,
            ResourceType="VPC",
            TrafficType="ALL",
            LogDestinationType="s3",
            LogDestination=f"arn:aws:s3:::{BUCKET}",
            LogFormat=fields.log_format(fields.up_to(5)),
            MaxAggregationInterval=60,
        )

    def quarantine(self) -> None:
        """Decide that all rules go, and let it be done."""
        cloud = self._cloud
        table = str(self._berthmaster.template.identity("SecurityGroupsTable").name)
        ledger, now = Removals(cloud.client("dynamodb"), table), cloud.clock.now()
        answer = cloud.client("ec2").describe_security_group_rules()["SecurityGroupRules"]
        found = [rule_of(one) for one in described(SecurityGroupRule, answer, "")]
        for rule in found:
            if rule.id in self.rules:
                candidate = Candidate(
                    rule=rule, vpc=self._vpc, ground=Ground.UNUSED, why="nothing used it", since=0, until=1
                )
                ledger.save(
                    Removal(
                        candidate=candidate,
                        origin=Origin.PEOPLE,
                        state=RemovalState.APPROVED,
                        announced_at=now - timedelta(days=7),
                        changed_at=now,
                        due_at=now,
                        intended_at=now,
                    )
                )
        for group in sorted({rule.group for rule in found if rule.id in self.rules}):
            event = {"source": "berthmaster", "detail-type": "Change Group", "detail": {"group": group}}
            self._berthmaster.put_event(event, bus="berthmaster")

    def need(self) -> Mapping[Key, float]:
        """Let each rule be needed once, at a random time; returns when."""
        random, now = Random(f"{SEED}:needed"), self._cloud.clock.timestamp()
        denied = {key: now + random.uniform(0, WHILE) for key in self.rules.values()}
        for (interface, port), at in denied.items():
            self._cloud.clock.at(at, partial(self._connect, interface, port))
        return denied

    def _connect(self, interface: str, port: int) -> None:
        self._traffic.connect(self._caller, interface, port)

    def _add(self, subnet: str, name: str) -> None:
        ec2 = self._cloud.client("ec2")
        group = ec2.create_security_group(GroupName=name, Description=name, VpcId=self._vpc)["GroupId"]
        ec2.create_tags(Resources=[group], Tags=[{"Key": "berthmaster:security-groups", "Value": "managed"}])
        interface = self._interface(subnet, group)
        for port in range(FIRST_PORT, FIRST_PORT + RULES):
            permission = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}
            made = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])
            self.rules[made["SecurityGroupRules"][0]["SecurityGroupRuleId"]] = interface, port

    def _interface(self, subnet: str, group: str) -> str:
        made = self._cloud.client("ec2").create_network_interface(SubnetId=subnet, Groups=[group])
        return str(made["NetworkInterface"]["NetworkInterfaceId"])


def _files(berthmaster: Deployment) -> dict[str, float]:
    """When each object of a flow log was there, by its key."""
    return {
        seen.event["detail"]["object"]["key"]: datetime.fromisoformat(seen.event["time"]).timestamp()
        for seen in berthmaster.bus_events
        if seen.event["detail-type"] == "Object Created" and seen.event["detail"]["bucket"]["name"] == BUCKET
    }


def _arrivals(cloud: Cloud, berthmaster: Deployment) -> dict[Key, float]:
    """When the first file was there that says of an interface and a port that something was rejected."""
    found: dict[Key, float] = {}
    for key, at in sorted(_files(berthmaster).items(), key=lambda one: -one[1]):
        text = gzip.decompress(cloud.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()).decode()
        header, *lines = (line.split() for line in text.splitlines())
        for record in (dict(zip(header, line, strict=True)) for line in lines):
            if record["action"] == "REJECT":
                found[record["interface-id"], int(record["dstport"])] = at
    return found


def _restored(berthmaster: Deployment) -> dict[str, float]:
    """When EC2 was asked to have each rule as it was."""
    found: dict[str, float] = {}
    for call in berthmaster.cloud.calls.of(CHANGE).named("ec2:ModifySecurityGroupRules"):
        for one in call.params["SecurityGroupRules"]:
            if one["SecurityGroupRule"].get("CidrIpv4") == "10.0.0.0/8":
                found.setdefault(one["SecurityGroupRuleId"], call.at)
    return found


def percentile(ordered: Sequence[float], share: float) -> float:
    """Within what so many of them are."""
    return ordered[ceil(share * len(ordered)) - 1]


def _spread(seconds: Sequence[float]) -> str:
    median, most, longest = (percentile(seconds, share) for share in (0.5, 0.99, 1.0))
    return f"{median:8.1f} median, {most:.1f} for 99 of a hundred, {longest:.1f} at most"


def printed(found: Report) -> Iterator[str]:
    """Half of them, 99 of a hundred, and the last."""
    yield f"{'rules in quarantine that were needed':60s}{found.rules:8d}"
    yield f"{'… restored by themselves':60s}{len(found.since_file):8d}"
    yield f"{f'seconds from the file to the restored rule (aim: {AIM:g})':60s}{_spread(found.since_file)}"
    yield f"{'seconds from the packet to the restored rule':60s}{_spread(found.since_packet)}"
    yield f"{'files of flow logs that were watched':60s}{found.files:8d}"
    yield f"{'… that still waited for security_groups_credit in the end':60s}{found.waiting:8d}"
    yield f"In the simulated AWS {found.latency}; a file comes two to seven minutes after its last record."
