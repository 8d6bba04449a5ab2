"""Which blocks AWS lets a VPC have, row by row, and by an independent oracle."""

from ipaddress import IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from berthmaster.capacity.plan.cidr_rules import TO_AVOID, Rule, Violation, is_ambiguous, violations


def rules_broken(
    candidate: str,
    *,
    vpc: list[str],
    routes: list[str] | None = None,
    peers: list[str] | None = None,
    pending_peering: bool = False,
    quota_left: int | None = None,
) -> set[Rule]:
    found = violations(
        candidate,
        vpc_cidrs=vpc,
        route_destinations=routes or [],
        peer_cidrs=peers or [],
        pending_peering=pending_peering,
        quota_left=quota_left,
    )
    return {violation.rule for violation in found}


def only(rule: Rule | None) -> set[Rule]:
    return {rule} if rule else set()


# "IPv4 CIDR block association restrictions": existing blocks, candidate, the rule that refuses it or None.
ASSOCIATION_TABLE = [
    # Row 10.0.0.0/8: restricted
    (["10.5.0.0/16"], "172.16.0.0/16", Rule.RFC1918_RANGE),
    (["10.5.0.0/16"], "172.31.255.240/28", Rule.RFC1918_RANGE),
    (["10.5.0.0/16"], "192.168.0.0/16", Rule.RFC1918_RANGE),
    (["10.0.0.0/17"], "10.0.128.0/17", Rule.RANGE_10_0),
    (["10.1.0.0/16"], "10.0.0.0/16", Rule.RANGE_10_0),
    (["10.1.255.240/28"], "10.0.255.240/28", Rule.RANGE_10_0),
    (["10.5.0.0/16", "10.1.0.0/24"], "10.0.0.0/24", Rule.RANGE_10_0),
    (["10.5.0.0/16"], "198.19.0.0/16", Rule.RANGE_198_19),
    (["10.5.0.0/16"], "198.19.255.240/28", Rule.RANGE_198_19),
    # Row 10.0.0.0/8: permitted
    (["10.2.0.0/16"], "10.0.0.0/16", None),
    (["10.0.0.0/16"], "10.1.0.0/16", None),
    (["10.1.0.0/17"], "10.1.128.0/17", None),
    (["10.5.0.0/16"], "10.255.0.0/16", None),
    (["10.5.0.0/16"], "100.64.0.0/16", None),
    (["10.5.0.0/16"], "100.127.255.240/28", None),
    (["10.5.0.0/16"], "203.0.113.0/24", None),
    (["10.5.0.0/16"], "198.18.0.0/16", None),
    (["10.5.0.0/16"], "198.20.0.0/16", None),
    (["10.5.0.0/16"], "172.15.0.0/16", None),
    (["10.5.0.0/16"], "172.32.0.0/16", None),
    (["10.5.0.0/16"], "192.169.0.0/16", None),
    # Row 172.16.0.0/12: restricted
    (["172.20.0.0/16"], "10.0.0.0/16", Rule.RFC1918_RANGE),
    (["172.20.0.0/16"], "192.168.0.0/24", Rule.RFC1918_RANGE),
    (["172.20.0.0/16"], "172.31.0.0/16", Rule.RANGE_172_31),
    (["172.31.0.0/20"], "172.31.16.0/20", Rule.RANGE_172_31),
    (["172.20.0.0/16"], "198.19.0.0/24", Rule.RANGE_198_19),
    # Row 172.16.0.0/12: permitted
    (["172.31.0.0/16"], "172.30.0.0/16", None),
    (["172.20.0.0/16"], "172.16.0.0/16", None),
    (["172.20.0.0/16"], "100.64.0.0/16", None),
    (["172.20.0.0/16"], "8.8.0.0/16", None),
    # Row 192.168.0.0/16: restricted
    (["192.168.0.0/24"], "10.0.0.0/16", Rule.RFC1918_RANGE),
    (["192.168.0.0/24"], "172.31.0.0/16", Rule.RFC1918_RANGE),
    (["192.168.0.0/24"], "198.19.0.0/16", Rule.RANGE_198_19),
    # Row 192.168.0.0/16: permitted
    (["192.168.0.0/24"], "192.168.1.0/24", None),
    (["192.168.0.0/24"], "100.64.0.0/16", None),
    (["192.168.0.0/24"], "8.8.0.0/16", None),
    # Row 198.19.0.0/16: restricted
    (["198.19.0.0/24"], "10.0.0.0/16", Rule.RFC1918_RANGE),
    (["198.19.0.0/24"], "172.16.0.0/16", Rule.RFC1918_RANGE),
    (["198.19.0.0/24"], "192.168.0.0/16", Rule.RFC1918_RANGE),
    # Row 198.19.0.0/16: permitted, or not restricted
    (["198.19.0.0/24"], "100.64.0.0/16", None),
    (["198.19.0.0/24"], "8.8.0.0/16", None),
    (["198.19.0.0/24"], "198.19.1.0/24", None),
    # Row publicly routable or 100.64.0.0/10: restricted
    (["100.64.0.0/16"], "10.0.0.0/16", Rule.RFC1918_RANGE),
    (["8.8.0.0/16"], "172.16.0.0/16", Rule.RFC1918_RANGE),
    (["8.8.0.0/16", "100.64.0.0/16"], "192.168.0.0/16", Rule.RFC1918_RANGE),
    (["100.64.0.0/16"], "198.19.0.0/16", Rule.RANGE_198_19),
    (["8.8.0.0/16"], "198.19.0.0/16", Rule.RANGE_198_19),
    # Row publicly routable or 100.64.0.0/10: permitted
    (["100.64.0.0/16"], "100.65.0.0/16", None),
    (["100.64.0.0/16"], "8.8.0.0/16", None),
    (["8.8.0.0/16"], "100.64.0.0/16", None),
    # The same row's note: the RFC 1918 block came first
    (["10.5.0.0/16", "100.64.0.0/16"], "10.6.0.0/16", None),
    (["172.20.0.0/16", "8.8.0.0/16"], "172.21.0.0/16", None),
    (["10.5.0.0/16", "100.64.0.0/16"], "192.168.0.0/16", Rule.RFC1918_RANGE),
    (["10.1.0.0/16", "100.64.0.0/16"], "10.0.0.0/16", Rule.RANGE_10_0),
    (["10.5.0.0/16", "100.64.0.0/16"], "198.19.0.0/16", Rule.RANGE_198_19),
]


