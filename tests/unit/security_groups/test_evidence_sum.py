"""Evidence of many objects: the same in whatever order it comes, stored and folded on the way or not."""

import gzip
import json
from ipaddress import ip_network
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from berthmaster.items import NewerSchema, Unreadable
from berthmaster.security_groups.ledger.evidence_codec import decoded, encoded
from berthmaster.security_groups.model.documentation import Party, PartyKind, Talk
from berthmaster.security_groups.model.evidence import Credits, Seen
from berthmaster.security_groups.model.flows import Coverage
from berthmaster.security_groups.model.sources import AllowedBy, Evidence
from berthmaster.security_groups.plan.credits import MOST_PEERS
from berthmaster.security_groups.plan.evidence_sum import EvidenceSum

NETWORKS = st.sampled_from(["10.0.0.1/32", "10.0.0.2/32", "10.0.0.0/24", "2001:db8::/64", "192.0.2.0/25"])
TIMES = st.integers(0, 10).map(float)
SEEN = st.builds(
    Seen,
    records=st.integers(1, 9),
    first=TIMES,
    last=TIMES,
    peers=st.frozensets(NETWORKS.map(ip_network), min_size=1),
    ports=st.frozensets(st.sampled_from([(22, 22), (80, 90), (443, 443)])),
)
MAYBE = st.none() | SEEN
CREDITS = st.builds(Credits, conversations=MAYBE, possible=MAYBE, knocks=MAYBE, exclusive=st.integers(0, 9))
NUMBERS = st.frozensets(st.integers(0, 30))
COVERAGE = st.builds(
    Coverage,
    log=st.just("fl-1"),
    first=TIMES,
    last=TIMES,
    longest=TIMES,
    slots=NUMBERS,
    interfaces=st.dictionaries(st.sampled_from(["eni-1", "eni-2"]), st.tuples(TIMES, TIMES)),
    vpcs=st.frozensets(st.sampled_from(["vpc-1", "vpc-2"])),
    skipped=st.dictionaries(st.sampled_from(["eni-1", "eni-2"]), NUMBERS),
    actions=st.frozensets(st.sampled_from(["ACCEPT", "REJECT"])),
    fields=st.sampled_from([("start", "end"), ("start",)]),
)
PARTIES = st.sampled_from([Party(PartyKind.INTERNET), Party(PartyKind.GROUP, ("sg-1", "sg-2"))])
TALKS = st.builds(
    Talk,
    source=PARTIES,
    target=PARTIES,
    protocol=st.just(6),
    ports=st.just((443, 443)),
    is_certain=st.booleans(),
    logged_at_source=st.integers(0, 9),
    first=TIMES,
    last=TIMES,
)
SETS = st.frozensets(st.sampled_from(["sgr-1", "sgr-2", "sgr-3"]))
ALLOWED_BY = st.builds(AllowedBy, certain=SETS, possible=SETS, records=st.integers(1, 9), last=TIMES)
type Part = tuple[Credits, Coverage, list[Talk], list[AllowedBy]]


def evidence(
    name: int, credits_: Credits, coverage: Coverage, talks: list[Talk], allowed_by: list[AllowedBy]
) -> Evidence:
    return Evidence(
        sources=frozenset({f"fl-1-{name}"}),
        credits={"sgr-1": credits_},
        coverage={"fl-1": coverage},
        talks=tuple(talks),
        allowed_by=tuple(allowed_by),
    )


PARTS = st.lists(
    st.tuples(CREDITS, COVERAGE, st.lists(TALKS, max_size=2), st.lists(ALLOWED_BY, max_size=3)), min_size=1, max_size=5
)


def summed(*parts: Evidence) -> Evidence:
    total = EvidenceSum()
    for one in parts:
        total.add(one)
    return total.evidence()


@given(PARTS, st.integers(0, 5), st.randoms(use_true_random=False))
def test_order_and_folding_make_no_difference(given_parts: list[Part], folded: int, random: Random) -> None:
    parts = [evidence(number, *one) for number, one in enumerate(given_parts)]
    expected = summed(*parts)
    random.shuffle(parts)
    fold = decoded(encoded(summed(*parts[:folded])), "folded")
    found = summed(fold, *(decoded(encoded(one), "one") for one in parts[folded:]))
    assert encoded(found) == encoded(expected)


def test_an_object_is_never_added_twice() -> None:
    total = EvidenceSum()
    total.add(Evidence(sources=frozenset({"fl-1-a"})))
    with pytest.raises(ValueError, match="fl-1-a"):
        total.add(Evidence(sources=frozenset({"fl-1-a", "fl-1-b"})))


def test_scanners_by_the_thousand_become_blocks_that_hold_them_all() -> None:
    peers = [ip_network(f"{one % 223 + 1}.{one // 223 % 256}.7.{one % 250}") for one in range(3 * MOST_PEERS)]
    found = summed(
        *(
            Evidence(
                sources=frozenset({f"fl-1-{start}"}),
                credits={
                    "sgr-1": Credits(
                        knocks=Seen(
                            records=1,
                            first=0.0,
                            last=1.0,
                            peers=frozenset(peers[start:end]),
                            ports=frozenset({(22, 22)}),
                        )
                    )
                },
            )
            for start, end in pairwise(range(0, 3 * MOST_PEERS + 1, MOST_PEERS))
        )
    )
    knocks = found.credits["sgr-1"].knocks
    assert knocks
    assert len(knocks.peers) <= MOST_PEERS
    blocks = {(one.network_address, one.prefixlen) for one in knocks.peers}
    lengths = {one.prefixlen for one in knocks.peers}
    assert all(
        any((peer.supernet(new_prefix=length).network_address, length) in blocks for length in lengths)
        for peer in peers
    )


@pytest.mark.parametrize("body", [b"", b"{}", encoded(Evidence())[:-9]])
def test_what_is_damaged_is_named(body: bytes) -> None:
    with pytest.raises(Unreadable, match="s3://evidence/one"):
        decoded(body, "s3://evidence/one")


def test_rules_that_were_used_when_it_was_not_recorded_which_others_allowed_the_same_are_all_needed() -> None:
    used = Seen(records=2, first=1.0, last=5.0, peers=frozenset(), ports=frozenset())
    now = Evidence(
        credits={
            "sgr-1": Credits(conversations=used),
            "sgr-2": Credits(possible=used),
            "sgr-3": Credits(knocks=used),
        }
    )
    before = json.loads(gzip.decompress(encoded(now)))
    del before["allowed_by"]
    (found,) = decoded(gzip.compress(json.dumps(before).encode()), "one").allowed_by
    assert found == AllowedBy(certain=frozenset(), possible=frozenset({"sgr-1", "sgr-2"}), records=4, last=5.0)


def test_what_a_newer_version_wrote_is_not_guessed() -> None:
    with pytest.raises(NewerSchema):
        decoded(gzip.compress(b'{"schema":2}'), "s3://evidence/one")
