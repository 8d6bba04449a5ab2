"""The simulator's association rules and Berthmaster's own, written apart, agree on every block."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from berthmaster.capacity.plan.cidr_rules import Constraints, violations
from simulator.aws.ec2.association_rules import VpcNetwork, refusal
from tests.support.capacity.builders import networks

RANGES = (
    "10.0.0.0/14",
    "10.200.0.0/15",
    "172.16.0.0/13",
    "172.30.0.0/15",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "100.64.0.0/12",
    "203.0.0.0/12",
    "127.0.0.0/12",
    "169.254.0.0/15",
    "0.0.0.0/12",
    "224.0.0.0/12",
)


@st.composite
def blocks(draw: Any, *, shortest: int = 14, longest: int = 30) -> str:
    within = IPv4Network(draw(st.sampled_from(RANGES)))
    length = draw(st.integers(max(shortest, within.prefixlen), longest))
    offset = draw(st.integers(0, 2 ** (length - within.prefixlen) - 1)) << (32 - length)
    return str(IPv4Network((int(within.network_address) + offset, length)))


@st.composite
def vpcs(draw: Any) -> tuple[str, ...]:
    """The blocks of a VPC that AWS could have let come about: each was accepted when it was added."""
    primary = draw(blocks(shortest=16, longest=28))
    cidrs = [primary]
    for candidate in draw(st.lists(blocks(shortest=16, longest=28), max_size=3)):
        if refusal(candidate, VpcNetwork(cidrs=tuple(cidrs))) is None:
            cidrs.append(candidate)
    return tuple(cidrs)


@settings(max_examples=500, deadline=None)
@given(
    candidate=blocks(),
    cidrs=vpcs(),
    destinations=st.lists(blocks(), max_size=3),
    peers=st.lists(blocks(shortest=16, longest=28), max_size=2),
    requested_peering=st.booleans(),
    quota=st.integers(1, 6),
)
def test_the_simulator_and_berthmaster_accept_the_same_blocks(  # noqa: PLR0917 - one argument for each thing the rules look at
    candidate: str,
    cidrs: tuple[str, ...],
    destinations: list[str],
    peers: list[str],
    requested_peering: bool,  # noqa: FBT001
    quota: int,
) -> None:
    network = VpcNetwork(
        cidrs=cidrs,
        destinations=tuple(destinations),
        peers=tuple(peers),
        requested_peering=requested_peering,
        quota=quota,
    )
    constraints = Constraints(
        vpc_cidrs=networks(*cidrs),
        route_destinations=networks(*destinations),
        peer_cidrs=networks(*peers),
        pending_peering=requested_peering,
        quota_left=max(0, quota - len(cidrs)),
    )
    found = violations(IPv4Network(candidate), constraints)
    refused = refusal(candidate, network)
    assert (refused is None) == (not found), f"simulator: {refused}; berthmaster: {[str(one) for one in found]}"