@pytest.mark.parametrize(("existing", "candidate", "rule"), ASSOCIATION_TABLE)
def test_association_restrictions(existing: list[str], candidate: str, rule: Rule | None) -> None:
    assert rules_broken(candidate, vpc=existing) == only(rule)


def test_the_first_block_of_a_vpc_has_no_row_to_obey() -> None:
    assert rules_broken("10.0.0.0/16", vpc=[]) == set()


@pytest.mark.parametrize(
    ("candidate", "rule"),
    [
        ("100.64.0.0/15", Rule.BLOCK_SIZE),
        ("100.64.0.0/16", None),
        ("100.64.0.0/28", None),
        ("100.64.0.0/29", Rule.BLOCK_SIZE),
    ],
)
def test_a_block_is_between_a_16_and_a_28_netmask(candidate: str, rule: Rule | None) -> None:
    assert rules_broken(candidate, vpc=["10.5.0.0/16"]) == only(rule)


def test_a_bare_address_is_a_32() -> None:
    assert rules_broken("100.64.0.1", vpc=["10.5.0.0/16"]) == {Rule.BLOCK_SIZE}


@pytest.mark.parametrize(
    "candidate",
    [
        "0.0.0.0/16",
        "0.255.255.240/28",
        "127.0.0.0/16",
        "127.255.0.0/16",
        "169.254.0.0/16",
        "169.254.169.0/24",
        "224.0.0.0/16",
        "239.255.255.240/28",
    ],
)
def test_no_vpc_has_a_reserved_range(candidate: str) -> None:
    assert rules_broken(candidate, vpc=["10.5.0.0/16"]) == {Rule.RESERVED_RANGE}


