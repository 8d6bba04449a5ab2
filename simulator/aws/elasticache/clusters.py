"""Cache clusters: moto keeps their security groups, and does not return them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.account import Account, Params, Parsed, Patches


def _add_groups(account: Account, _: Params, response: Parsed) -> None:
    """DescribeCacheClusters: `SecurityGroups` (ElastiCache API reference, CacheCluster)."""
    clusters = account.backend("elasticache").cache_clusters
    for one in response.get("CacheClusters", []):
        groups = clusters[one["CacheClusterId"]].security_group_ids
        one["SecurityGroups"] = [{"SecurityGroupId": group, "Status": "active"} for group in groups]


PATCHES: Patches = {"elasticache:DescribeCacheClusters": _add_groups}
