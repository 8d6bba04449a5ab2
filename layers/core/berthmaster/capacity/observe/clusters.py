"""Ranges that the EKS clusters of a VPC use and that EC2 does not show."""

from collections.abc import Callable, Iterator
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from berthmaster.capacity.model.vpc import Mention
from berthmaster.capacity.observe.network import ipv4
from berthmaster.concurrently import concurrently
from berthmaster.errors import MissingEvidence

if TYPE_CHECKING:
    from mypy_boto3_eks import EKSClient
    from mypy_boto3_eks.type_defs import ClusterTypeDef

CLUSTERS_AT_ONCE = 4


def cluster_ranges(eks: "EKSClient", vpc_id: str, may_begin: Callable[[], bool]) -> Iterator[Mention]:
    """The Kubernetes services, hybrid nodes and their pods of every cluster in the VPC.

    None of them may overlap a block of the VPC (EKS API, KubernetesNetworkConfigRequest, RemoteNetworkConfigRequest):
    pods could not reach addresses of such a block. AssociateVpcCidrBlock does not refuse it.
    MissingEvidence, after what was read, if a cluster could not be read.
    """
    names = [name for page in eks.get_paginator("list_clusters").paginate() for name in page["clusters"]]
    unread: list[str] = []
    for outcome in concurrently(
        lambda name: eks.describe_cluster(name=name)["cluster"], names, at_once=CLUSTERS_AT_ONCE, may_begin=may_begin
    ):
        if outcome.error:
            unread.append(f"{outcome.item}: {outcome.error}")
        elif outcome.result.get("resourcesVpcConfig", {}).get("vpcId") == vpc_id:
            yield from _ranges(outcome.result)
    if unread:
        raise MissingEvidence("; ".join(unread))


def _ranges(cluster: "ClusterTypeDef") -> Iterator[Mention]:
    remote = cluster.get("remoteNetworkConfig", {})
    named = {
        "services": [cluster.get("kubernetesNetworkConfig", {}).get("serviceIpv4Cidr", "")],
        "hybrid nodes": [cidr for one in remote.get("remoteNodeNetworks", ()) for cidr in one.get("cidrs", ())],
        "pods on hybrid nodes": [cidr for one in remote.get("remotePodNetworks", ()) for cidr in one.get("cidrs", ())],
    }
    for what, cidrs in named.items():
        for cidr in ipv4(filter(None, cidrs)):
            yield Mention(where=f"{what} of EKS cluster {cluster['name']}", cidr=IPv4Network(cidr))