@pytest.mark.parametrize(
    "candidate",
    [
        "1.0.0.0/16",
        "126.255.0.0/16",
        "128.0.0.0/16",
        "169.253.0.0/16",
        "169.255.0.0/16",
        "223.255.0.0/16",
        "240.0.0.0/16",
    ],
)
def test_the_neighbours_of_reserved_ranges_are_free(candidate: str) -> None:
    assert rules_broken(candidate, vpc=["10.5.0.0/16"]) == set()


def test_the_range_of_docker_is_to_be_avoided_but_accepted() -> None:
    assert IPv4Network("172.17.0.0/16") in TO_AVOID
    assert rules_broken("172.17.0.0/16", vpc=["172.20.0.0/16"]) == set()


@pytest.mark.parametrize("candidate", ["10.5.0.0/16", "10.5.7.0/24", "10.5.255.240/28"])
def test_a_block_overlaps_no_block_of_the_vpc(candidate: str) -> None:
    assert rules_broken(candidate, vpc=["100.64.0.0/16", "10.5.0.0/16"]) == {Rule.VPC_OVERLAP}


@pytest.mark.parametrize(
    ("candidate", "rule"),
    [
        ("10.0.0.0/16", Rule.ROUTE_DESTINATION),
        ("10.0.0.0/23", Rule.ROUTE_DESTINATION),
        ("10.0.0.0/24", Rule.ROUTE_DESTINATION),
        ("10.0.0.0/25", None),
        ("10.0.0.128/25", None),
        ("10.0.0.240/28", None),
        ("10.0.1.0/24", None),
    ],
)
def test_a_block_is_smaller_than_the_destination_of_a_route(candidate: str, rule: Rule | None) -> None:
    """AWS's own example: primary 10.2.0.0/16, a route to 10.0.0.0/24."""
    assert rules_broken(candidate, vpc=["10.2.0.0/16"], routes=["10.0.0.0/24"]) == only(rule)


@pytest.mark.parametrize("destination", ["0.0.0.0/0", "10.0.0.0/8", "10.5.0.0/16", "::/0", "2001:db8::/32"])
def test_routes_that_conflict_with_nothing(destination: str) -> None:
    assert rules_broken("10.7.0.0/16", vpc=["10.5.0.0/16"], routes=[destination]) == set()


def test_ipv6_blocks_of_the_vpc_and_its_peers_are_in_no_ones_way() -> None:
    assert rules_broken("10.7.0.0/16", vpc=["10.5.0.0/16", "2001:db8::/56"], peers=["2001:db8:1::/56"]) == set()


def test_a_route_to_a_host_inside_the_block() -> None:
    assert rules_broken("10.7.0.0/16", vpc=["10.5.0.0/16"], routes=["10.7.3.4/32"]) == {Rule.ROUTE_DESTINATION}


@pytest.mark.parametrize("peer", ["100.64.0.0/16", "100.64.8.0/24", "100.64.0.0/10"])
def test_a_block_overlaps_no_block_of_an_active_peer(peer: str) -> None:
    assert rules_broken("100.64.0.0/18", vpc=["10.5.0.0/16"], peers=[peer]) == {Rule.PEER_OVERLAP}
    assert rules_broken("100.128.0.0/18", vpc=["10.5.0.0/16"], peers=[peer]) == set()


def test_the_requester_of_a_pending_peering_adds_no_block() -> None:
    assert rules_broken("100.64.0.0/16", vpc=["10.5.0.0/16"], pending_peering=True) == {Rule.PENDING_PEERING}


