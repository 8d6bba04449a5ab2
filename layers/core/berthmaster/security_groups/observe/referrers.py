"""What names security groups without having an interface all the time, each kind of resource in a function.

Left out: resources whose interfaces exist as long as they do (load balancers, endpoints, mount targets), and kinds that
`NOT_LOOKED_AT` names.
"""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import batched
from typing import Any

from botocore.exceptions import ClientError

from berthmaster.arn import Arn
from berthmaster.clients import Clients
from berthmaster.errors import code_of
from berthmaster.security_groups.observe.launch_templates import (
    Named,
    compute_environments,
    launch_templates,
    node_groups,
)

NOT_LOOKED_AT = (
    "Glue connections, SageMaker, App Runner connectors, EventBridge Pipes, DMS, EMR, Directory Service, Client VPN, "
    "and whatever starts tasks or instances by itself, such as Terraform, Jenkins or Kubernetes"
)
PIPELINES = "/berthmaster/batch"
"""The path of the parameters that hold them."""
SERVICES_AT_ONCE = 10
GROUPS_AT_ONCE = 100
PROJECTS_AT_ONCE = BUSES_AT_ONCE = LISTED_AT_ONCE = 100
_GROUP_ID = re.compile(r"\bsg-[0-9a-f]{8,17}\b")


def launch_configurations(clients: Clients) -> Iterator[Named]:
    """Of Auto Scaling, before there were launch templates."""
    for page in clients.autoscaling.get_paginator("describe_launch_configurations").paginate():
        for one in page["LaunchConfigurations"]:
            yield f"launch configuration {one['LaunchConfigurationName']}", tuple(one.get("SecurityGroups", []))


def spot_fleets(clients: Clients) -> Iterator[Named]:
    """Launch specifications of Spot Fleets; their launch templates are among the others."""
    for page in clients.ec2.get_paginator("describe_spot_fleet_requests").paginate():
        for request in page["SpotFleetRequestConfigs"]:
            for one in request["SpotFleetRequestConfig"].get("LaunchSpecifications", []):
                yield f"Spot Fleet {request['SpotFleetRequestId']}", _found_in(one)


def functions(clients: Clients) -> Iterator[Named]:
    """Lambda functions, in all their versions."""
    for page in clients.functions.get_paginator("list_functions").paginate(FunctionVersion="ALL"):
        for one in page["Functions"]:
            version = "" if one["Version"] == "$LATEST" else f" version {one['Version']}"
            groups = tuple(one.get("VpcConfig", {}).get("SecurityGroupIds", []))
            yield f"Lambda function {one['FunctionName']}{version}", groups


def ecs_services(clients: Clients) -> Iterator[Named]:
    """Services, with their deployments and task sets."""
    for cluster in _clusters(clients):
        pages = clients.ecs.get_paginator("list_services").paginate(
            cluster=cluster, PaginationConfig={"PageSize": LISTED_AT_ONCE}
        )
        try:
            arns = [arn for page in pages for arn in page["serviceArns"]]
            for some in batched(arns, SERVICES_AT_ONCE, strict=False):
                for one in clients.ecs.describe_services(cluster=cluster, services=list(some))["services"]:
                    parts = (one, *one.get("deployments", []), *one.get("taskSets", []))
                    groups = tuple(group for part in parts for group in _of_tasks(part.get("networkConfiguration")))
                    if one.get("status") != "INACTIVE":
                        yield f"ECS service {one['serviceName']} of {Arn.parse(cluster).name}", groups
        except ClientError as error:
            if code_of(error) != "ClusterNotFoundException":  # deleted since it was listed
                raise


def event_rules(clients: Clients) -> Iterator[Named]:
    """EventBridge rules of all buses that run ECS tasks."""
    for cluster in _clusters(clients):
        for bus in _buses(clients):
            pages = clients.events.get_paginator("list_rule_names_by_target").paginate(
                TargetArn=cluster, EventBusName=bus
            )
            for name in [name for page in pages for name in page["RuleNames"]]:
                yield f"EventBridge rule {name}", tuple(_of_rule(clients, bus, name))


def _of_rule(clients: Clients, bus: str, name: str) -> Iterator[str]:
    pages = clients.events.get_paginator("list_targets_by_rule").paginate(Rule=name, EventBusName=bus)
    try:
        for page in pages:
            for target in page["Targets"]:
                yield from _of_tasks(target.get("EcsParameters", {}).get("NetworkConfiguration"))
    except ClientError as error:
        if code_of(error) != "ResourceNotFoundException":  # deleted since it was listed
            raise


def _buses(clients: Clients) -> Iterator[str]:
    token: dict[str, str] = {}
    while True:
        page = clients.events.list_event_buses(Limit=BUSES_AT_ONCE, **token)
        yield from (bus["Name"] for bus in page["EventBuses"])
        if not page.get("NextToken"):
            return
        token = {"NextToken": page["NextToken"]}


def schedules(clients: Clients) -> Iterator[Named]:
    """EventBridge Scheduler's schedules that run ECS tasks, or call an API with an input that names groups."""
    for page in clients.scheduler.get_paginator("list_schedules").paginate():
        for one in page["Schedules"]:
            target = one["Target"]["Arn"]
            if ":ecs:" not in target and ":aws-sdk:" not in target:
                continue
            try:
                schedule = clients.scheduler.get_schedule(GroupName=one["GroupName"], Name=one["Name"])
            except ClientError as error:
                if code_of(error) == "ResourceNotFoundException":  # deleted since it was listed
                    continue
                raise
            yield f"schedule {one['GroupName']}/{one['Name']}", _found_in(schedule["Target"])


