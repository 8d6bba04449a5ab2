"""VPC IPAM, as far as an allocator of VPC blocks needs it: pools, previews, allocations."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network, collapse_addresses
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from moto.moto_api._internal import mock_random

from simulator.aws.ec2.lookup import tag_list
from simulator.errors import AwsError, stop_dry_run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from simulator.account import Account, Handlers, Params


@dataclass
class Allocation:
    """A block taken from a pool; `resource_type` is `vpc` or `custom`."""

    allocation_id: str
    cidr: IPv4Network
    resource_type: str
    resource_id: str


@dataclass
class Pool:
    """An IPv4 pool with its provisioned blocks."""

    pool_id: str
    cidrs: list[IPv4Network]
    smallest: int = 28
    largest: int = 16
    default_length: int = 24
    locale: str = ""
    required_tags: Mapping[str, str] = field(default_factory=dict)
    state: str = "create-complete"
    allocations: list[Allocation] = field(default_factory=list)

    def check_length(self, length: int) -> None:
        """Refuse a size that the allocation rules do not allow."""
        if not self.largest <= length <= self.smallest:
            message = f"Netmask length {length} is not allowed by the allocation rules of {self.pool_id}."
            raise AwsError("InvalidParameterValue", message)

    def free(self, length: int, taken: Iterable[IPv4Network] = ()) -> Iterator[IPv4Network]:
        """The free blocks of one size, lowest first."""
        used = [*(allocation.cidr for allocation in self.allocations), *taken]
        for cidr in self.cidrs:
            if cidr.prefixlen > length:
                continue
            for block in cidr.subnets(new_prefix=length):
                if not any(block.overlaps(other) for other in used):
                    yield block


class Ipam:
    """The pools of the simulated account; a person or a test makes them with `create_pool`."""

    def __init__(self, account: Account) -> None:
        self._region = account.region
        self.pools: dict[str, Pool] = {}

    def create_pool(
        self,
        *cidrs: str,
        smallest: int = 28,
        largest: int = 16,
        locale: str = "",
        tags: Mapping[str, str] = MappingProxyType({}),
    ) -> str:
        """Make a pool with these blocks provisioned; returns its id. tags: those that a VPC needs."""
        pool_id = f"ipam-pool-{mock_random.get_random_hex(17)}"
        blocks = list(collapse_addresses(IPv4Network(cidr) for cidr in cidrs))
        locale = locale or self._region
        self.pools[pool_id] = Pool(pool_id, blocks, smallest, largest, locale=locale, required_tags=tags)
        return pool_id

    def pool(self, pool_id: str) -> Pool:
        """A pool by id."""
        if pool_id not in self.pools:
            raise AwsError("InvalidIpamPoolId.NotFound", f"The IPAM pool ID '{pool_id}' does not exist.")
        return self.pools[pool_id]

    def next_cidr(self, pool_id: str, length: int, taken: Iterable[str] = ()) -> str:
        """The block that an allocation of this size would get now."""
        pool = self.pool(pool_id)
        pool.check_length(length)
        block = next(pool.free(length, [IPv4Network(cidr) for cidr in taken]), None)
        if block is None:
            message = f"The IPAM pool {pool_id} has no space left for a /{length}."
            raise AwsError("InsufficientCidrBlocks", message)
        return str(block)

    def allocate_to_vpc(self, pool_id: str, cidr: str, vpc_id: str, tags: Mapping[str, str]) -> Allocation:
        """Take a block out of a pool for a VPC with these tags; refused if the pool requires others."""
        pool = self.pool(pool_id)
        if pool.locale != self._region or not pool.required_tags.items() <= tags.items():
            raise AwsError("InvalidParameterValue", f"{vpc_id} does not meet the allocation rules of {pool_id}.")
        return self.allocate(pool_id, cidr, "vpc", vpc_id)

    def allocate(self, pool_id: str, cidr: str, resource_type: str, resource_id: str) -> Allocation:
        """Take a block out of a pool."""
        pool, block = self.pool(pool_id), IPv4Network(cidr)
        pool.check_length(block.prefixlen)
        inside = any(block.subnet_of(provisioned) for provisioned in pool.cidrs)
        if not inside or any(block.overlaps(other.cidr) for other in pool.allocations):
            raise AwsError("InvalidParameterValue", f"The CIDR {cidr} is not available in {pool_id}.")
        allocation_id = f"ipam-pool-alloc-{mock_random.get_random_hex(32)}"
        allocation = Allocation(allocation_id, block, resource_type, resource_id)
        pool.allocations.append(allocation)
        return allocation

    def release_resource(self, cidr: str, resource_id: str) -> None:
        """Give back what a resource held, as IPAM does when it sees the block disassociated."""
        block = IPv4Network(cidr)
        for pool in self.pools.values():
            pool.allocations = [
                kept for kept in pool.allocations if (kept.cidr, kept.resource_id) != (block, resource_id)
            ]


def describe_ipam_pools(account: Account, params: Params) -> dict[str, Any]:
    """DescribeIpamPools, all or by id."""
    wanted = params.get("IpamPoolIds") or list(account.state(Ipam).pools)
    return {"IpamPools": [_described(account, account.state(Ipam).pool(pool_id)) for pool_id in wanted]}


def _described(account: Account, pool: Pool) -> dict[str, Any]:
    return {
        "OwnerId": account.account_id,
        "IpamPoolId": pool.pool_id,
        "IpamPoolArn": f"arn:aws:ec2::{account.account_id}:ipam-pool/{pool.pool_id}",
        "IpamScopeType": "private",
        "Locale": pool.locale,
        "PoolDepth": 1,
        "State": pool.state,
        "AddressFamily": "ipv4",
        "AllocationMinNetmaskLength": pool.largest,
        "AllocationMaxNetmaskLength": pool.smallest,
        "AllocationDefaultNetmaskLength": pool.default_length,
        "AllocationResourceTags": [{"Key": key, "Value": value} for key, value in pool.required_tags.items()],
        "Tags": tag_list(account, pool.pool_id),
    }


def get_ipam_pool_cidrs(account: Account, params: Params) -> dict[str, Any]:
    """GetIpamPoolCidrs: the blocks provisioned to a pool."""
    pool = account.state(Ipam).pool(params["IpamPoolId"])
    return {
        "IpamPoolCidrs": [
            {"Cidr": str(cidr), "State": "provisioned", "NetmaskLength": cidr.prefixlen} for cidr in pool.cidrs
        ]
    }


def get_ipam_pool_allocations(account: Account, params: Params) -> dict[str, Any]:
    """GetIpamPoolAllocations: who holds what of a pool."""
    pool = account.state(Ipam).pool(params["IpamPoolId"])
    return {"IpamPoolAllocations": [_allocation(account, allocation) for allocation in pool.allocations]}


def allocate_ipam_pool_cidr(account: Account, params: Params) -> dict[str, Any]:
    """AllocateIpamPoolCidr: with PreviewNextCidr it only says which block would come next."""
    pool_id = params["IpamPoolId"]
    if "Cidr" in params:
        cidr = params["Cidr"]
    else:
        length = params.get("NetmaskLength", account.state(Ipam).pool(pool_id).default_length)
        cidr = account.state(Ipam).next_cidr(pool_id, length, taken=params.get("DisallowedCidrs", []))
    stop_dry_run(params)
    if params.get("PreviewNextCidr"):
        return {"IpamPoolAllocation": {"Cidr": cidr}}
    return {"IpamPoolAllocation": _allocation(account, account.state(Ipam).allocate(pool_id, cidr, "custom", ""))}


def _allocation(account: Account, allocation: Allocation) -> dict[str, Any]:
    return {
        "Cidr": str(allocation.cidr),
        "IpamPoolAllocationId": allocation.allocation_id,
        "ResourceId": allocation.resource_id,
        "ResourceType": allocation.resource_type,
        "ResourceRegion": account.region,
        "ResourceOwner": account.account_id,
    }


def release_ipam_pool_allocation(account: Account, params: Params) -> dict[str, Any]:
    """ReleaseIpamPoolAllocation: custom allocations only; IPAM releases a VPC's by itself."""
    pool = account.state(Ipam).pool(params["IpamPoolId"])
    for allocation in pool.allocations:
        if allocation.allocation_id == params["IpamPoolAllocationId"]:
            if allocation.resource_type != "custom":
                raise AwsError("InvalidParameterValue", "Only custom allocations can be released.")
            pool.allocations.remove(allocation)
            return {"Success": True}
    raise AwsError("InvalidIpamPoolAllocationId.NotFound", f"'{params['IpamPoolAllocationId']}' does not exist.")


HANDLERS: Handlers = {
    "ec2:DescribeIpamPools": describe_ipam_pools,
    "ec2:GetIpamPoolCidrs": get_ipam_pool_cidrs,
    "ec2:GetIpamPoolAllocations": get_ipam_pool_allocations,
    "ec2:AllocateIpamPoolCidr": allocate_ipam_pool_cidr,
    "ec2:ReleaseIpamPoolAllocation": release_ipam_pool_allocation,
}
