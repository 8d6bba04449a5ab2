"""The same seed gives the same simulation, in whatever process and after whatever else; and nothing of it stays."""

from __future__ import annotations

import gc
import hashlib
import os
import subprocess
import sys
import weakref
from pathlib import Path

from simulator.cloud import Cloud
from simulator.faults import FaultPlan
from simulator.stack.deployment import Deployment
from simulator.workload.fleet import Fleet
from simulator.workload.network import Network

TOY = Path(__file__).parent / "stack" / "toy" / "template.yaml"
ROOT = Path(__file__).parents[2]
FAULTS = FaultPlan(seed=3, throttled=0.2, server_error=0.1, crash=0.05, event_duplicated=0.5, event_delayed=0.3)


def simulate(seed: int) -> str:
    """A digest of all calls and their parameters, times and outcomes."""
    with Cloud(seed=seed, faults=FAULTS) as cloud:
        network = Network.create(cloud, "10.0.0.0/22")
        for number, zone in enumerate("abc"):
            network.subnet(zone, f"10.0.{number}.0/26")
        toy = Deployment(cloud, template=TOY, stack="toy")
        fleet = Fleet(cloud)
        fleet.service("web", network.network_configuration(), 4)
        cloud.client("sns").list_topics()
        cloud.client("eks").list_clusters()
        toy.run(minutes=30)
        fleet.deploy("web")
        toy.run(minutes=30)
        calls = [f"{call.at} {call} {call.params}" for call in cloud.calls]
        events = [str(seen.event) for seen in cloud.buses.seen]
    assert toy.runtime.cold_starts > 2
    return hashlib.sha256("\n".join([*calls, *events]).encode()).hexdigest()


def test_a_process_of_its_own_gives_the_same() -> None:
    simulate(1)
    here = simulate(2)
    environment = {**os.environ, "PYTHONHASHSEED": "4711"}
    code = "from tests.simulator.test_same_seed import simulate; print(simulate(2))"
    elsewhere = subprocess.run(  # noqa: S603 - this test's own code
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert elsewhere.stdout.strip() == here
    assert simulate(3) != here


def test_a_closed_cloud_is_forgotten() -> None:
    with Cloud() as cloud:
        toy = Deployment(cloud, template=TOY, stack="toy")
        toy.run(minutes=16)
        containers = [weakref.ref(one.handler) for idle in toy.runtime._idle.values() for one in idle if one.handler]
        known = [weakref.ref(cloud), weakref.ref(cloud.clock), *containers]
    assert len(known) == 4
    del cloud, toy
    gc.collect()
    assert [one() for one in known] == [None] * len(known)
