"""The rules for blocks, compared with an oracle: the same page of the guide, implemented again on integers."""

from hypothesis import given
from hypothesis import strategies as st

from berthmaster.capacity.plan.cidr_rules import Rule
from tests.support.capacity.rules import rules_broken

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
def test_the_rules_and_the_oracle_agree(candidate: str, vpc: list[str], routes: list[str], peers: list[str]) -> None:
    assert rules_broken(candidate, vpc=vpc, routes=routes, peers=peers) == oracle(candidate, vpc, routes, peers)


@given(cidrs(6, 32), vpcs, destinations, peerings, cidrs(16, 28))
def test_more_routes_and_peers_never_help(
    candidate: str, vpc: list[str], routes: list[str], peers: list[str], another: str
) -> None:
    before = rules_broken(candidate, vpc=vpc, routes=routes, peers=peers)
    assert before <= rules_broken(candidate, vpc=vpc, routes=[*routes, another], peers=peers)
    assert before <= rules_broken(candidate, vpc=vpc, routes=routes, peers=[*peers, another])


@given(cidrs(6, 32), vpcs, cidrs(16, 28))
def test_another_block_in_the_vpc_never_helps(candidate: str, vpc: list[str], another: str) -> None:
    """Except for the row of publicly routable blocks, which applies only without RFC 1918 and 198.19.0.0/16 blocks."""
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
