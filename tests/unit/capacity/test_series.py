"""Samples of subnets in columns: added, merged, cut, summed, and packed into an item."""

import os
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from berthmaster.capacity.ledger.history import SUBNETS_PER_ITEM
from berthmaster.capacity.ledger.sample_codec import FORMAT, decode, encode
from berthmaster.capacity.ledger.series import GAP, UsageHistory
from berthmaster.items import NewerSchema

SAMPLES = st.none() | st.sampled_from([0, 1, GAP - 1]) | st.integers(0, GAP - 1)
SUBNETS = st.sampled_from(["subnet-a", "subnet-b", "subnet-c", "subnet-0a1b2c3d4e5f60718"])


@st.composite
def histories(draw: st.DrawFn, *, least: int = 0, first: int = 29_000_000) -> UsageHistory:
    offsets = draw(st.lists(st.integers(0, 59), min_size=least, max_size=12, unique=True))
    history = UsageHistory()
    for offset in sorted(offsets):
        history.add(first + offset, draw(st.dictionaries(SUBNETS, st.tuples(SAMPLES, SAMPLES), max_size=4)))
    return history


def samples_of(history: UsageHistory) -> dict[tuple[str, str, int], int]:
    return {
        (name, subnet, minute): value
        for name, columns in (("used", history.used), ("blocked", history.blocked))
        for subnet, column in columns.items()
        for minute, value in zip(history.minutes, column, strict=True)
        if value != GAP
    }


def test_the_samples_of_a_subnet_come_without_gaps() -> None:
    history = UsageHistory()
    history.add(10, {"subnet-a": (7, 1)})
    history.add(15, {"subnet-a": (None, None)})
    history.add(20, {"subnet-a": (0, 0)})

    assert history.addresses(["subnet-a"]) == [(10, 7), (20, 0)]
    assert history.prefixes(["subnet-a"]) == [(10, 1), (20, 0)]


def test_an_unknown_subnet_has_no_samples() -> None:
    assert UsageHistory().addresses(["subnet-a"]) == []


def test_a_member_of_a_group_counts_from_its_first_sample_on() -> None:
    history = UsageHistory()
    history.add(10, {"old": (100, 4)})
    history.add(15, {"old": (101, 4), "new": (3, 0)})
    history.add(20, {"old": (102, 5), "new": (6, 1)})

    assert history.addresses(["old", "new"]) == [(10, 100), (15, 104), (20, 108)]
    assert history.prefixes(["old", "new"]) == [(10, 4), (15, 4), (20, 6)]


def test_a_missing_sample_of_one_member_is_a_gap_in_the_sum() -> None:
    history = UsageHistory()
    history.add(10, {"old": (100, 4), "new": (1, 0)})
    history.add(15, {"old": (101, 4)})
    history.add(20, {"old": (102, 4), "new": (2, 0)})

    assert history.addresses(["old", "new"]) == [(10, 101), (20, 104)]
    assert history.addresses(["old"]) == [(10, 100), (15, 101), (20, 102)]


def test_a_sum_begins_with_the_first_sample_of_any_member() -> None:
    history = UsageHistory()
    history.add(10, {"other": (5, 5)})
    history.add(15, {"old": (7, 0), "new": (1, 0)})

    assert history.addresses(["old", "new"]) == [(15, 8)]


@given(histories(), histories(first=29_000_030))
def test_merging_keeps_every_sample_and_prefers_those_of_the_other(mine: UsageHistory, theirs: UsageHistory) -> None:
    expected = samples_of(mine) | samples_of(theirs)

    mine.merge(theirs)

    assert samples_of(mine) == expected
    assert mine.minutes == sorted(set(mine.minutes))
    assert {len(column) for columns in (mine.used, mine.blocked) for column in columns.values()} <= {len(mine.minutes)}


@given(histories(least=1), st.integers(0, 60), st.integers(0, 60))
def test_between_returns_the_samples_of_those_minutes(history: UsageHistory, start: int, length: int) -> None:
    first = 29_000_000 + start
    expected = {key: value for key, value in samples_of(history).items() if first <= key[2] < first + length}

    assert samples_of(history.between(first, first + length)) == expected


@given(histories())
def test_a_sum_needs_a_sample_of_every_member(history: UsageHistory) -> None:
    group = sorted(history.used)
    began = {
        subnet: min(minute for kind, of, minute in samples_of(history) if (kind, of) == ("used", subnet))
        for subnet in group
        if any(value != GAP for value in history.used[subnet])
    }
    samples = samples_of(history)
    expected = []
    for minute in history.minutes:
        members = [subnet for subnet in began if began[subnet] <= minute]
        if members and all(("used", subnet, minute) in samples for subnet in members):
            expected.append((minute, sum(samples["used", subnet, minute] for subnet in members)))

    assert history.addresses(group) == expected


@given(histories(least=1))
def test_packing_preserves_samples_gaps_and_zeros(history: UsageHistory) -> None:
    back = decode(encode(history))

    assert back == history


@given(histories(least=1), st.data())
def test_a_damaged_item_never_becomes_wrong_samples(history: UsageHistory, data: st.DataObject) -> None:
    packed = bytearray(encode(history))
    place = data.draw(st.integers(0, len(packed) - 1))
    packed[place] ^= data.draw(st.integers(1, 255))

    try:
        read = decode(bytes(packed))
    except (ValueError, NewerSchema):
        return
    assert read == history


def test_a_newer_format_is_not_taken_for_damage() -> None:
    with pytest.raises(NewerSchema, match="deploy the version that wrote it"):
        decode(bytes((FORMAT + 1,)))


@pytest.mark.parametrize("packed", [b"", b"\x00", bytes((FORMAT,)), b"\x01not zlib"])
def test_what_is_not_a_packed_hour_is_refused(packed: bytes) -> None:
    with pytest.raises(ValueError, match=r"is damaged|has format"):
        decode(packed)


def test_a_truncated_item_is_refused() -> None:
    packed = encode(UsageHistory([1, 2], {"subnet-a": array("H", [1, 2])}, {"subnet-a": array("H", [0, GAP])}))

    with pytest.raises(ValueError, match="is damaged"):
        decode(packed[:-3])


def test_an_hour_of_as_many_subnets_as_an_item_holds_is_well_below_the_limit_of_dynamodb() -> None:
    hour = UsageHistory(list(range(29_000_000, 29_000_060, 5)))
    for _ in range(SUBNETS_PER_ITEM):
        subnet = f"subnet-0{os.urandom(8).hex()}"
        hour.used[subnet] = array("H", os.urandom(24))
        hour.blocked[subnet] = array("H", os.urandom(24))

    assert len(encode(hour)) < 300_000