@pytest.mark.parametrize(("left", "rule"), [(None, None), (1, None), (0, Rule.QUOTA), (-1, Rule.QUOTA)])
def test_no_block_exceeds_the_quota(left: int | None, rule: Rule | None) -> None:
    assert rules_broken("100.64.0.0/16", vpc=["10.5.0.0/16"], quota_left=left) == only(rule)


def test_every_violation_is_named_with_what_collides() -> None:
    found = violations(
        "10.0.3.7/15",
        vpc_cidrs=["192.168.0.0/24", "10.1.4.0/24"],
        route_destinations=["10.0.9.0/24", "10.1.0.0/16"],
        peer_cidrs=["10.0.0.0/20"],
        pending_peering=True,
        quota_left=0,
    )
    closed = "closed to a VPC that has a block from"
    assert [str(violation) for violation in found] == [
        "block-size: 10.0.0.0/15 is not between /16 and /28",
        "vpc-overlap: 10.0.0.0/15 overlaps 10.1.4.0/24, which the VPC has already",
        f"range-10.0.0.0/16: 10.0.0.0/15 overlaps 10.0.0.0/16, {closed} 10.0.0.0/15: 10.1.4.0/24",
        f"rfc1918-range: 10.0.0.0/15 overlaps 10.0.0.0/8, {closed} 192.168.0.0/16: 192.168.0.0/24",
        "peer-overlap: 10.0.0.0/15 overlaps 10.0.0.0/20, which a peered VPC has",
        "route-destination: 10.0.0.0/15 contains 10.0.9.0/24, the destination of a route",
        "route-destination: 10.0.0.0/15 contains 10.1.0.0/16, the destination of a route",
        "pending-peering: a peering connection that the VPC requested is pending acceptance",
        "quota: the quotas of the VPC leave no room for another block",
    ]


def test_a_destination_of_many_route_tables_is_named_once() -> None:
    found = violations("10.7.0.0/16", vpc_cidrs=["10.5.0.0/16"], route_destinations=["10.7.1.0/24"] * 3)
    detail = "10.7.0.0/16 contains 10.7.1.0/24, the destination of a route"
    assert found == [Violation(Rule.ROUTE_DESTINATION, detail)]


@pytest.mark.parametrize(
    ("existing", "candidate"),
    [
        (["10.5.0.0/16", "100.64.0.0/16"], "10.6.0.0/16"),
        (["10.5.0.0/16", "8.8.0.0/16"], "10.6.0.0/16"),
        (["198.19.0.0/24"], "198.19.1.0/24"),
        (["198.19.0.0/24", "100.64.0.0/16"], "198.19.1.0/24"),
    ],
)
def test_where_the_table_leaves_a_doubt_the_block_is_accepted_as_ambiguous(existing: list[str], candidate: str) -> None:
    assert rules_broken(candidate, vpc=existing) == set()
    assert is_ambiguous(candidate, vpc_cidrs=existing)


@pytest.mark.parametrize(
    ("existing", "candidate"),
    [
        (["10.5.0.0/16"], "10.6.0.0/16"),
        (["10.5.0.0/16"], "100.64.0.0/16"),
        (["10.5.0.0/16", "100.64.0.0/16"], "100.65.0.0/16"),
        (["100.64.0.0/16"], "100.65.0.0/16"),
        (["198.19.0.0/24"], "100.64.0.0/16"),
    ],
)
def test_where_the_table_is_clear(existing: list[str], candidate: str) -> None:
    assert rules_broken(candidate, vpc=existing) == set()
    assert not is_ambiguous(candidate, vpc_cidrs=existing)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "berth",
        "10.0.0.0/33",
        "10.0.0/16",
        "10.0.0.256/16",
        "10.0.0.0/",
        "10.0.0.0/255.255.0.0",
        "10.0.0.0-10.0.0.9",
    ],
)
def test_what_is_not_a_cidr_block_is_named(value: str) -> None:
    with pytest.raises(ValueError, match="candidate: ") as caught:
        violations(value, vpc_cidrs=[], route_destinations=[])
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize("argument", ["vpc_cidrs", "route_destinations", "peer_cidrs"])
def test_the_argument_is_named(argument: str) -> None:
    arguments: dict[str, Any] = {"vpc_cidrs": [], "route_destinations": [], argument: ["10.0.0.0/16", "pl-1234"]}
    with pytest.raises(ValueError, match=f"{argument}: 'pl-1234' is not a CIDR block"):
        violations("100.64.0.0/16", **arguments)


