"""Task definitions as DescribeTaskDefinition shows them: moto's, with the defaults that AWS fills in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.account import Account, Handlers, Params


HEALTH_CHECK = {"interval": 30, "timeout": 5, "retries": 3}


def task_definition(account: Account, name: str) -> Any | None:
    """The task definition (moto's) of a family, `family:revision` or ARN; without a revision, the latest active one."""
    family, _, revision = name.rpartition("/")[2].partition(":")
    revisions = account.backend("ecs").task_definitions.get(family, {})
    if not revision:
        active = [number for number, definition in revisions.items() if definition.status == "ACTIVE"]
        return revisions[max(active)] if active else None
    return revisions.get(int(revision)) if revision.isdigit() else None


def describe_task_definition(account: Account, params: Params) -> dict[str, Any]:
    """DescribeTaskDefinition; an unknown one is a ClientException."""
    definition = task_definition(account, params["taskDefinition"])
    if definition is None:
        raise AwsError("ClientException", "Unable to describe task definition.")
    answer = {
        "taskDefinitionArn": definition.arn,
        "containerDefinitions": [
            _container(item, definition.network_mode) for item in definition.container_definitions
        ],
        "family": definition.family,
        "revision": definition.revision,
        "volumes": definition.volumes,
        "status": definition.status,
        "placementConstraints": definition.placement_constraints,
        "compatibilities": definition.compatibilities,
    }
    optional = {
        "networkMode": definition.network_mode,
        "requiresCompatibilities": definition.requires_compatibilities,
        "cpu": definition.cpu,
        "memory": definition.memory,
        "taskRoleArn": getattr(definition, "task_role_arn", None),
        "executionRoleArn": getattr(definition, "execution_role_arn", None),
        "runtimePlatform": definition.runtime_platform,
        "ephemeralStorage": definition.ephemeral_storage,
    }
    shown = {"taskDefinition": answer | {name: value for name, value in optional.items() if value is not None}}
    return shown | ({"tags": definition.tags} if "TAGS" in params.get("include", []) else {})


def _container(item: Mapping[str, Any], network_mode: str | None) -> dict[str, Any]:
    mappings = [{"protocol": "tcp", "hostPort": 0, **mapping} for mapping in item["portMappings"]]
    if network_mode == "awsvpc":
        for mapping in mappings:
            mapping["hostPort"] = mapping["containerPort"]
    check = {"healthCheck": HEALTH_CHECK | item["healthCheck"]} if "healthCheck" in item else {}
    return {**item, "portMappings": mappings, **check}


HANDLERS: Handlers = {"ecs:DescribeTaskDefinition": describe_task_definition}
