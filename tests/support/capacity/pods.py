"""Addresses that pods of an EKS cluster hold."""

from simulator.workload.network import Network


def fill_with_pods(network: Network, subnet_id: str, *, leave: int, cluster: str = "prod") -> None:
    """Let VPC CNI of a node take addresses of a subnet until only so many are free."""
    network.occupy(
        subnet_id,
        leave=leave,
        description="aws-K8S-i-0a1b2c3d4e5f60718",
        requester="an-instance",
        tags={"cluster.k8s.amazonaws.com/name": cluster},
    )
