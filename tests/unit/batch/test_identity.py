"""Which file an object version is, and the order of sequencers."""

import string

from hypothesis import given
from hypothesis import strategies as st

from berthmaster.batch.plan.identity import (
    KEY_DIGITS,
    SHARDS,
    file_id,
    is_newer,
    key_id,
    own_version_id,
    shard_of,
    started_by,
)

OBJECTS = st.tuples(
    st.sampled_from(["incoming", "incoming2"]),
    st.text(min_size=1, max_size=8),
    st.sampled_from(["", "v1", "v2"]),
    st.sampled_from(["e1", "e2"]),
    st.sampled_from(["", "0A", "0B"]),
)
SEQUENCERS = st.text(string.hexdigits, min_size=1, max_size=6)


def id_of(one: tuple[str, str, str, str, str]) -> str:
    bucket, key, version_id, etag, sequencer = one
    return file_id(bucket, key, version_id=version_id, etag=etag, sequencer=sequencer)


@given(OBJECTS, OBJECTS)
def test_two_files_have_one_id_only_if_they_are_one_version_of_one_key(
    one: tuple[str, str, str, str, str], other: tuple[str, str, str, str, str]
) -> None:
    # Where there is a version id, nothing else tells versions apart.
    named = [(*given[:3], *(() if given[2] else given[3:])) for given in (one, other)]
    assert (id_of(one) == id_of(other)) == (named[0] == named[1])


@given(OBJECTS)
def test_all_versions_of_a_key_stand_together(one: tuple[str, str, str, str, str]) -> None:
    identifier = id_of(one)
    assert identifier[:KEY_DIGITS] == key_id(*one[:2])
    assert 0 <= shard_of(identifier) == shard_of(key_id(*one[:2])) < SHARDS
    assert started_by(f"{identifier}-12") == (identifier, 12)
    assert len(f"{identifier}-99999") <= 36


@given(SEQUENCERS, SEQUENCERS, SEQUENCERS)
def test_sequencers_have_one_order(one: str, other: str, third: str) -> None:
    assert not (is_newer(one, other) and is_newer(other, one))
    assert is_newer(one, other) == is_newer(one.lower(), f"{other.upper()}00")
    if is_newer(one, other) and is_newer(other, third):
        assert is_newer(one, third)
    if not is_newer(one, other) and not is_newer(other, one):
        assert is_newer(one, third) == is_newer(other, third)


def test_what_was_written_without_versioning_shares_a_version_id_that_tells_nothing() -> None:
    assert [own_version_id(one) for one in ("null", "", "3HL4")] == ["", "", "3HL4"]
