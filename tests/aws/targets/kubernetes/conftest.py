"""An EKS cluster `blue` with an API server, and its reader."""

from collections.abc import Iterator

import pytest

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.targets.observe.kubernetes import Kubernetes
from simulator.cloud import Cloud
from tests.support.kubernetes.clusters import a_cluster
from tests.support.kubernetes.server import ApiServer


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud() as cloud:
        yield cloud


@pytest.fixture
def server(cloud: Cloud) -> Iterator[ApiServer]:
    with ApiServer() as server:
        a_cluster(cloud, "blue", server)
        yield server


@pytest.fixture
def api(server: ApiServer) -> Kubernetes:  # noqa: ARG001 - the cluster must exist
    return Kubernetes(Clients(), Clock())
