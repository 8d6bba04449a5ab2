"""ECS services by the thousand, as a large account has them: their tasks take no addresses."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from simulator.aws.ecs.deployments import Deployments, complete_deployment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simulator.cloud import Cloud

FAMILY = "many"


def add_services(
    cloud: Cloud,
    cluster: str,
    names: Sequence[str],
    network_configuration: Mapping[str, Any],
    *,
    desired: int = 1,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Create services that are alike, in a cluster that exists or not, with all their tasks running.

    One is created through the API, and the others are copies of it: moto would take a minute for 5,000.
    """
    ecs = cloud.client("ecs")
    container = {"name": "main", "image": "x", "memory": 64}
    ecs.register_task_definition(family=FAMILY, networkMode="awsvpc", containerDefinitions=[container])
    ecs.create_cluster(clusterName=cluster)
    first, *others = names
    ecs.create_service(
        cluster=cluster,
        serviceName=first,
        taskDefinition=FAMILY,
        desiredCount=desired,
        launchType="FARGATE",
        networkConfiguration=network_configuration,
        tags=[{"key": key, "value": value} for key, value in (tags or {}).items()],
    )
    services = cloud.backend("ecs").services
    original = services[f"{cluster}:{first}"]
    complete_deployment(cloud, original, original.deployments[0]["id"])
    (deployment,) = original.deployments
    for number, name in enumerate(others):
        service = copy.copy(original)
        service.name = name
        service.deployments = [deployment | {"id": f"{deployment['id']}{number:04}"}]
        service.events, service.tags = [], list(original.tags)
        services[f"{cluster}:{name}"] = service
        cloud.state(Deployments).completed[service.arn] = service.deployments[0]
