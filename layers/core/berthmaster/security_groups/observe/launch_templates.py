"""The groups in launch templates: in the default and the latest version, and in each version that something uses."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import batched
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from berthmaster.clients import Clients
from berthmaster.errors import code_of

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import LaunchTemplateVersionTypeDef

type Named = tuple[str, tuple[str, ...]]
"""What names groups, and their ids; names, where it has no ids."""
type Version = tuple[str, str]
"""Id or name of a launch template, and a number."""

VERSIONS_AT_ONCE = 200
"""The largest page of DescribeLaunchTemplateVersions."""
_ALWAYS = ("$Default", "$Latest")
_GONE = frozenset(
    {
        "InvalidLaunchTemplateId.NotFound",
        "InvalidLaunchTemplateId.VersionNotFound",
        "InvalidLaunchTemplateName.NotFoundException",
    }
)


def launch_templates(clients: Clients) -> Iterator[Named]:
    """Each version with its groups, and who uses it."""
    users = _users(clients)
    found = {(one["LaunchTemplateId"], one["VersionNumber"]): one for one in _default_and_latest(clients)}
    latest = dict(sorted(found))
    others: dict[str, set[str]] = {}
    for name, version in set(users) - {both for one in found.values() for both in _numbers(one)}:
        if version not in _ALWAYS:
            others.setdefault(name, set()).add(version)
    for name, versions in sorted(others.items()):
        for some in batched(sorted(versions), VERSIONS_AT_ONCE, strict=False):
            found |= {(one["LaunchTemplateId"], one["VersionNumber"]): one for one in _versions(clients, name, some)}
    for (template, number), one in sorted(found.items()):
        names = _numbers(one)
        if one["DefaultVersion"]:
            names += [(name, "$Default") for name, _ in _numbers(one)]
        if number == latest.get(template):
            names += [(name, "$Latest") for name, _ in _numbers(one)]
        used_by = sorted({user for name in names for user in users.get(name, ())})
        text = f"launch template {one['LaunchTemplateName']} version {number}"
        yield f"{text}, used by {', '.join(used_by)}" if used_by else text, _groups_of(one)


def _default_and_latest(clients: Clients) -> Iterator["LaunchTemplateVersionTypeDef"]:
    """Of all templates of the account; those of which one version is both come once or twice."""
    pages = clients.ec2.get_paginator("describe_launch_template_versions").paginate(
        Versions=list(_ALWAYS), PaginationConfig={"PageSize": VERSIONS_AT_ONCE}
    )
    for page in pages:
        yield from page["LaunchTemplateVersions"]


def _numbers(version: "LaunchTemplateVersionTypeDef") -> list[Version]:
    """The version by the id and by the name of its template."""
    number = str(version["VersionNumber"])
    return [(version["LaunchTemplateId"], number), (version["LaunchTemplateName"], number)]


def _groups_of(version: "LaunchTemplateVersionTypeDef") -> tuple[str, ...]:
    data = version["LaunchTemplateData"]
    return (
        *data.get("SecurityGroupIds", []),
        *data.get("SecurityGroups", []),
        *(group for interface in data.get("NetworkInterfaces", []) for group in interface.get("Groups", [])),
    )


def _versions(clients: Clients, template: str, numbers: Iterable[str]) -> Iterable["LaunchTemplateVersionTypeDef"]:
    """Versions of one template; none of those that are gone."""
    try:
        if template.startswith("lt-"):
            answer = clients.ec2.describe_launch_template_versions(LaunchTemplateId=template, Versions=list(numbers))
        else:
            answer = clients.ec2.describe_launch_template_versions(LaunchTemplateName=template, Versions=list(numbers))
    except ClientError as error:
        if code_of(error) in _GONE:
            return []
        raise
    return answer["LaunchTemplateVersions"]


def _users(clients: Clients) -> dict[Version, list[str]]:
    """Who uses which version."""
    found: dict[Version, list[str]] = {}
    for user, specification in (
        *_auto_scaling_groups(clients),
        *_node_groups(clients),
        *_compute_environments(clients),
        *_fleets(clients),
    ):
        named = {name[0].upper() + name[1:]: value for name, value in specification.items()}
        template = (
            named.get("LaunchTemplateId") or named.get("Id") or named.get("LaunchTemplateName") or named.get("Name")
        )
        if template:
            found.setdefault((template, named.get("Version") or "$Default"), []).append(user)
    return found


type _Used = tuple[str, Mapping[str, Any]]
"""Who uses a launch template, and how it is specified; the names of the fields differ in case."""


def _auto_scaling_groups(clients: Clients) -> Iterator[_Used]:
    for page in clients.autoscaling.get_paginator("describe_auto_scaling_groups").paginate():
        for group in page["AutoScalingGroups"]:
            user = f"Auto Scaling group {group['AutoScalingGroupName']}"
            mixed = group.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
            yield user, group.get("LaunchTemplate", {})
            yield user, mixed.get("LaunchTemplateSpecification", {})
            for override in mixed.get("Overrides", []):
                yield user, override.get("LaunchTemplateSpecification", {})


def _node_groups(clients: Clients) -> Iterator[_Used]:
    for cluster, group in node_groups(clients):
        yield f"EKS node group {group['nodegroupName']} of {cluster}", group.get("launchTemplate", {})


def node_groups(clients: Clients) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The managed node groups of all EKS clusters."""
    eks = clients.eks
    for page in eks.get_paginator("list_clusters").paginate():
        for cluster in page["clusters"]:
            for names in eks.get_paginator("list_nodegroups").paginate(clusterName=cluster):
                for name in names["nodegroups"]:
                    yield cluster, eks.describe_nodegroup(clusterName=cluster, nodegroupName=name)["nodegroup"]


def _compute_environments(clients: Clients) -> Iterator[_Used]:
    for one in compute_environments(clients):
        template = one.get("computeResources", {}).get("launchTemplate", {})
        user = f"Batch compute environment {one['computeEnvironmentName']}"
        yield user, template
        for override in template.get("overrides", []):
            yield user, override


def compute_environments(clients: Clients) -> Iterator[Mapping[str, Any]]:
    """All of AWS Batch."""
    for page in clients.batch.get_paginator("describe_compute_environments").paginate():
        yield from page["computeEnvironments"]


def _fleets(clients: Clients) -> Iterator[_Used]:
    for page in clients.ec2.get_paginator("describe_fleets").paginate():
        for fleet in page["Fleets"]:
            for config in fleet.get("LaunchTemplateConfigs", []):
                yield f"EC2 Fleet {fleet['FleetId']}", config.get("LaunchTemplateSpecification", {})
    for requests in clients.ec2.get_paginator("describe_spot_fleet_requests").paginate():
        for request in requests["SpotFleetRequestConfigs"]:
            for template in request["SpotFleetRequestConfig"].get("LaunchTemplateConfigs", []):
                user = f"Spot Fleet {request['SpotFleetRequestId']}"
                yield user, template.get("LaunchTemplateSpecification", {})