def eks_clusters(clients: Clients) -> Iterator[Named]:
    """Clusters and their managed node groups."""
    for page in clients.eks.get_paginator("list_clusters").paginate():
        for name in page["clusters"]:
            config = clients.eks.describe_cluster(name=name)["cluster"].get("resourcesVpcConfig", {})
            yield f"EKS cluster {name}", (*config.get("securityGroupIds", []), config.get("clusterSecurityGroupId", ""))
    for cluster, group in node_groups(clients):
        yield f"EKS node group {group['nodegroupName']} of {cluster}", _found_in(group)


def databases(clients: Clients) -> Iterator[Named]:
    """RDS, Aurora, DocumentDB and Neptune, which share an API; they may be stopped."""
    for page in clients.rds.get_paginator("describe_db_instances").paginate():
        for one in page["DBInstances"]:
            yield f"database instance {one['DBInstanceIdentifier']}", _of_database(one)
    for page in clients.rds.get_paginator("describe_db_clusters").paginate():
        for one in page["DBClusters"]:
            yield f"database cluster {one['DBClusterIdentifier']}", _of_database(one)


def caches(clients: Clients) -> Iterator[Named]:
    """ElastiCache's clusters."""
    for page in clients.elasticache.get_paginator("describe_cache_clusters").paginate():
        for one in page["CacheClusters"]:
            groups = tuple(group["SecurityGroupId"] for group in one.get("SecurityGroups", []))
            yield f"ElastiCache cluster {one['CacheClusterId']}", groups


def build_projects(clients: Clients) -> Iterator[Named]:
    """CodeBuild."""
    pages = clients.codebuild.get_paginator("list_projects").paginate()
    names = [name for page in pages for name in page["projects"]]
    for some in batched(names, PROJECTS_AT_ONCE, strict=False):
        for one in clients.codebuild.batch_get_projects(names=list(some))["projects"]:
            yield f"CodeBuild project {one['name']}", tuple(one.get("vpcConfig", {}).get("securityGroupIds", []))


def batch_environments(clients: Clients) -> Iterator[Named]:
    """AWS Batch."""
    for one in compute_environments(clients):
        groups = tuple(one.get("computeResources", {}).get("securityGroupIds", []))
        yield f"Batch compute environment {one['computeEnvironmentName']}", groups


def state_machines(clients: Clients) -> Iterator[Named]:
    """Step Functions whose definitions name groups, for the tasks that they run."""
    for page in clients.stepfunctions.get_paginator("list_state_machines").paginate():
        for one in page["stateMachines"]:
            try:
                machine = clients.stepfunctions.describe_state_machine(stateMachineArn=one["stateMachineArn"])
            except ClientError as error:
                if code_of(error) == "StateMachineDoesNotExist":  # deleted since it was listed
                    continue
                raise
            yield f"state machine {one['name']}", _found_in(machine["definition"])


def pipelines(clients: Clients) -> Iterator[Named]:
    """The pipelines of Berthmaster's own batch, whose tasks run when there are files."""
    pages = clients.ssm.get_paginator("get_parameters_by_path").paginate(Path=PIPELINES, Recursive=True)
    for page in pages:
        for one in page["Parameters"]:
            yield f"pipeline {one['Name'].removeprefix(f'{PIPELINES}/')}", _found_in(one["Value"])


def rules_of_other_vpcs(clients: Clients, groups: Collection[str]) -> Iterator[Named]:
    """VPCs on the other side of a peering or a transit gateway whose rules name some of these groups."""
    for some in batched(groups, GROUPS_AT_ONCE, strict=False):
        try:
            yield from _references_of(clients, some)
        except ClientError as error:
            if code_of(error) != "InvalidGroup.NotFound":
                raise
            # One of them was deleted since it was listed; that fails the call for all.
            if len(some) > 1:
                yield from rules_of_other_vpcs(clients, some[: len(some) // 2])
                yield from rules_of_other_vpcs(clients, some[len(some) // 2 :])


def _references_of(clients: Clients, groups: Collection[str]) -> list[Named]:
    found = clients.ec2.describe_security_group_references(GroupId=list(groups))["SecurityGroupReferenceSet"]
    return [(f"rules in {one['ReferencingVpcId']}", (one["GroupId"],)) for one in found]


REFERRERS = {
    "launch templates": launch_templates,
    "launch configurations": launch_configurations,
    "Spot Fleets": spot_fleets,
    "Lambda functions": functions,
    "ECS services": ecs_services,
    "EventBridge rules": event_rules,
    "EventBridge schedules": schedules,
    "EKS clusters": eks_clusters,
    "RDS databases": databases,
    "ElastiCache clusters": caches,
    "CodeBuild projects": build_projects,
    "Batch compute environments": batch_environments,
    "state machines": state_machines,
    "pipelines of batch": pipelines,
}
"""By the kind of resource, in words."""


def _clusters(clients: Clients) -> Iterator[str]:
    for page in clients.ecs.get_paginator("list_clusters").paginate():
        yield from page["clusterArns"]


def _of_tasks(configuration: Any) -> Iterable[str]:
    """The groups in a network configuration; ECS writes it with small letters, EventBridge not always."""
    return _found_in(configuration or {})


def _of_database(one: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(group["VpcSecurityGroupId"] for group in one.get("VpcSecurityGroups", []))


def _found_in(value: Any) -> tuple[str, ...]:
    """All ids of groups in a text, or in what can be written as JSON."""
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return tuple(dict.fromkeys(_GROUP_ID.findall(text)))
