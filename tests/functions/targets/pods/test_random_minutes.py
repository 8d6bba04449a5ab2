"""Pods of two Services come and go at random, and take over each other's addresses as soon as the VPC CNI allows it."""

from random import Random

import pytest

from simulator.faults import FaultPlan
from tests.support.targets.pods import PodsScene, pods_of_a_cluster, tags_of_pods

COOLING = 30.0
"""Seconds after which the VPC CNI gives an address away."""
ADDRESSES = [f"10.0.0.{number}" for number in range(20, 32)]
SERVICES = ("web", "api")
AT_MOST = 15.0
"""Seconds for which a target outlives its pod where nothing fails."""
AT_MOST_WITH_FAULTS = 240.0
FAULTS = {"throttled": 0.02, "server_error": 0.02, "lost_response": 0.02, "crash": 0.003}


class RandomMinutes:
    """groups: the target group of each Service. since: when each wrong target was first seen."""

    def __init__(self, pods: PodsScene, seed: int) -> None:
        self.pods = pods
        self.random = Random(seed)  # noqa: S311 - reproducible on purpose
        self.groups = {"web": pods.group, "api": pods.scene.target_group("api", tags_of_pods("api"), drain=30)}
        self.count = 0
        self.since: dict[tuple[str, str], float] = {}
        self.longest = 0.0

    def live(self, minutes: float) -> None:
        """Let pods come and go."""
        end = self.pods.cluster.now + minutes * 60
        while self.pods.cluster.now < end:
            self.change()
            self.pass_time(self.random.uniform(1, 12))

    def pass_time(self, seconds: float) -> None:
        """Look at all targets each second."""
        for _ in range(round(seconds)):
            self.pods.wait(1)
            now = self.pods.cluster.now
            wrong = {
                (service, address)
                for service, arn in self.groups.items()
                for address in self.pods.scene.targets(arn) - self.serving(service)
            }
            self.since = {one: self.since.get(one, now) for one in wrong}
            self.longest = max([self.longest, *(now - first for first in self.since.values())])

    def serving(self, service: str) -> set[str]:
        """The addresses of pods that are not deleted."""
        found = self.pods.cluster.pods.values()
        return {pod.address for pod in found if pod.service == service and pod.deleted_at is None}

    def change(self) -> None:
        """Run a pod, or delete one."""
        cluster = self.pods.cluster
        running = [pod for pod in cluster.pods.values() if pod.deleted_at is None]
        free = [address for address in ADDRESSES if self.is_free(address)]
        if free and (len(running) < 4 or self.random.random() < 0.5):
            self.count += 1
            pod = cluster.run(self.count, address=self.random.choice(free), service=self.random.choice(SERVICES))
            pod.ready_at += self.random.uniform(0, 10)
        elif running:
            cluster.delete(self.random.choice(running), grace=self.random.choice([0.0, 5.0, 30.0]))

    def is_free(self, address: str) -> bool:
        """Whether a new pod may get an address."""
        held = [pod for pod in self.pods.cluster.pods.values() if pod.address == address]
        return all(pod.gone_at is not None and pod.gone_at + COOLING < self.pods.cluster.now for pod in held)


@pytest.mark.parametrize("seed", range(3))
def test_no_target_outlives_its_pod_by_more_than_seconds(seed: int) -> None:
    with pods_of_a_cluster(seed=seed) as pods:
        minutes = RandomMinutes(pods, seed)
        minutes.live(15)
        assert minutes.longest <= AT_MOST
        minutes.pass_time(150)
        assert all(pods.scene.targets(arn) == minutes.serving(service) for service, arn in minutes.groups.items())


@pytest.mark.parametrize("seed", range(3))
def test_with_faults_every_target_is_right_in_the_end(seed: int) -> None:
    with pods_of_a_cluster(seed=seed, faults=FaultPlan(seed=seed, **FAULTS)) as pods:
        minutes = RandomMinutes(pods, seed)
        minutes.live(15)
        pods.cluster.down = True
        minutes.live(1)
        pods.cluster.down = False
        minutes.live(5)
        assert minutes.longest <= AT_MOST_WITH_FAULTS
        minutes.pass_time(300)
        assert all(pods.scene.targets(arn) == minutes.serving(service) for service, arn in minutes.groups.items())
