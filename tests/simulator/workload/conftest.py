"""A network of three zones with 27 addresses in each, and both workloads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from simulator.workload.fleet import Fleet
from simulator.workload.network import Network
from simulator.workload.services import Workload

if TYPE_CHECKING:
    from simulator.cloud import Cloud


@pytest.fixture
def small_network(cloud: Cloud) -> Network:
    network = Network.create(cloud, "10.0.0.0/20")
    for index, zone in enumerate("abc"):
        network.subnet(zone, f"10.0.0.{32 * index}/27")
    return network


@pytest.fixture(params=[Workload, Fleet])
def workload(cloud: Cloud, request: pytest.FixtureRequest) -> Workload | Fleet:
    made: Workload | Fleet = request.param(cloud)
    return made
