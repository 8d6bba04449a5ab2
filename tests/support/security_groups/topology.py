"""Scenes for the recorded topology: a VPC, a cluster whose tasks run for as long as they are asked to."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from berthmaster.security_groups.ledger.topology_store import TopologyStore
from berthmaster.security_groups.model.topology import Topology
from simulator.aws.ec2.cloud_trail import Trail
from simulator.calls import Call
from simulator.cloud import Cloud
from simulator.faults import NO_FAULTS, FaultPlan
from simulator.stack.deployment import Deployment
from simulator.workload.network import Network
from tests.support.event_schemas import check_outcomes

SURVEY, TRACK = "SecurityGroupsSurveyFunction", "SecurityGroupsTrackFunction"
CHANGE = "SecurityGroupsChangeFunction"
OTHERS = ("CapacityWatchFunction", "TargetsReconcileFunction", "TargetsPodsFunction", "BatchReconcileFunction")
LOGS = "arn:aws:s3:::flow-logs"


@dataclass
class TopologyScene:
    """Berthmaster observes a VPC with one subnet; nothing else happens until a test makes it."""

    cloud: Cloud
    network: Network
    berthmaster: Deployment

    @property
    def ec2(self) -> Any:
        """EC2, for the operator."""
        return self.cloud.client("ec2")

    @property
    def bucket(self) -> str:
        """Where the topology is recorded."""
        return str(self.berthmaster.template.identity("SecurityGroupsBucket").name)

    @property
    def now(self) -> float:
        """In seconds since the epoch."""
        return self.cloud.clock.timestamp()

    def group(self, name: str) -> str:
        """A new group, without rules of its own."""
        return str(
            self.ec2.create_security_group(GroupName=name, Description=name, VpcId=self.network.vpc_id)["GroupId"]
        )

    def allow(self, group: str, **peer: Any) -> str:
        """A new rule for HTTPS; returns its id."""
        permission = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, **peer}
        answer = self.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])
        return str(answer["SecurityGroupRules"][0]["SecurityGroupRuleId"])

    def group_of(self, rule: str) -> str:
        """The group of a rule."""
        found = self.ec2.describe_security_group_rules(SecurityGroupRuleIds=[rule])["SecurityGroupRules"]
        return str(found[0]["GroupId"])

    def interface(self, *groups: str) -> str:
        """A new interface; returns its id."""
        made = self.ec2.create_network_interface(SubnetId=next(iter(self.network.subnets)), Groups=list(groups))
        return str(made["NetworkInterface"]["NetworkInterfaceId"])

    def run_task(self, group: str, *, lasts: float) -> None:
        """Start a task that works for so many seconds."""
        self.cloud.client("ecs").run_task(
            cluster="jobs",
            taskDefinition="job",
            launchType="FARGATE",
            networkConfiguration={
                "awsvpcConfiguration": {"subnets": list(self.network.subnets), "securityGroups": [group]}
            },
            overrides={
                "containerOverrides": [{"name": "job", "environment": [{"name": "LASTS", "value": str(lasts)}]}]
            },
        )

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.berthmaster.run(minutes=seconds / 60)

    def topology(self, *, hours: float = 24) -> Topology:
        """What is recorded of the last hours."""
        now = self.cloud.clock.now()
        return TopologyStore(self.cloud.client("s3"), self.bucket).load(now - timedelta(hours=hours), now)

    def recorded(self) -> list[str]:
        """The names of all recorded objects, in order."""
        pages = self.cloud.client("s3").get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return [one["Key"] for page in pages for one in page.get("Contents", [])]

    def events(self) -> list[Mapping[str, Any]]:
        """Details of Berthmaster's own events, in order."""
        return [one.event["detail"] for one in self.berthmaster.bus_events if one.event["source"] == "berthmaster"]


@contextmanager
def a_topology_scene(
    *, seed: int = 1, faults: FaultPlan = NO_FAULTS, mode: str = "observe", trail: bool = True
) -> Iterator[TopologyScene]:
    """Open a cloud with one scene in it; surveys begin after five minutes."""
    with Cloud(seed=seed, faults=faults) as cloud:
        network = Network.create(cloud, "10.0.0.0/20", zones=("a",))
        network.subnet("a", "10.0.0.0/28")
        cloud.client("s3").create_bucket(
            Bucket="flow-logs", CreateBucketConfiguration={"LocationConstraint": cloud.region}
        )
        cloud.client("ecs").create_cluster(clusterName="jobs", capacityProviders=["FARGATE"])
        cloud.client("ecs").register_task_definition(
            family="job",
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            containerDefinitions=[{"name": "job", "image": "example/job:1"}],
        )
        cloud.tasks.programs["job"] = _work
        parameters = {"SecurityGroupsMode": mode, "FlowLogBuckets": LOGS}
        berthmaster = Deployment(cloud, parameters=parameters, unscheduled=OTHERS)
        cloud.state(Trail).is_on = trail
        yield TopologyScene(cloud, network, berthmaster)
        check_outcomes(berthmaster.bus_events)


def _work(task: Any) -> int:
    task.sleep(float(task.environment["LASTS"]))
    return 0


def every_topology_call() -> Iterator[Call]:
    """Surveys that find prefix lists and report, hours that are folded, and events of every kind."""
    with a_topology_scene() as scene:
        made = scene.ec2.create_managed_prefix_list(
            PrefixListName="office", MaxEntries=5, AddressFamily="IPv4", Entries=[{"Cidr": "192.0.2.0/24"}]
        )
        prefix_list = made["PrefixList"]["PrefixListId"]
        scene.ec2.create_flow_logs(
            ResourceIds=[scene.network.vpc_id],
            ResourceType="VPC",
            TrafficType="ALL",
            LogDestinationType="s3",
            LogDestination=LOGS,
        )
        group = scene.group("web")
        scene.allow(group, PrefixListIds=[{"PrefixListId": prefix_list}])
        interface = scene.interface(group)
        scene.run_task(group, lasts=60)
        scene.wait(10 * 60)
        scene.ec2.modify_managed_prefix_list(
            PrefixListId=prefix_list, CurrentVersion=1, AddEntries=[{"Cidr": "198.51.100.0/24"}]
        )
        scene.ec2.delete_network_interface(NetworkInterfaceId=interface)
        scene.wait(130 * 60)
        yield from scene.cloud.calls
