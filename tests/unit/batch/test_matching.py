"""Which pipeline an object belongs to, and whether two pipelines would share one."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from berthmaster.batch.model.pipelines import Input
from berthmaster.batch.plan.matching import is_own, matches, overlap, pipeline_of
from tests.support.batch.pipelines import a_pipeline

PIECES = st.sampled_from(["", "a", "b", "ab", "ba", "/", ".berth", "master/", ".berthmaster/", "é", "e\u0301", "😀"])
TEXTS = st.lists(PIECES, max_size=4).map("".join)
PATTERNS = st.builds(lambda prefix, suffix: Input(bucket="in", prefix=prefix, suffix=suffix), TEXTS, TEXTS).filter(
    lambda one: not is_own(one.prefix) and "/.berthmaster/" not in one.suffix
)


@given(PATTERNS, PATTERNS)
def test_two_inputs_overlap_if_some_key_matches_both(one: Input, other: Input) -> None:
    prefix = max(one.prefix, other.prefix, key=len)
    suffix = max(one.suffix, other.suffix, key=len)
    key = f"{prefix}-{suffix}"
    assert overlap(one, other) == (matches(one, key) and matches(other, key))


@given(PATTERNS, PATTERNS, TEXTS)
@example(Input(bucket="in", prefix="ab", suffix=""), Input(bucket="in", prefix="", suffix="ab"), "ab")
def test_no_key_matches_two_inputs_that_do_not_overlap(one: Input, other: Input, text: str) -> None:
    for key in (text, one.prefix + text + one.suffix, other.prefix + text + other.suffix):
        if matches(one, key) and matches(other, key):
            assert overlap(one, other)


def test_inputs_in_two_buckets_never_overlap() -> None:
    assert not overlap(Input(bucket="one"), Input(bucket="other"))


@pytest.mark.parametrize(
    "key",
    ["scans/a+b.tif", "scans/a b.tif", "scans/a%20b.tif", "scans/😀.tif", "scans/\n.tif", "scans/../x.tif"],
)
def test_keys_are_compared_as_they_are(key: str) -> None:
    assert pipeline_of("incoming", key, [a_pipeline()]) == a_pipeline()


def test_letters_that_only_look_alike_are_different_keys() -> None:
    assert not matches(Input(bucket="in", prefix="\u00e9/"), "e\u0301/x")
    assert not matches(Input(bucket="in", prefix="%20/"), " /x")


@given(TEXTS, TEXTS)
def test_attempts_and_manifests_never_match(before: str, after: str) -> None:
    folder = f"{before}/" if before and not before.endswith("/") else before
    everything = Input(bucket="in")
    assert not matches(everything, f"{folder}.berthmaster/{after}")
    assert matches(everything, "a.berthmaster/x")


def test_another_bucket_or_key_belongs_to_no_pipeline() -> None:
    assert pipeline_of("elsewhere", "scans/a.tif", [a_pipeline()]) is None
    assert pipeline_of("incoming", "scan/a.tif", [a_pipeline()]) is None
    assert pipeline_of("incoming", "scans/a.TIF", [a_pipeline()]) is None
