"""The shop in a simulated cloud: its groups with their rules, its interfaces, and the flow log of its VPC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.aws.cloudformation.stacks import Stacks
from simulator.aws.ec2.addresses import Interfaces
from simulator.aws.ec2.cloud_trail import Trail
from simulator.aws.ec2.connection_tracking import ConnectionTracking
from simulator.aws.ec2.flow_logs import fields
from simulator.aws.ec2.flow_logs.delivery import FlowLogs
from simulator.aws.ec2.security_group_rules import find_group
from simulator.calls import WORKLOAD, calling_as
from simulator.demo.security_groups.rules import GROUPS, RULES, SHOP, STACK, ShopRule
from simulator.workload.fleet import Fleet
from simulator.workload.network import Network
from simulator.workload.traffic.traffic import Traffic

if TYPE_CHECKING:
    from simulator.aws.ecs.task import Task
    from simulator.cloud import Cloud

BUCKET = "flow-logs-of-the-shop"
MANAGED = {"berthmaster:security-groups": "managed"}
TASKS = 2
SUBNETS = {"a": "10.40.0.0/26", "b": "10.40.0.64/26"}
INTERFACES = {
    "front": ("a", "ELB app/front/50dc6c495c0c9188", "amazon-elb"),
    "orders": ("a", "RDSNetworkInterface", "amazon-rds"),
    "cache": ("a", "ElastiCache sessions-001", "amazon-elasticache"),
    "archive": ("a", "RDSNetworkInterface", "amazon-rds"),
    "search": ("a", "ES search", "amazon-elasticsearch"),
    "jobs": ("b", "batch host", ""),
}
"""Interfaces that are there all the time, each with the group of its name: zone, description, requester."""
FIELDS = (
    *(
        "version",
        "account-id",
        "interface-id",
        "srcaddr",
        "dstaddr",
        "srcport",
        "dstport",
        "protocol",
        "packets",
        "bytes",
    ),
    *("start", "end", "action", "log-status", "vpc-id", "subnet-id", "tcp-flags", "pkt-srcaddr", "pkt-dstaddr"),
    "flow-direction",
)
"""As docs/security-groups.md recommends."""
IDLE_TIMEOUT = 350
"""Seconds for which idle connections are tracked, as on instances since Nitro version 6."""
TOGETHER = 24 * 3600.0
"""Seconds of records in a file of the flow log, unless something was rejected."""


class Shop:
    """What there is, whichever way it is run.

    traffic: its connections. logs: of the account. log: id of the flow log. groups, interfaces: ids by name.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._ec2 = cloud.client("ec2")
        network = Network.create(cloud, SHOP, zones=tuple(SUBNETS), managed=False)
        self._subnets = {zone: network.subnet(zone, cidr) for zone, cidr in SUBNETS.items()}
        self._vpc = network.vpc_id
        self.groups = {name: self._group(name) for name in GROUPS}
        self.traffic = Traffic(cloud)
        self.logs = cloud.state(FlowLogs)
        self.logs.together = TOGETHER
        cloud.state(Trail).is_on = True
        cloud.state(ConnectionTracking).default["TcpEstablishedTimeout"] = IDLE_TIMEOUT
        for rule in RULES:
            self.authorize(rule)
        self.interfaces = {name: self._interface(name) for name in INTERFACES}
        self._fleet = Fleet(cloud, cluster="shop")
        self._configuration = network.network_configuration()
        self._configuration["awsvpcConfiguration"]["securityGroups"] = [self.groups["shop"]]
        self.log = ""

    def open(self) -> None:
        """Start the tasks, and log what interfaces see."""
        with calling_as(WORKLOAD):
            self._fleet.service("shop", self._configuration, TASKS)
        made = self._ec2.create_flow_logs(
            ResourceIds=[self._vpc],
            ResourceType="VPC",
            TrafficType="ALL",
            LogDestinationType="s3",
            LogDestination=f"arn:aws:s3:::{BUCKET}",
            LogFormat=fields.log_format(FIELDS),
            MaxAggregationInterval=60,
        )
        self.log = made["FlowLogIds"][0]

    def deploy(self) -> None:
        """Replace the tasks."""
        with calling_as(WORKLOAD):
            self._fleet.deploy("shop")

    @property
    def task(self) -> Task:
        """One that runs."""
        return next(task for task in self._fleet.tasks if task.is_running)

    # Rules

    def authorize(self, rule: ShopRule) -> str:
        """Add a rule as people do; returns its id."""
        authorize = self._ec2.authorize_security_group_ingress
        if rule.direction == "egress":
            authorize = self._ec2.authorize_security_group_egress
        made = authorize(GroupId=self.groups[rule.group], IpPermissions=[self._permission(rule)])
        identifier: str = made["SecurityGroupRules"][0]["SecurityGroupRuleId"]
        return identifier

    def present(self) -> dict[ShopRule, str]:
        """The rules of the beginning that are there, by what they allow, each with its id."""
        terms = {self._terms(rule): rule for rule in RULES}
        found = self._ec2.describe_security_group_rules()["SecurityGroupRules"]
        return {terms[key]: one["SecurityGroupRuleId"] for one in found if (key := _terms(one)) in terms}

    def tag(self, identifier: str, key: str, value: str) -> None:
        """Tag a group or a rule."""
        self._ec2.create_tags(Resources=[identifier], Tags=[{"Key": key, "Value": value}])

    def _terms(self, rule: ShopRule) -> tuple[Any, ...]:
        ports = (-1, -1) if rule.protocol == "-1" else rule.ports
        return (
            self.groups[rule.group],
            rule.direction == "egress",
            rule.protocol,
            *ports,
            self.groups.get(rule.peer, rule.peer),
        )

    def _permission(self, rule: ShopRule) -> dict[str, Any]:
        described = {"Description": rule.purpose} if rule.purpose else {}
        permission: dict[str, Any] = {"IpProtocol": rule.protocol}
        if rule.protocol != "-1":
            permission |= {"FromPort": rule.ports[0], "ToPort": rule.ports[1]}
        if rule.peer in self.groups:
            return permission | {"UserIdGroupPairs": [{"GroupId": self.groups[rule.peer], **described}]}
        return permission | {"IpRanges": [{"CidrIp": rule.peer, **described}]}

    # What there is

    def _group(self, name: str) -> str:
        """A group without any rule."""
        made = self._ec2.create_security_group(GroupName=name, Description=name, VpcId=self._vpc)["GroupId"]
        for rule in find_group(self._cloud, {"GroupId": made}).egress_rules[:]:
            self._ec2.revoke_security_group_egress(GroupId=made, SecurityGroupRuleIds=[rule.id])
        tags = dict(MANAGED)
        if name == STACK:
            # Nobody but CloudFormation may set tags whose keys begin with aws:.
            tags |= {
                "aws:cloudformation:stack-name": name,
                "aws:cloudformation:stack-id": self._cloud.state(Stacks).create(name),
                "aws:cloudformation:logical-id": "SearchSecurityGroup",
            }
        self._cloud.backend("ec2").create_tags([made], tags)
        return str(made)

    def _interface(self, name: str) -> str:
        zone, description, requester = INTERFACES[name]
        made = self._ec2.create_network_interface(
            SubnetId=self._subnets[zone], Groups=[self.groups[name]], Description=description
        )["NetworkInterface"]["NetworkInterfaceId"]
        interface = self._cloud.state(Interfaces)[made]
        interface.status = "in-use"
        interface.requester_id, interface.requester_managed = requester, bool(requester)
        return str(made)


def create_bucket(cloud: Cloud) -> None:
    """The bucket of the flow log, which reports its objects to EventBridge."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration={"EventBridgeConfiguration": {}})


def _terms(described: dict[str, Any]) -> tuple[Any, ...]:
    peer = described.get("CidrIpv4") or described.get("ReferencedGroupInfo", {}).get("GroupId")
    return (
        *(described["GroupId"], described["IsEgress"], described["IpProtocol"]),
        *(described.get("FromPort", -1), described.get("ToPort", -1), peer),
    )
