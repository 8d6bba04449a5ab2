"""An EKS cluster with pods behind the Service `web`, and a target group for them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from simulator.aws.eks.api_server import ApiServer, Pod
from simulator.stack.runtime import Invocation
from tests.support.targets.scene import TAG, TargetsScene, a_targets_scene

FOLLOW = "TargetsPodsFunction"
READER = "TargetsPodsReaderFunction"
UNSCHEDULED = ("TargetsReconcileFunction", "CapacityWatchFunction")
PRIVATE = {"TargetsPodSubnets": "subnet-0a1b2c3d", "TargetsPodSecurityGroups": "sg-0a1b2c3d"}
"""Parameters with which private endpoints are read."""


def tags_of_pods(service: str = "web", cluster: str = "blue", **more: str) -> dict[str, str]:
    """The tags of a destination for the pods of a Service in the namespace `shop`."""
    tags = {"eks-cluster": cluster, "namespace": "shop", "k8s-service": service, **more}
    return {TAG: "managed"} | {f"berthmaster:{name}": value for name, value in tags.items()}


@dataclass
class PodsScene:
    """The pods of the Service `web` in the EKS cluster `blue`; targets_pods runs every minute."""

    scene: TargetsScene
    cluster: ApiServer
    group: str

    @property
    def targets(self) -> set[str]:
        """The addresses of pods that are registered."""
        return self.scene.targets(self.group)

    def pods(self, *numbers: int, **more: Any) -> list[Pod]:
        """Run pods, and wait until they are registered."""
        pods = [self.cluster.run(number, **more) for number in numbers]
        self.wait(15)
        return pods

    def wait(self, seconds: float) -> None:
        self.scene.wait(seconds)

    def runs(self) -> list[Invocation]:
        """The invocations of targets_pods that have ended."""
        return [one for one in self.scene.berthmaster.invocations if one.function == FOLLOW]


@contextmanager
def pods_of_a_cluster(
    *, public: bool = True, tags: Mapping[str, str] | None = None, drain: int = 30, **scene: Any
) -> Iterator[PodsScene]:
    """Open a scene with an EKS cluster that has no pods yet, half a minute into a run of targets_pods."""
    with a_targets_scene(scheduled=True, unscheduled=UNSCHEDULED, **scene) as opened:
        cluster = opened.cloud.kubernetes.create("blue", public=public)
        cluster.admits |= {FOLLOW, READER}
        group = opened.target_group("web", tags_of_pods() if tags is None else tags, drain=drain)
        opened.wait(90)
        yield PodsScene(opened, cluster, group)