def test_an_ipv6_candidate_is_an_error() -> None:
    with pytest.raises(ValueError, match="candidate: '2001:db8::/56' is not an IPv4 CIDR block"):
        violations("2001:db8::/56", vpc_cidrs=["10.0.0.0/16"], route_destinations=[])


# The oracle: the same page of the guide, read a second time, over ranges of integers.

type Span = tuple[int, int]


def number(address: str) -> int:
    first, second, third, fourth = (int(octet) for octet in address.split("."))
    return ((first * 256 + second) * 256 + third) * 256 + fourth


def dotted(value: int) -> str:
    return ".".join(str(value // 256**place % 256) for place in (3, 2, 1, 0))


def span(cidr: str) -> Span:
    address, length = cidr.split("/")
    size = 2 ** (32 - int(length))
    low = number(address) // size * size
    return low, low + size - 1


def meet(one: Span, other: Span) -> bool:
    return max(one[0], other[0]) <= min(one[1], other[1])


def holds(outer: Span, inner: Span) -> bool:
    return outer[0] <= inner[0] and inner[1] <= outer[1]


PRIVATE = {span("10.0.0.0/8"), span("172.16.0.0/12"), span("192.168.0.0/16")}
NETWORK_TESTS = (number("198.19.0.0"), number("198.19.255.255"))
NEVER = [
    (0, number("0.255.255.255")),
    (number("127.0.0.0"), number("127.255.255.255")),
    (number("169.254.0.0"), number("169.254.255.255")),
    (number("224.0.0.0"), number("239.255.255.255")),
]


def table_by_oracle(block: Span, existing: list[Span]) -> set[str]:
    families = {family for family in PRIVATE for one in existing if meet(one, family)}
    tests_held = any(meet(one, NETWORK_TESTS) for one in existing)
    only_public = bool(existing) and not families and not tests_held
    hit = {family for family in PRIVATE if meet(block, family)}
    refused = {
        "rfc1918-range": bool(hit) and (tests_held or only_public or any(hit - {family} for family in families)),
        "range-10.0.0.0/16": meet(block, span("10.0.0.0/16")) and any(meet(e, span("10.0.0.0/15")) for e in existing),
        "range-172.31.0.0/16": meet(block, span("172.31.0.0/16")) and span("172.16.0.0/12") in families,
        "range-198.19.0.0/16": meet(block, NETWORK_TESTS) and (bool(families) or only_public),
    }
    return {rule for rule, broken in refused.items() if broken}


def oracle(candidate: str, vpc: list[str], routes: list[str], peers: list[str]) -> set[str]:
    block = span(candidate)
    existing = [span(cidr) for cidr in vpc]
    refused = {
        "block-size": not 2**4 <= block[1] - block[0] + 1 <= 2**16,
        "reserved-range": any(meet(block, never) for never in NEVER),
        "vpc-overlap": any(meet(block, one) for one in existing),
        "peer-overlap": any(meet(block, span(peer)) for peer in peers),
        "route-destination": any(holds(block, span(route)) for route in routes),
    }
    return {rule for rule, broken in refused.items() if broken} | table_by_oracle(block, existing)


EDGES = [
    *("0.1.0.0", "0.255.0.0", "1.0.0.0", "9.255.0.0", "10.0.0.0", "10.1.0.0", "10.2.0.0", "10.255.0.0", "11.0.0.0"),
    *("100.63.0.0", "100.64.0.0", "100.127.0.0", "126.255.0.0", "127.0.0.0", "127.255.0.0", "128.0.0.0"),
    *("169.253.0.0", "169.254.0.0", "169.255.0.0", "172.15.0.0", "172.16.0.0", "172.17.0.0", "172.31.0.0"),
    *("172.32.0.0", "192.167.0.0", "192.168.0.0", "192.169.0.0", "198.18.0.0", "198.19.0.0", "198.20.0.0"),
    *("223.255.0.0", "224.0.0.0", "239.255.0.0", "240.0.0.0", "255.255.0.0"),
]


@st.composite
def cidrs(draw: st.DrawFn, shortest: int, longest: int) -> str:
    """Draw a CIDR block, most with host bits, near an edge of the ranges that the rules name."""
    address = number(draw(st.sampled_from(EDGES))) + draw(st.integers(0, 2**16 - 1))
    return f"{dotted(address)}/{draw(st.integers(shortest, longest))}"


vpcs = st.lists(cidrs(16, 28), min_size=1, max_size=5)
destinations = st.lists(cidrs(0, 32), max_size=4)
peerings = st.lists(cidrs(16, 28), max_size=3)


@given(cidrs(6, 32), vpcs, destinations, peerings)
def test_the_rules_are_those_of_the_oracle(candidate: str, vpc: list[str], routes: list[str], peers: list[str]) -> None:
    assert rules_broken(candidate, vpc=vpc, routes=routes, peers=peers) == oracle(candidate, vpc, routes, peers)


@given(cidrs(16, 28), vpcs, destinations, peerings)
def test_a_block_is_judged_in_canonical_form(
    candidate: str, vpc: list[str], routes: list[str], peers: list[str]
) -> None:
    low, high = span(candidate)
    canonical = IPv4Network((low, candidate.rpartition("/")[2]))
    assert int(canonical.broadcast_address) == high
    as_given = violations(candidate, vpc_cidrs=vpc, route_destinations=routes, peer_cidrs=peers)
    assert as_given == violations(canonical, vpc_cidrs=vpc, route_destinations=routes, peer_cidrs=peers)


@given(cidrs(6, 32), vpcs, destinations, peerings, cidrs(16, 28))
def test_more_routes_and_peers_never_help(
    candidate: str, vpc: list[str], routes: list[str], peers: list[str], another: str
) -> None:
    before = rules_broken(candidate, vpc=vpc, routes=routes, peers=peers)
    assert before <= rules_broken(candidate, vpc=vpc, routes=[*routes, another], peers=peers)
    assert before <= rules_broken(candidate, vpc=vpc, routes=routes, peers=[*peers, another])


@given(cidrs(6, 32), vpcs, cidrs(16, 28))
def test_another_block_in_the_vpc_never_helps(candidate: str, vpc: list[str], another: str) -> None:
    """But for the row of publicly routable blocks, which an RFC 1918 or a 198.19.0.0/16 block takes out of force."""
    before = rules_broken(candidate, vpc=vpc)
    held = {span(one) for one in vpc}
    if not any(meet(one, named) for one in held for named in (*PRIVATE, NETWORK_TESTS)):
        before -= {Rule.RFC1918_RANGE, Rule.RANGE_198_19}
    assert before <= rules_broken(candidate, vpc=[*vpc, another])


@given(cidrs(6, 32), vpcs, destinations)
def test_the_order_of_the_vpcs_blocks_does_not_matter(candidate: str, vpc: list[str], routes: list[str]) -> None:
    assert rules_broken(candidate, vpc=vpc, routes=routes) == rules_broken(
        candidate, vpc=vpc[::-1], routes=routes[::-1]
    )
