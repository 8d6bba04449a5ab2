"""Which blocks AWS accepts for a VPC, row by row of its documentation."""

from ipaddress import IPv4Network

import pytest

from berthmaster.capacity.model.vpc import Route, RouteTable
from berthmaster.capacity.plan.cidr_rules import TO_AVOID, Constraints, Rule, Violation, is_ambiguous, violations
from tests.support.capacity.builders import a_vpc, networks
from tests.support.capacity.rules import rules_broken


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


def test_the_first_block_of_a_vpc_is_not_restricted() -> None:
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


def test_an_address_is_too_small_a_block() -> None:
    assert rules_broken("100.64.0.1/32", vpc=["10.5.0.0/16"]) == {Rule.BLOCK_SIZE}


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
def test_ranges_beside_reserved_ranges_are_accepted(candidate: str) -> None:
    assert rules_broken(candidate, vpc=["10.5.0.0/16"]) == set()


def test_the_range_of_docker_is_avoided_though_aws_accepts_it() -> None:
    assert IPv4Network("172.17.0.0/16") in TO_AVOID
    assert rules_broken("172.17.0.0/16", vpc=["172.20.0.0/16"]) == set()


@pytest.mark.parametrize("candidate", ["10.5.0.0/16", "10.5.7.0/24", "10.5.255.240/28"])
def test_a_block_that_overlaps_one_of_the_vpc_is_refused(candidate: str) -> None:
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
def test_a_block_that_contains_the_destination_of_a_route_is_refused(candidate: str, rule: Rule | None) -> None:
    """AWS's own example: primary 10.2.0.0/16, a route to 10.0.0.0/24."""
    assert rules_broken(candidate, vpc=["10.2.0.0/16"], routes=["10.0.0.0/24"]) == only(rule)


@pytest.mark.parametrize("destination", ["0.0.0.0/0", "10.0.0.0/8", "10.5.0.0/16"])
def test_routes_that_conflict_with_nothing(destination: str) -> None:
    assert rules_broken("10.7.0.0/16", vpc=["10.5.0.0/16"], routes=[destination]) == set()


def test_a_route_to_a_host_inside_the_block() -> None:
    assert rules_broken("10.7.0.0/16", vpc=["10.5.0.0/16"], routes=["10.7.3.4/32"]) == {Rule.ROUTE_DESTINATION}


@pytest.mark.parametrize("peer", ["100.64.0.0/16", "100.64.8.0/24", "100.64.0.0/10"])
def test_a_block_that_overlaps_one_of_an_active_peer_is_refused(peer: str) -> None:
    assert rules_broken("100.64.0.0/18", vpc=["10.5.0.0/16"], peers=[peer]) == {Rule.PEER_OVERLAP}
    assert rules_broken("100.128.0.0/18", vpc=["10.5.0.0/16"], peers=[peer]) == set()


def test_the_requester_of_a_pending_peering_cannot_add_a_block() -> None:
    assert rules_broken("100.64.0.0/16", vpc=["10.5.0.0/16"], pending_peering=True) == {Rule.PENDING_PEERING}


@pytest.mark.parametrize(("left", "rule"), [(None, None), (1, None), (0, Rule.QUOTA), (-1, Rule.QUOTA)])
def test_no_block_exceeds_the_quota(left: int | None, rule: Rule | None) -> None:
    assert rules_broken("100.64.0.0/16", vpc=["10.5.0.0/16"], quota_left=left) == only(rule)


def test_every_violation_is_named_with_what_it_conflicts_with() -> None:
    constraints = Constraints(
        vpc_cidrs=networks("192.168.0.0/24", "10.1.4.0/24"),
        route_destinations=networks("10.0.9.0/24", "10.1.0.0/16"),
        peer_cidrs=networks("10.0.0.0/20"),
        pending_peering=True,
        quota_left=0,
    )
    found = violations(IPv4Network("10.0.0.0/15"), constraints)
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
        "quota: the quota of IPv4 CIDR blocks allows no further block",
    ]


def test_the_constraints_of_a_vpc_have_each_destination_once() -> None:
    route = Route(destination=IPv4Network("10.7.1.0/24"), target="nat-1")
    tables = tuple(RouteTable(id=f"rtb-{number}", routes=(route,)) for number in range(3))
    constraints = Constraints.of(a_vpc(["10.5.0.0/16"], [], route_tables=tables))
    detail = "10.7.0.0/16 contains 10.7.1.0/24, the destination of a route"
    found = violations(IPv4Network("10.7.0.0/16"), constraints)
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
def test_where_the_table_is_unclear_the_block_is_accepted_as_ambiguous(existing: list[str], candidate: str) -> None:
    assert rules_broken(candidate, vpc=existing) == set()
    assert is_ambiguous(IPv4Network(candidate), Constraints(vpc_cidrs=networks(*existing)))


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
    assert not is_ambiguous(IPv4Network(candidate), Constraints(vpc_cidrs=networks(*existing)))
