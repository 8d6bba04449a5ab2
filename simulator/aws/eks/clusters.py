"""Clusters as EKS describes them: with their VPC, which moto does not know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.aws.ec2.lookup import all_subnets

if TYPE_CHECKING:
    from simulator.account import Account, Params, Parsed, Patches


def complete_cluster(account: Account, _: Params, response: Parsed) -> None:
    """DescribeCluster: the VPC of its subnets."""
    network = response["cluster"]["resourcesVpcConfig"]
    for subnet in all_subnets(account):
        if subnet.id in network.get("subnetIds", ()):
            network["vpcId"] = subnet.vpc_id


PATCHES: Patches = {"eks:DescribeCluster": complete_cluster}
