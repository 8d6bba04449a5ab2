"""Where legal and free blocks are: by example, and compared with brute force over few addresses."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from berthmaster.capacity.plan.cidr_rules import TO_AVOID, Constraints, violations
from berthmaster.capacity.plan.cidr_space import largest_free, legal_blocks, pack
from tests.support.capacity.builders import networks


def network(address: int, length: int) -> IPv4Network:
    """Make the block of this length that holds the address."""
    return IPv4Network((address, length), strict=False)


def overlaps_any(block: IPv4Network, others: Sequence[IPv4Network]) -> bool:
    return any(block.overlaps(other) for other in others)


def texts(blocks: Sequence[IPv4Network]) -> list[str]:
    return [str(block) for block in blocks]


# legal_blocks


def of_a_vpc(*vpc: str, routes: Sequence[str] = (), **more: bool | int) -> Constraints:
    return Constraints(vpc_cidrs=networks(*vpc), route_destinations=networks(*routes), **more)


def test_the_first_blocks_of_100_64() -> None:
    blocks = legal_blocks(networks("100.64.0.0/10"), 16, of_a_vpc("10.0.0.0/16", "100.64.0.0/16"))
    assert [str(next(blocks)) for _ in range(2)] == ["100.65.0.0/16", "100.66.0.0/16"]


def test_a_route_closes_the_block_that_contains_its_destination_and_no_smaller_one() -> None:
    constraints = of_a_vpc("10.2.0.0/16", routes=["10.0.0.0/24", "0.0.0.0/0"])
    of_24 = legal_blocks(networks("10.0.0.0/22"), 24, constraints)
    assert texts(list(of_24)) == ["10.0.1.0/24", "10.0.2.0/24", "10.0.3.0/24"]
    of_25 = legal_blocks(networks("10.0.0.0/24"), 25, constraints)
    assert texts(list(of_25)) == ["10.0.0.0/25", "10.0.0.128/25"]


def test_pools_come_in_their_order_and_each_block_once() -> None:
    pools = networks("100.64.4.0/23", "100.64.0.0/29", "100.64.4.0/22", "100.64.0.0/24")
    blocks = legal_blocks(pools, 24, of_a_vpc("10.5.0.0/16"))
    assert texts(list(blocks)) == ["100.64.4.0/24", "100.64.5.0/24", "100.64.6.0/24", "100.64.7.0/24", "100.64.0.0/24"]


def test_networks_in_use_elsewhere_are_avoided() -> None:
    avoid = [*TO_AVOID, IPv4Network("172.18.4.0/24")]
    blocks = legal_blocks(networks("172.16.0.0/14"), 16, of_a_vpc("172.20.0.0/16"), avoid=avoid)
    assert texts(list(blocks)) == ["172.16.0.0/16", "172.19.0.0/16"]


@pytest.mark.parametrize("constraints", [of_a_vpc(pending_peering=True), of_a_vpc(quota_left=0)])
def test_no_block_while_aws_refuses_any(constraints: Constraints) -> None:
    assert not list(legal_blocks(networks("100.64.0.0/16"), 20, constraints))


@pytest.mark.parametrize("length", [0, 15, 29, 32])
def test_no_block_of_a_size_that_aws_refuses(length: int) -> None:
    assert not list(legal_blocks(networks("0.0.0.0/0"), length, of_a_vpc("10.5.0.0/16")))


def test_the_smallest_blocks_of_100_64_between_many_in_use() -> None:
    base = int(IPv4Address("100.64.0.0"))
    every_other = [network(base + 32 * index, 28) for index in range(2**17)]
    blocks = list(legal_blocks(networks("100.64.0.0/10"), 28, of_a_vpc("10.5.0.0/16"), avoid=every_other))
    assert blocks == [network(base + 32 * index + 16, 28) for index in range(2**17)]


EDGES = [
    *("0.240.0.0", "9.240.0.0", "10.0.0.0", "10.1.0.0", "100.64.0.0", "127.0.0.0", "169.254.0.0", "172.16.0.0"),
    *("172.31.0.0", "192.168.0.0", "198.18.0.0", "198.19.0.0", "223.240.0.0", "240.0.0.0"),
]


@st.composite
def blocks_near(draw: st.DrawFn, base: int, width: int, shortest: int, longest: int) -> IPv4Network:
    """Draw a block whose address is one of the 2**width addresses from base."""
    return network(base + draw(st.integers(0, 2**width - 1)), draw(st.integers(shortest, longest)))


@given(st.data())
def test_legal_blocks_are_those_without_a_violation(data: st.DataObject) -> None:
    length = data.draw(st.integers(15, 29), label="length")
    width = 32 - length + 5
    base = int(IPv4Address(data.draw(st.sampled_from(EDGES), label="edge")))
    elsewhere = st.sampled_from([IPv4Network(f"{edge}/20") for edge in EDGES])
    near = blocks_near(base, width, 8, 32)
    pools = data.draw(st.lists(blocks_near(base, width, length - 5, length + 1), min_size=1, max_size=3), label="pools")
    avoid = data.draw(st.lists(near, max_size=2), label="avoid")
    vpc = st.lists(blocks_near(base, width, 16, 28) | elsewhere, min_size=1, max_size=3)
    constraints = Constraints(
        vpc_cidrs=tuple(data.draw(vpc, label="vpc")),
        route_destinations=tuple(data.draw(st.lists(near, max_size=4), label="routes")),
        peer_cidrs=tuple(data.draw(st.lists(blocks_near(base, width, 16, 28), max_size=2), label="peers")),
    )
    candidates = dict.fromkeys(
        block for pool in pools if pool.prefixlen <= length for block in pool.subnets(new_prefix=length)
    )
    expected = [block for block in candidates if not violations(block, constraints) and not overlaps_any(block, avoid)]
    assert list(legal_blocks(pools, length, constraints, avoid=avoid)) == expected


# largest_free, pack

IN_USE = networks("10.0.0.0/26", "10.0.0.96/27", "10.0.0.128/26")
"""10.0.0.0/24 but for a /27 and a /26."""


def test_the_largest_free_block() -> None:
    assert largest_free(networks("10.0.0.0/24"), IN_USE) == IPv4Network("10.0.0.192/26")
    assert largest_free(networks("10.0.0.0/24", "10.1.0.0/26"), networks("10.0.0.0/24")) == IPv4Network("10.1.0.0/26")
    assert largest_free(networks("10.0.0.0/24"), networks("10.0.0.0/16")) is None
    assert largest_free([], []) is None


def test_pack_returns_blocks_in_the_order_asked_for() -> None:
    placed = pack([28, 26, 28], networks("10.0.0.0/24"), IN_USE)
    assert placed is not None
    assert texts(placed) == ["10.0.0.64/28", "10.0.0.192/26", "10.0.0.80/28"]


def test_pack_takes_the_smallest_free_block_that_fits() -> None:
    assert pack([28], networks("10.0.0.0/24"), IN_USE) == [IPv4Network("10.0.0.64/28")]


def test_pack_places_all_or_nothing() -> None:
    assert pack([26, 27, 28], networks("10.0.0.0/24"), IN_USE) is None
    assert pack([], [], []) == []


few_addresses = st.lists(blocks_near(0x0A000000, 5, 27, 32), max_size=3)
taken_blocks = st.lists(blocks_near(0x0A000000, 5, 28, 32), max_size=6)


def inside_and_free(length: int, parents: list[IPv4Network], taken: list[IPv4Network]) -> list[IPv4Network]:
    inside = {block for parent in parents if parent.prefixlen <= length for block in parent.subnets(new_prefix=length)}
    return sorted(block for block in inside if not overlaps_any(block, taken))


def can_place(lengths: list[int], parents: list[IPv4Network], taken: list[IPv4Network]) -> bool:
    """Try every position of every block."""
    if not lengths:
        return True
    first, *rest = lengths
    return any(can_place(rest, parents, [*taken, block]) for block in inside_and_free(first, parents, taken))


@given(few_addresses, taken_blocks)
def test_nothing_free_is_larger_than_the_largest(parents: list[IPv4Network], taken: list[IPv4Network]) -> None:
    free = [block for length in range(33) for block in inside_and_free(length, parents, taken)]
    assert largest_free(parents, taken) == (free[0] if free else None)


@given(st.lists(st.integers(28, 32), max_size=5), few_addresses, taken_blocks)
def test_pack_finds_a_solution_whenever_there_is_one(
    lengths: list[int], parents: list[IPv4Network], taken: list[IPv4Network]
) -> None:
    placed = pack(lengths, parents, taken)
    assert (placed is not None) == can_place(lengths, parents, taken)
    if placed is not None:
        assert [block.prefixlen for block in placed] == lengths
        assert not any(one.overlaps(other) for one, other in combinations(placed, 2))
        assert all(block in inside_and_free(block.prefixlen, parents, taken) for block in placed)
