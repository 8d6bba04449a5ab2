"""Which pipelines may be in force, alone and beside others."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from berthmaster.batch.model.pipelines import Input, Output, Pipeline
from berthmaster.batch.plan.matching import matches
from berthmaster.batch.plan.pipelines import conflicts_of, problems_of
from tests.support.batch.pipelines import a_pipeline

FOLDERS = st.lists(st.sampled_from(["a/", "b/", "ab/"]), max_size=2).map("".join)
PLACES = st.tuples(st.sampled_from(["one", "two"]), FOLDERS)
PATTERNS = st.tuples(PLACES, st.sampled_from(["", ".x", "y.x", ".z"]), PLACES, st.booleans())
NAMES = st.lists(st.sampled_from(["a/", "b/", "y", "out", ".x", ".z", "y.x"]), max_size=3).map("".join)
SETS = st.lists(PATTERNS, min_size=1, max_size=5)


def fields(pipeline: Pipeline, *others: Pipeline) -> list[str]:
    return [one.field for one in [*problems_of(pipeline), *conflicts_of(pipeline, others)]]


def accepted(patterns: list[tuple[tuple[str, str], str, tuple[str, str], bool]]) -> list[Pipeline]:
    """Those of the pipelines that come into force when they are made one after the other."""
    found: list[Pipeline] = []
    for number, ((bucket, prefix), suffix, (to, folder), publish) in enumerate(patterns):
        one = a_pipeline(
            f"p{number}", source=f"{bucket}/{prefix}", suffix=suffix, results=f"{to}/{folder}", publish=publish
        )
        if not problems_of(one) and not conflicts_of(one, found):
            found.append(one)
    return found


def published(pipeline: Pipeline, key: str, path: str) -> str:
    """The stable name of a result."""
    return f"{pipeline.output.prefix}{key.removeprefix(pipeline.input.prefix)}/{path}"


@given(SETS, NAMES, st.data())
def test_no_chain_of_published_results_comes_back(patterns: object, name: str, data: st.DataObject) -> None:
    """Whatever containers call their files, a file and its results pass through each pipeline at most once."""
    pipelines = accepted(patterns)  # type: ignore[arg-type]
    bucket, key = data.draw(st.sampled_from([(one.input.bucket, one.input.prefix) for one in pipelines] or [("x", "")]))
    key += name
    passed: list[str] = []
    while takers := [one for one in pipelines if one.input.bucket == bucket and matches(one.input, key)]:
        [taker] = takers
        assert taker.name not in passed
        passed.append(taker.name)
        path = data.draw(st.sampled_from(["out", "out.x", "a/y.x", "b/.z", "ab/y.x"]))
        bucket, key = taker.output.bucket, published(taker, key, path)


@given(SETS)
def test_two_inputs_never_publish_under_one_name(patterns: object) -> None:
    pipelines = [one for one in accepted(patterns) if one.output.publish]  # type: ignore[arg-type]
    names: dict[tuple[str, str], str] = {}
    for one in pipelines:
        for stem in ("", "a/", "b/", "y", "a/y"):
            key = f"{one.input.prefix}{stem}f{one.input.suffix}"
            where = (one.output.bucket, published(one, key, "out"))
            assert names.setdefault(where, one.name) == one.name


def test_every_order_of_the_same_documents_is_judged_alike() -> None:
    first = a_pipeline("first", source="inbox/a/", results="inbox/b/")
    second = a_pipeline("second", source="inbox/b/", results="inbox/c/")
    third = a_pipeline("third", source="inbox/c/", results="inbox/a/x/")
    assert fields(first, second) == fields(second, first) == []
    assert fields(third, first, second) == fields(first, second, third) == fields(second, third, first)
    assert fields(third, first, second) == ["output.prefix"]


@pytest.mark.parametrize(
    ("pipeline", "field"),
    [
        (a_pipeline("Scans"), "name"),
        (a_pipeline("a/b"), "name"),
        (a_pipeline("a" * 49), "name"),
        (a_pipeline(""), "name"),
        (a_pipeline("-a"), "name"),
        (a_pipeline(source="arn:aws:s3:::incoming/x"), "input.bucket"),
        (a_pipeline(source="inbox/" + "é" * 257), "input.prefix"),
        (a_pipeline(source="inbox/x/.berthmaster/y"), "input.prefix"),
        (a_pipeline(suffix="x/.berthmaster/y"), "input.suffix"),
        (a_pipeline(suffix="x" * 257), "input.suffix"),
        (a_pipeline(results="Results/x/"), "output.bucket"),
        (a_pipeline(results="results/ocr"), "output.prefix"),
        (a_pipeline(results="results/.berthmaster/"), "output.prefix"),
        (a_pipeline(source="inbox/", results="inbox/out/"), "output.prefix"),
        (a_pipeline(source="inbox/a/b/", results="inbox/a/"), "output.prefix"),
        (a_pipeline(source="inbox/", results="inbox/out/", publish=False), "output.prefix"),
    ],
)
def test_a_pipeline_that_is_wrong_by_itself_names_the_field(pipeline: Pipeline, field: str) -> None:
    assert fields(pipeline) == [field]


def test_all_that_is_wrong_is_named_in_the_order_of_the_document() -> None:
    wrong = replace(
        a_pipeline("Scans"), input=Input(bucket="xy", suffix="é" * 200), output=Output(bucket="results", prefix="a")
    )
    assert fields(wrong) == ["name", "input.bucket", "input.suffix", "output.prefix"]


def test_an_object_of_two_pipelines_is_refused_with_the_other_one() -> None:
    problems = conflicts_of(a_pipeline("late", source="incoming/scans/2026/", results="late/"), [a_pipeline()])
    assert [one.field for one in problems] == ["input"]
    assert "the pipeline ocr" in problems[0].problem


def test_results_that_could_have_one_name_are_refused() -> None:
    other = a_pipeline("pages", source="incoming/pages/")
    assert fields(other, a_pipeline()) == ["output.prefix"]
    assert fields(replace(other, input=replace(other.input, suffix=".png")), a_pipeline()) == []
    assert fields(replace(other, output=replace(other.output, publish=False)), a_pipeline()) == []


def test_a_loop_through_others_names_them_all() -> None:
    chain = [a_pipeline(f"p{n}", source=f"inbox/{n}/", results=f"inbox/{n + 1}/") for n in range(3)]
    [problem] = conflicts_of(a_pipeline("last", source="inbox/3/", results="inbox/0/"), chain)
    assert "inputs of p0, then p1, then p2, whose results are inputs of last again" in problem.problem


def test_a_pipeline_does_not_conflict_with_what_was_in_force_under_its_name() -> None:
    assert fields(replace(a_pipeline(), version=2), a_pipeline()) == []
