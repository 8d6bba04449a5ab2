"""An EKS cluster with pods behind the Service `web`, and a target group for them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.support.kubernetes.clusters import SLICES, a_cluster
from tests.support.kubernetes.server import ApiServer, Reply, recorded, reply
from tests.support.targets.scene import TAG, TargetsScene, a_targets_scene

PODS = {
    TAG: "managed",
    "berthmaster:eks-cluster": "blue",
    "berthmaster:namespace": "shop",
    "berthmaster:k8s-service": "web",
}


@dataclass
class Pods:
    """The pods of the Service `web` in the EKS cluster `blue`."""

    scene: TargetsScene
    server: ApiServer
    group: str

    @property
    def targets(self) -> set[str]:
        """The addresses of pods that are registered."""
        return self.scene.targets(self.group)

    def list_endpoints(self, *pods: dict[str, Any]) -> None:
        """Let the cluster list these endpoints."""
        answer = recorded("slices_during_a_move")
        answer["items"] = [answer["items"][0] | {"endpoints": list(pods)}]
        self.server.answers[SLICES] = [Reply(body=json.dumps(answer).encode())]

    def fail(self) -> None:
        """Let the cluster fail to list endpoints."""
        self.server.answers[SLICES] = [reply("internal_error")]

    def delete(self, number: int) -> None:
        """Let the cluster answer that there is no such pod."""
        name = a_pod(number)["targetRef"]["name"]
        answer = recorded("no_such_pod")
        answer["details"]["name"] = name
        self.server.answers[_path(name)] = [Reply(404, json.dumps(answer).encode())]

    def keep(self, number: int) -> None:
        """Let the cluster show a pod that lives."""
        reference = a_pod(number)["targetRef"]
        answer = recorded("pod")
        answer["metadata"] |= {"name": reference["name"], "uid": reference["uid"]}
        self.server.answers[_path(reference["name"])] = [Reply(body=json.dumps(answer).encode())]


def a_pod(number: int, *, ready: bool = True, terminating: bool = False) -> dict[str, Any]:
    """An endpoint at 10.0.0.(20 + number)."""
    return {
        "addresses": [f"10.0.0.{20 + number}"],
        "conditions": {"ready": ready and not terminating, "serving": ready, "terminating": terminating},
        "targetRef": {
            "kind": "Pod",
            "namespace": "shop",
            "name": f"web-6d4cf56db6-{number:05}",
            "uid": f"0f3c2a9e-5b1d-4c8e-9a77-{number:012}",
        },
        "zone": "eu-central-1a",
    }


@contextmanager
def pods_of_a_cluster(*first: dict[str, Any]) -> Iterator[Pods]:
    """Open a scene with an EKS cluster that lists these endpoints, after one run of the reconciliation."""
    with a_targets_scene() as scene, ApiServer() as server:
        a_cluster(scene.cloud, "blue", server)
        scene.serve(1)
        pods = Pods(scene, server, scene.target_group("web", PODS, drain=30))
        pods.list_endpoints(*first)
        scene.reconcile()
        yield pods


def _path(name: str) -> str:
    return f"/api/v1/namespaces/shop/pods/{name}"
