"""Service revisions: what each deployment of a service brings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from simulator.workload.fleet import Fleet
from simulator.workload.network import Network

if TYPE_CHECKING:
    from simulator.cloud import Cloud


def test_each_deployment_brings_a_revision_with_its_definition_and_time(cloud: Cloud) -> None:
    ecs, fleet, network = cloud.client("ecs"), Fleet(cloud), Network.create(cloud, "10.0.0.0/20")
    network.subnet("a", "10.0.0.0/24")
    fleet.service("web", network.network_configuration(), 2)
    cloud.clock.run_until(cloud.clock.timestamp() + 60)
    arns = [fleet.deploy("web"), fleet.deploy("web")]
    assert all(":service-revision/web/web/" in arn for arn in arns)

    answer = ecs.describe_service_revisions(serviceRevisionArns=[*arns, arns[0] + "0"])

    first, second = answer["serviceRevisions"]
    service = ecs.describe_services(cluster="web", services=["web"])["services"][0]
    assert first["taskDefinition"] == second["taskDefinition"] == service["taskDefinition"]
    assert [second["createdAt"], first["createdAt"]] == [one["createdAt"] for one in service["deployments"][:2]]
    assert (first["serviceArn"], first["clusterArn"]) == (service["serviceArn"], service["clusterArn"])
    assert answer["failures"] == [{"arn": arns[0] + "0", "reason": "MISSING"}]


def test_a_revision_is_described_when_its_deployment_is_gone(cloud: Cloud) -> None:
    ecs, fleet, network = cloud.client("ecs"), Fleet(cloud), Network.create(cloud, "10.0.0.0/20")
    network.subnet("a", "10.0.0.0/24")
    before = network.network_configuration()
    fleet.service("web", before, 2)
    cloud.clock.run_until(cloud.clock.timestamp() + 60)
    arn = fleet.deploy("web")
    network.subnet("b", "10.0.1.0/24")
    ecs.update_service(cluster="web", service="web", networkConfiguration=network.network_configuration())
    cloud.clock.run_until(cloud.clock.timestamp() + 120)
    assert len(ecs.describe_services(cluster="web", services=["web"])["services"][0]["deployments"]) == 1
    (revision,) = ecs.describe_service_revisions(serviceRevisionArns=[arn])["serviceRevisions"]
    assert revision["networkConfiguration"] == before


def test_a_service_has_a_revision_from_the_beginning(cloud: Cloud) -> None:
    ecs, fleet, network = cloud.client("ecs"), Fleet(cloud), Network.create(cloud, "10.0.0.0/20")
    network.subnet("a", "10.0.0.0/24")
    arn = fleet.service("web", network.network_configuration(), 1)
    number = cloud.backend("ecs").services["web:web"].deployments[0]["id"].rpartition("/")[2]
    revision = f"{arn.replace(':service/', ':service-revision/')}/{number}"
    (described,) = ecs.describe_service_revisions(serviceRevisionArns=[revision])["serviceRevisions"]
    assert described["createdAt"] == cloud.clock.now()
    with pytest.raises(ClientError, match="more than 20"):
        ecs.describe_service_revisions(serviceRevisionArns=[revision] * 21)
