"""Groups without an interface: whatever names them is found, and what cannot be read makes nothing certain."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from berthmaster.clients import Clients
from berthmaster.security_groups.model.references import References
from berthmaster.security_groups.model.rules import Group, PrefixListReference
from berthmaster.security_groups.observe.ec2_shapes import SecurityGroupRule, described, rule_of
from berthmaster.security_groups.observe.references import read_references
from berthmaster.security_groups.observe.referrers import REFERRERS
from berthmaster.security_groups.observe.stale_references import read_stale
from berthmaster.security_groups.plan.present import Present
from berthmaster.security_groups.plan.stale_rules import stale_rules
from simulator.cloud import Cloud
from simulator.errors import AwsError

ROLE = "arn:aws:iam::123456789012:role/service-role/worker"


def always() -> bool:
    return True


class Scene:
    """A VPC, its groups by name, and everything that may name one."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.ec2 = cloud.client("ec2")
        self.vpc = self.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self.subnet = self.ec2.create_subnet(VpcId=self.vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
        self.groups: dict[str, str] = {}

    def group(self, name: str) -> str:
        """A group of this name, made if there is none."""
        if name not in self.groups:
            self.groups[name] = self.ec2.create_security_group(GroupName=name, Description=name, VpcId=self.vpc)[
                "GroupId"
            ]
        return self.groups[name]

    def network(self, name: str) -> dict[str, Any]:
        return {"awsvpcConfiguration": {"subnets": [self.subnet], "securityGroups": [self.group(name)]}}

    def read(self) -> References:
        return read_references(Clients(), sorted(self.groups.values()), always)

    def named(self) -> dict[str, tuple[str, ...]]:
        """By the group's name."""
        found = self.read()
        assert found.unread == ()
        return {name: found.by_group[id_] for name, id_ in self.groups.items() if id_ in found.by_group}


@pytest.fixture
def scene() -> Iterator[Scene]:
    with Cloud(seed=7, subnet_delay=0) as cloud:
        yield Scene(cloud)


def test_launch_templates_in_every_version_that_is_used(scene: Scene) -> None:
    ec2, groups = scene.ec2, [scene.group(f"version {number}") for number in range(1, 7)]
    template = ec2.create_launch_template(
        LaunchTemplateName="nodes", LaunchTemplateData={"SecurityGroupIds": groups[:1]}
    )["LaunchTemplate"]["LaunchTemplateId"]
    for group in groups[1:]:
        ec2.create_launch_template_version(
            LaunchTemplateId=template, LaunchTemplateData={"NetworkInterfaces": [{"DeviceIndex": 0, "Groups": [group]}]}
        )
    ec2.create_launch_template(LaunchTemplateName="old", LaunchTemplateData={"SecurityGroups": ["by name"]})
    autoscaling = scene.cloud.client("autoscaling")
    specification = {"LaunchTemplateId": template, "Version": "2"}
    autoscaling.create_auto_scaling_group(
        AutoScalingGroupName="web", MinSize=0, MaxSize=1, LaunchTemplate=specification, VPCZoneIdentifier=scene.subnet
    )
    autoscaling.create_auto_scaling_group(
        AutoScalingGroupName="mixed",
        MinSize=0,
        MaxSize=1,
        MixedInstancesPolicy={
            "LaunchTemplate": {
                "LaunchTemplateSpecification": {"LaunchTemplateName": "nodes", "Version": "$Latest"},
                "Overrides": [
                    {"InstanceType": "m6g.large", "LaunchTemplateSpecification": {**specification, "Version": "3"}}
                ],
            }
        },
        VPCZoneIdentifier=scene.subnet,
    )
    autoscaling.create_launch_configuration(
        LaunchConfigurationName="ancient",
        ImageId="ami-12c6146b",
        InstanceType="t3.micro",
        SecurityGroups=[scene.group("configuration")],
    )
    eks = scene.cloud.client("eks")
    eks.create_cluster(name="k8s", roleArn=ROLE, resourcesVpcConfig={"subnetIds": [scene.subnet]})
    eks.create_nodegroup(
        clusterName="k8s",
        nodegroupName="spot",
        subnets=[scene.subnet],
        nodeRole=ROLE,
        launchTemplate={"name": "nodes", "version": "4"},
    )
    assert scene.named() == {
        "version 1": ("launch template nodes version 1",),
        "version 2": ("launch template nodes version 2, used by Auto Scaling group web",),
        "version 3": ("launch template nodes version 3, used by Auto Scaling group mixed",),
        "version 4": ("launch template nodes version 4, used by EKS node group spot of k8s",),
        "version 6": ("launch template nodes version 6, used by Auto Scaling group mixed",),
        "configuration": ("launch configuration ancient",),
    }
    assert scene.read().by_group["by name"] == ("launch template old version 1",)


def test_what_runs_containers(scene: Scene) -> None:
    ecs, events, scheduler = (scene.cloud.client(name) for name in ("ecs", "events", "scheduler"))
    cluster = ecs.create_cluster(clusterName="shop")["cluster"]["clusterArn"]
    task = ecs.register_task_definition(
        family="web", networkMode="awsvpc", containerDefinitions=[{"name": "main", "image": "x", "memory": 64}]
    )["taskDefinition"]["taskDefinitionArn"]
    ecs.create_service(
        cluster="shop",
        serviceName="web",
        taskDefinition="web",
        desiredCount=0,
        networkConfiguration=scene.network("service"),
    )
    parameters = {
        "TaskDefinitionArn": task,
        "NetworkConfiguration": {
            "awsvpcConfiguration": {"Subnets": [scene.subnet], "SecurityGroups": [scene.group("rule")]}
        },
    }
    events.put_rule(Name="nightly", ScheduleExpression="rate(1 day)")
    events.put_targets(
        Rule="nightly", Targets=[{"Id": "1", "Arn": cluster, "RoleArn": ROLE, "EcsParameters": parameters}]
    )
    parameters["NetworkConfiguration"] = {
        "awsvpcConfiguration": {"Subnets": [scene.subnet], "SecurityGroups": [scene.group("schedule")]}
    }
    targets = {
        "task": {"Arn": cluster, "RoleArn": ROLE, "EcsParameters": parameters},
        "api": {
            "Arn": "arn:aws:scheduler:::aws-sdk:ecs:runTask",
            "RoleArn": ROLE,
            "Input": json.dumps({"NetworkConfiguration": scene.network("sdk")}),
        },
        "queue": {"Arn": "arn:aws:sqs:eu-central-1:123456789012:q", "RoleArn": ROLE, "Input": scene.group("message")},
    }
    for name, target in targets.items():
        scheduler.create_schedule(
            Name=name, ScheduleExpression="rate(1 day)", FlexibleTimeWindow={"Mode": "OFF"}, Target=target
        )
    scene.cloud.client("stepfunctions").create_state_machine(
        name="orders",
        roleArn=ROLE,
        definition=json.dumps(
            {"StartAt": "Run", "States": {"Run": {"Type": "Pass", "Result": scene.network("machine"), "End": True}}}
        ),
    )
    scene.cloud.client("batch").create_compute_environment(
        computeEnvironmentName="jobs",
        type="MANAGED",
        computeResources={
            "type": "FARGATE",
            "maxvCpus": 1,
            "subnets": [scene.subnet],
            "securityGroupIds": [scene.group("batch")],
        },
        serviceRole=_role(scene.cloud),
    )
    scene.cloud.client("ssm").put_parameter(
        Name="/berthmaster/batch/ocr",
        Value=json.dumps({"run": {"securityGroups": [scene.group("files")]}}),
        Type="String",
    )
    assert scene.named() == {
        "files": ("pipeline ocr",),
        "service": ("ECS service web of shop",),
        "rule": ("EventBridge rule nightly",),
        "schedule": ("schedule default/task",),
        "sdk": ("schedule default/api",),
        "machine": ("state machine orders",),
        "batch": ("Batch compute environment jobs",),
    }


def _role(cloud: Cloud) -> str:
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    role: str = cloud.client("iam").create_role(RoleName="batch", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    return role


def test_functions_clusters_databases_caches_and_builds(scene: Scene) -> None:
    cloud = scene.cloud
    cloud.client("eks").create_cluster(
        name="k8s",
        roleArn=ROLE,
        resourcesVpcConfig={"subnetIds": [scene.subnet], "securityGroupIds": [scene.group("cluster")]},
    )
    cloud.client("rds").create_db_instance(
        DBInstanceIdentifier="orders",
        DBInstanceClass="db.t3.micro",
        Engine="postgres",
        MasterUsername="owner",
        MasterUserPassword="not a secret",
        AllocatedStorage=20,
        VpcSecurityGroupIds=[scene.group("instance")],
    )
    cloud.client("rds").create_db_cluster(
        DBClusterIdentifier="graph",
        Engine="aurora-postgresql",
        MasterUsername="owner",
        MasterUserPassword="not a secret",
        VpcSecurityGroupIds=[scene.group("aurora")],
    )
    cloud.client("elasticache").create_cache_cluster(
        CacheClusterId="sessions",
        Engine="redis",
        NumCacheNodes=1,
        CacheNodeType="cache.t3.micro",
        SecurityGroupIds=[scene.group("cache")],
    )
    cloud.client("codebuild").create_project(
        name="release",
        source={"type": "S3", "location": "sources/release.zip"},
        artifacts={"type": "NO_ARTIFACTS"},
        environment={"type": "LINUX_CONTAINER", "image": "x", "computeType": "BUILD_GENERAL1_SMALL"},
        serviceRole=ROLE,
        vpcConfig={"vpcId": scene.vpc, "subnets": [scene.subnet], "securityGroupIds": [scene.group("build")]},
    )
    cloud.handlers["lambda:ListFunctions"] = lambda _, params: {
        "Functions": [
            {
                "FunctionName": "hook",
                "Version": "$LATEST",
                "VpcConfig": {"SecurityGroupIds": [scene.group("function")]},
            },
            {"FunctionName": "plain", "Version": "$LATEST"},
            *(
                [
                    {
                        "FunctionName": "hook",
                        "Version": "3",
                        "VpcConfig": {"SecurityGroupIds": [scene.group("published")]},
                    }
                ]
                if params.get("FunctionVersion") == "ALL"
                else []
            ),
        ]
    }
    assert scene.named() == {
        "cluster": ("EKS cluster k8s",),
        "instance": ("database instance orders",),
        "aurora": ("database cluster graph",),
        "cache": ("ElastiCache cluster sessions",),
        "build": ("CodeBuild project release",),
        "function": ("Lambda function hook",),
        "published": ("Lambda function hook version 3",),
    }


def test_rules_of_a_peered_vpc_name_a_group_even_if_another_group_was_just_deleted(scene: Scene) -> None:
    peer = scene.ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    peering = scene.ec2.create_vpc_peering_connection(VpcId=scene.vpc, PeerVpcId=peer)["VpcPeeringConnection"]
    scene.ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=peering["VpcPeeringConnectionId"])
    there = scene.ec2.create_security_group(GroupName="there", Description="there", VpcId=peer)["GroupId"]
    ours, gone = scene.group("ours"), scene.group("gone")
    pair = {"GroupId": ours, "VpcPeeringConnectionId": peering["VpcPeeringConnectionId"]}
    scene.ec2.authorize_security_group_ingress(
        GroupId=there, IpPermissions=[{"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "UserIdGroupPairs": [pair]}]
    )
    scene.ec2.delete_security_group(GroupId=gone)
    assert scene.named() == {"ours": (f"rules in {peer}",)}


def test_what_cannot_be_read_is_named_and_everything_else_is_read(scene: Scene) -> None:
    def denied(*_: object) -> dict[str, Any]:
        raise AwsError("AccessDeniedException", "not authorized")

    scene.cloud.handlers["lambda:ListFunctions"] = denied
    scene.cloud.handlers["ec2:DescribeFleets"] = denied
    ecs = scene.cloud.client("ecs")
    ecs.create_cluster(clusterName="shop")
    ecs.register_task_definition(
        family="web", networkMode="awsvpc", containerDefinitions=[{"name": "main", "image": "x", "memory": 64}]
    )
    ecs.create_service(
        cluster="shop", serviceName="web", taskDefinition="web", networkConfiguration=scene.network("service")
    )
    found = scene.read()
    assert found.unread == (
        ("launch templates", "AccessDeniedException"),
        ("Lambda functions", "AccessDeniedException"),
    )
    assert found.by_group == {scene.groups["service"]: ("ECS service web of shop",)}
    assert {*found.looked_at, "launch templates", "Lambda functions"} == {*REFERRERS, "rules of other VPCs"}


def test_without_time_nothing_is_certain(scene: Scene) -> None:
    scene.group("any")
    found = read_references(Clients(), [], lambda: False)
    assert (found.looked_at, found.by_group) == ((), {})
    assert {reason for _, reason in found.unread} == {"there was no time left"}


def test_rules_that_name_what_is_gone(scene: Scene) -> None:
    peer = scene.ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    peering = scene.ec2.create_vpc_peering_connection(VpcId=scene.vpc, PeerVpcId=peer)["VpcPeeringConnection"][
        "VpcPeeringConnectionId"
    ]
    scene.ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=peering)
    gone, there = (
        scene.ec2.create_security_group(GroupName=name, Description=name, VpcId=peer)["GroupId"]
        for name in ("gone", "there")
    )
    ours = scene.group("ours")
    pairs = [{"GroupId": group, "VpcPeeringConnectionId": peering} for group in (gone, there)]
    scene.ec2.authorize_security_group_ingress(
        GroupId=ours,
        IpPermissions=[{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "UserIdGroupPairs": pairs}],
    )
    scene.ec2.authorize_security_group_egress(
        GroupId=ours,
        IpPermissions=[{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "UserIdGroupPairs": pairs[1:]}],
    )
    scene.ec2.delete_security_group(GroupId=gone)

    def named() -> dict[str, tuple[str, str]]:
        now = Present(
            rules=tuple(
                rule_of(one)
                for one in described(
                    SecurityGroupRule, scene.ec2.describe_security_group_rules()["SecurityGroupRules"], "rules"
                )
            ),
            groups={there: Group(id=there), ours: Group(id=ours)},
        )
        lists = {one.peer.prefix_list for one in now.rules if isinstance(one.peer, PrefixListReference)}
        stale = read_stale(scene.ec2, [scene.vpc, peer, "vpc-00000000000000000"], {*lists, "pl-gone"}, always)
        assert stale.unread == ()
        assert stale.prefix_lists == {"pl-gone"}
        by_id = {one.id: one for one in now.rules}
        return {f"{by_id[one.rule].direction} {one.names}": one.why.split(";")[0] for one in stale_rules(now, stale)}

    where = f"in {peer} through {peering}"
    deleted = "EC2 calls it stale: the group is deleted, or its VPC not peered"
    assert named() == {f"ingress {gone} {where}": deleted}
    scene.ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=peering)
    apart = "EC2 calls it stale: there is no peering to its VPC any more"
    assert named() == {
        f"ingress {gone} {where}": deleted,
        f"ingress {there} {where}": apart,
        f"egress {there} {where}": apart,
    }
