"""Everything that names security groups without having an interface all the time."""

import json
from typing import Any

from simulator.cloud import Cloud

ROLE = "arn:aws:iam::123456789012:role/service-role/worker"


class Referrers:
    """What names the groups of a VPC; each group is made when it is named first.

    groups: ids by name.
    """

    def __init__(self, cloud: Cloud, vpc: str, subnet: str) -> None:
        self.cloud = cloud
        self.ec2 = cloud.client("ec2")
        self.vpc, self.subnet = vpc, subnet
        self.groups: dict[str, str] = {}

    def group(self, name: str) -> str:
        """The id of a group of this name."""
        if name not in self.groups:
            made = self.ec2.create_security_group(GroupName=name, Description=name, VpcId=self.vpc)
            self.groups[name] = made["GroupId"]
        return self.groups[name]

    def network(self, name: str) -> dict[str, Any]:
        """Of a task with the group of this name."""
        return {"awsvpcConfiguration": {"subnets": [self.subnet], "securityGroups": [self.group(name)]}}

    def launch_templates(self) -> None:
        """Versions used by Auto Scaling and EKS; a launch configuration."""
        ec2, groups = self.ec2, [self.group(f"version {number}") for number in range(1, 7)]
        template = ec2.create_launch_template(
            LaunchTemplateName="nodes", LaunchTemplateData={"SecurityGroupIds": groups[:1]}
        )["LaunchTemplate"]["LaunchTemplateId"]
        for group in groups[1:]:
            ec2.create_launch_template_version(
                LaunchTemplateId=template,
                LaunchTemplateData={"NetworkInterfaces": [{"DeviceIndex": 0, "Groups": [group]}]},
            )
        ec2.create_launch_template(LaunchTemplateName="old", LaunchTemplateData={"SecurityGroups": ["by name"]})
        autoscaling = self.cloud.client("autoscaling")
        specification = {"LaunchTemplateId": template, "Version": "2"}
        autoscaling.create_auto_scaling_group(
            AutoScalingGroupName="web",
            MinSize=0,
            MaxSize=1,
            LaunchTemplate=specification,
            VPCZoneIdentifier=self.subnet,
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
            VPCZoneIdentifier=self.subnet,
        )
        autoscaling.create_launch_configuration(
            LaunchConfigurationName="ancient",
            ImageId="ami-12c6146b",
            InstanceType="t3.micro",
            SecurityGroups=[self.group("configuration")],
        )
        eks = self.cloud.client("eks")
        eks.create_cluster(name="k8s", roleArn=ROLE, resourcesVpcConfig={"subnetIds": [self.subnet]})
        eks.create_nodegroup(
            clusterName="k8s",
            nodegroupName="spot",
            subnets=[self.subnet],
            nodeRole=ROLE,
            launchTemplate={"name": "nodes", "version": "4"},
        )

    def containers(self) -> None:
        """What runs tasks: services, rules, schedules, state machines, Batch, pipelines."""
        ecs, events, scheduler = (self.cloud.client(name) for name in ("ecs", "events", "scheduler"))
        cluster = ecs.create_cluster(clusterName="shop")["cluster"]["clusterArn"]
        task = ecs.register_task_definition(
            family="web", networkMode="awsvpc", containerDefinitions=[{"name": "main", "image": "x", "memory": 64}]
        )["taskDefinition"]["taskDefinitionArn"]
        ecs.create_service(
            cluster="shop",
            serviceName="web",
            taskDefinition="web",
            desiredCount=0,
            networkConfiguration=self.network("service"),
        )
        parameters = {
            "TaskDefinitionArn": task,
            "NetworkConfiguration": {
                "awsvpcConfiguration": {"Subnets": [self.subnet], "SecurityGroups": [self.group("rule")]}
            },
        }
        events.put_rule(Name="nightly", ScheduleExpression="rate(1 day)")
        events.put_targets(
            Rule="nightly", Targets=[{"Id": "1", "Arn": cluster, "RoleArn": ROLE, "EcsParameters": parameters}]
        )
        parameters["NetworkConfiguration"] = {
            "awsvpcConfiguration": {"Subnets": [self.subnet], "SecurityGroups": [self.group("schedule")]}
        }
        targets = {
            "task": {"Arn": cluster, "RoleArn": ROLE, "EcsParameters": parameters},
            "api": {
                "Arn": "arn:aws:scheduler:::aws-sdk:ecs:runTask",
                "RoleArn": ROLE,
                "Input": json.dumps({"NetworkConfiguration": self.network("sdk")}),
            },
            "queue": {
                "Arn": "arn:aws:sqs:eu-central-1:123456789012:q",
                "RoleArn": ROLE,
                "Input": self.group("message"),
            },
        }
        for name, target in targets.items():
            scheduler.create_schedule(
                Name=name, ScheduleExpression="rate(1 day)", FlexibleTimeWindow={"Mode": "OFF"}, Target=target
            )
        self.cloud.client("stepfunctions").create_state_machine(
            name="orders",
            roleArn=ROLE,
            definition=json.dumps(
                {"StartAt": "Run", "States": {"Run": {"Type": "Pass", "Result": self.network("machine"), "End": True}}}
            ),
        )
        self.cloud.client("batch").create_compute_environment(
            computeEnvironmentName="jobs",
            type="MANAGED",
            computeResources={
                "type": "FARGATE",
                "maxvCpus": 1,
                "subnets": [self.subnet],
                "securityGroupIds": [self.group("batch")],
            },
            serviceRole=_role(self.cloud),
        )
        self.cloud.client("ssm").put_parameter(
            Name="/berthmaster/batch/ocr",
            Value=json.dumps({"run": {"securityGroups": [self.group("files")]}}),
            Type="String",
        )

    def others(self) -> None:
        """Clusters, databases, caches, builds and functions."""
        cloud = self.cloud
        cloud.client("eks").create_cluster(
            name="apps",
            roleArn=ROLE,
            resourcesVpcConfig={"subnetIds": [self.subnet], "securityGroupIds": [self.group("cluster")]},
        )
        cloud.client("rds").create_db_instance(
            DBInstanceIdentifier="orders",
            DBInstanceClass="db.t3.micro",
            Engine="postgres",
            MasterUsername="owner",
            MasterUserPassword="not a secret",
            AllocatedStorage=20,
            VpcSecurityGroupIds=[self.group("instance")],
        )
        cloud.client("rds").create_db_cluster(
            DBClusterIdentifier="graph",
            Engine="aurora-postgresql",
            MasterUsername="owner",
            MasterUserPassword="not a secret",
            VpcSecurityGroupIds=[self.group("aurora")],
        )
        cloud.client("elasticache").create_cache_cluster(
            CacheClusterId="sessions",
            Engine="redis",
            NumCacheNodes=1,
            CacheNodeType="cache.t3.micro",
            SecurityGroupIds=[self.group("cache")],
        )
        cloud.client("codebuild").create_project(
            name="release",
            source={"type": "S3", "location": "sources/release.zip"},
            artifacts={"type": "NO_ARTIFACTS"},
            environment={"type": "LINUX_CONTAINER", "image": "x", "computeType": "BUILD_GENERAL1_SMALL"},
            serviceRole=ROLE,
            vpcConfig={"vpcId": self.vpc, "subnets": [self.subnet], "securityGroupIds": [self.group("build")]},
        )
        functions = [self.group("function"), self.group("published")]
        cloud.handlers["lambda:ListFunctions"] = lambda _, params: {
            "Functions": [
                {
                    "FunctionName": "hook",
                    "Version": "$LATEST",
                    "VpcConfig": {"SecurityGroupIds": functions[:1]},
                },
                {"FunctionName": "plain", "Version": "$LATEST"},
                *(
                    [
                        {
                            "FunctionName": "hook",
                            "Version": "3",
                            "VpcConfig": {"SecurityGroupIds": functions[1:]},
                        }
                    ]
                    if params.get("FunctionVersion") == "ALL"
                    else []
                ),
            ]
        }


def _role(cloud: Cloud) -> str:
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    role: str = cloud.client("iam").create_role(RoleName="batch", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    return role
