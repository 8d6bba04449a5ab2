"""EKS clusters of the simulated AWS whose API server is one on this machine."""

from base64 import b64encode
from typing import Any

from berthmaster.targets.observe.kubernetes import PodEndpoint
from simulator.cloud import Cloud
from tests.support.kubernetes.server import ApiServer, recorded

SLICES = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices"
POD = "web-6d4cf56db6-aaaaa"
POD_PATH = f"/api/v1/namespaces/shop/pods/{POD}"
UID = recorded("pod")["metadata"]["uid"]


def a_cluster(cloud: Cloud, name: str, server: ApiServer, *, public: bool = True) -> Any:
    """Create a cluster; returns it as moto keeps it."""
    cloud.client("eks").create_cluster(
        name=name,
        roleArn=f"arn:aws:iam::{cloud.account_id}:role/eks",
        resourcesVpcConfig={"subnetIds": ["subnet-0a1b2c3d"], "endpointPublicAccess": public},
    )
    cluster = cloud.backend("eks").clusters[name]
    cluster.endpoint = server.url
    cluster.certificate_authority = {"data": b64encode(server.identity.authority.encode()).decode()}
    return cluster


def names(endpoints: tuple[PodEndpoint, ...]) -> list[str]:
    """The ends of the names of pods."""
    return [endpoint.pod[-5:] for endpoint in endpoints]


def described(cloud: Cloud) -> int:
    """How often a cluster was described."""
    return sum(call.operation == "DescribeCluster" for call in cloud.calls)
