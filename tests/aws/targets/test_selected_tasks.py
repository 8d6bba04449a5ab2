"""The tasks of many selectors are listed in as few calls as possible, and each service that is missing is named."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.errors import MissingEvidence
from berthmaster.targets.model import EcsSelector
from berthmaster.targets.observe.ecs import EcsTasks
from berthmaster.targets.observe.selected_tasks import SelectedTasks
from simulator.cloud import Cloud
from simulator.workload.fleet import Fleet
from simulator.workload.network import Network

LIST, DESCRIBE = "ecs:ListTasks", "ecs:DescribeTasks"


@dataclass
class Cluster:
    cloud: Cloud
    fleet: Fleet
    network: Network

    def serve(self, **services: int) -> None:
        for name, count in services.items():
            self.fleet.service(name, self.network.network_configuration(), count)
        self.cloud.clock.run_until(self.cloud.clock.timestamp() + 120)

    def read(self, tasks: SelectedTasks, *services: str) -> tuple[dict[str, int | str], Counter[str]]:
        """How many tasks each service has, or why that is not known; and the calls that it took."""
        before = len(self.cloud.calls)
        found = tasks.read(selector(name) for name in services)
        counts = {one.service: str(some) if isinstance(some, Exception) else len(some) for one, some in found.items()}
        return counts, self.cloud.calls.since(before).counts()


def selector(service: str) -> EcsSelector:
    return EcsSelector("web", service=service)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cloud(seed=5) as cloud:
        network = Network.create(cloud, "10.0.0.0/22")
        network.subnet("a", "10.0.0.0/23")
        yield Cluster(cloud, Fleet(cloud, cluster="web"), network)


@pytest.fixture
def tasks() -> SelectedTasks:
    return SelectedTasks(EcsTasks(Clients(), Clock()))


def test_one_list_of_a_cluster_serves_all_its_selectors(cluster: Cluster, tasks: SelectedTasks) -> None:
    cluster.serve(shop=3, cart=2, mail=1, other=1)
    counts, calls = cluster.read(tasks, "shop", "cart", "mail")
    assert counts == {"shop": 3, "cart": 2, "mail": 1}
    assert calls == {LIST: 1, DESCRIBE: 1}


def test_of_a_selector_without_tasks_ecs_is_asked_by_name(cluster: Cluster, tasks: SelectedTasks) -> None:
    cluster.serve(shop=1, idle=0)
    counts, calls = cluster.read(tasks, "shop", "idle", "nowhere")
    assert counts == {"shop": 1, "idle": 0, "nowhere": "ECS does not know the service nowhere"}
    assert calls[LIST] == 3


def test_in_a_large_cluster_each_selector_is_listed(cluster: Cluster, tasks: SelectedTasks) -> None:
    cluster.serve(shop=2, cart=1, crowd=230)
    for lists in (4, 2):
        counts, calls = cluster.read(tasks, "shop", "cart")
        assert counts == {"shop": 2, "cart": 1}
        assert calls[LIST] == lists
    assert calls[DESCRIBE] == 1


def test_a_cluster_that_is_missing_is_named_for_each_selector(cluster: Cluster, tasks: SelectedTasks) -> None:
    cluster.serve(shop=1)
    missing = [EcsSelector("nowhere", service=name) for name in ("shop", "cart")]
    found = tasks.read([*missing, selector("shop")])
    assert len(found) == 3
    assert [str(found[one]) for one in missing] == ["ECS does not know the cluster nowhere"] * 2
    assert all(isinstance(found[one], MissingEvidence) for one in missing)
