"""Whether a pipeline can be in force: by itself, and beside the others.

What AWS has to say about it is checked in `observe.pipeline_checks`.
"""

import re
from collections.abc import Collection, Iterable, Iterator

from berthmaster.batch.model.pipelines import OWN_FOLDER, Input, Output, Packing, Pipeline, Problem
from berthmaster.batch.plan.matching import is_own, overlap, related_prefixes, related_suffixes
from berthmaster.batch.plan.sizes import SIZES

LONGEST_PREFIX = 512
LONGEST_SUFFIX = 256
"""Bytes, of 1,024 that a key may have: results need the input's name and a folder of their own below the prefix."""
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,47}", re.ASCII)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)


def name_problem(name: str) -> Problem | None:
    """What is wrong with the name of a pipeline: the group and the tags of its tasks hold it."""
    if _NAME.fullmatch(name):
        return None
    return Problem("name", f"{name!r} must be 1 to 48 lower case letters, digits and dashes, and not begin with a dash")


def problems_of(pipeline: Pipeline) -> list[Problem]:
    """What is wrong with a pipeline by itself, in the order of the document."""
    return [
        *_name(pipeline.name),
        *_input(pipeline.input),
        *_output(pipeline.output),
        *_run(pipeline),
        *_loop(pipeline),
    ]


def conflicts_of(pipeline: Pipeline, others: Iterable[Pipeline]) -> list[Problem]:
    """What is wrong with a pipeline beside others that are in force; one of its own name is not counted."""
    beside = sorted((one for one in others if one.name != pipeline.name), key=lambda one: one.name)
    return [*_shared_inputs(pipeline, beside), *_shared_names(pipeline, beside), *_longer_loops(pipeline, beside)]


def feeds(output: Output, source: Input) -> bool:
    """Whether some result could be an input, by its key.

    A result has any name below the output prefix. Whether it is published does not count: that is one word in the
    document, and attempts are only kept apart by the name of their folder.
    """
    return output.bucket == source.bucket and related_prefixes(output.prefix, source.prefix)


def _name(name: str) -> Iterator[Problem]:
    problem = name_problem(name)
    if problem:
        yield problem


def _input(source: Input) -> Iterator[Problem]:
    yield from _bucket("input.bucket", source.bucket)
    yield from _length("input.prefix", source.prefix, LONGEST_PREFIX)
    yield from _length("input.suffix", source.suffix, LONGEST_SUFFIX)
    if is_own(source.prefix):
        yield Problem("input.prefix", f"must not contain the folder {OWN_FOLDER}, which holds attempts and manifests")
    if f"/{OWN_FOLDER}" in source.suffix:
        yield Problem("input.suffix", f"must not contain the folder {OWN_FOLDER}, which holds attempts and manifests")


def _output(output: Output) -> Iterator[Problem]:
    yield from _bucket("output.bucket", output.bucket)
    yield from _length("output.prefix", output.prefix, LONGEST_PREFIX)
    if output.prefix and not output.prefix.endswith("/"):
        yield Problem("output.prefix", f"{output.prefix!r} must end with a slash, or be empty")
    if is_own(output.prefix):
        yield Problem("output.prefix", f"must not contain the folder {OWN_FOLDER}, which holds attempts and manifests")


def _run(pipeline: Pipeline) -> Iterator[Problem]:
    for number, size in enumerate(pipeline.run.sizes):
        if size not in SIZES:
            yield Problem(
                f"run.sizes[{number}]", f"must be a size of Fargate, and is {size.cpu} CPU units and {size.memory} MiB"
            )
    if pipeline.has_workers:
        return
    if pipeline.run.sizes:
        yield Problem(
            "run.sizes", "needs the contract worker: a task of the contract command has the size of its definition"
        )
    if pipeline.packing is Packing.AUTO:
        yield Problem(
            "packing", "may be auto only with the contract worker: a task of the contract command takes one file"
        )
    if pipeline.goal_minutes:
        yield Problem("goal", "needs the contract worker: each file of the contract command has its own task at once")


def _bucket(field: str, bucket: str) -> Iterator[Problem]:
    if not _BUCKET.fullmatch(bucket):
        yield Problem(field, f"{bucket!r} must be the name of a bucket: no ARN, no path, no capital letters")


def _length(field: str, text: str, limit: int) -> Iterator[Problem]:
    if len(text.encode()) > limit:
        yield Problem(field, f"must have at most {limit} bytes in UTF-8, and has {len(text.encode())}")


def _loop(pipeline: Pipeline) -> Iterator[Problem]:
    if feeds(pipeline.output, pipeline.input):
        yield Problem(
            "output.prefix",
            f"{_place(pipeline.output)} and the input, {_place(pipeline.input)}, must not contain one another: each "
            "result would be processed again. Give another prefix or another bucket",
        )


def _shared_inputs(pipeline: Pipeline, others: Collection[Pipeline]) -> Iterator[Problem]:
    for other in others:
        if overlap(pipeline.input, other.input):
            yield Problem(
                "input",
                f"must match no object that the pipeline {other.name} matches too, such as "
                f"{_example(pipeline.input, other.input)}",
            )


def _shared_names(pipeline: Pipeline, others: Collection[Pipeline]) -> Iterator[Problem]:
    """Published results are named after their inputs, and may have the same names if those may end alike."""
    for other in others:
        both_publish = pipeline.output.publish and other.output.publish
        same_ending = related_suffixes(pipeline.input.suffix, other.input.suffix)
        if both_publish and same_ending and _one_place(pipeline.output, other.output):
            yield Problem(
                "output.prefix",
                f"{_place(pipeline.output)} must not contain, or be in, that of the pipeline {other.name}, "
                f"{_place(other.output)}: results of both could have one name",
            )


def _longer_loops(pipeline: Pipeline, others: Collection[Pipeline]) -> Iterator[Problem]:
    """A way from the output through other pipelines to the input, the shortest one."""
    ways = [[one] for one in others if feeds(pipeline.output, one.input)]
    reached = {way[-1].name for way in ways}
    for way in ways:
        if feeds(way[-1].output, pipeline.input):
            names = ", then ".join(one.name for one in way)
            yield Problem(
                "output.prefix",
                f"{_place(pipeline.output)} must not lead back to the pipeline's own input: its results are inputs of "
                f"{names}, whose results are inputs of {pipeline.name} again",
            )
            return
        for one in others:
            if one.name not in reached and feeds(way[-1].output, one.input):
                reached.add(one.name)
                ways.append([*way, one])


def _one_place(one: Output, other: Output) -> bool:
    return one.bucket == other.bucket and related_prefixes(one.prefix, other.prefix)


def _example(one: Input, other: Input) -> str:
    """A key that matches both."""
    prefix, suffix = max(one.prefix, other.prefix, key=len), max(one.suffix, other.suffix, key=len)
    return f"s3://{one.bucket}/{prefix}example{suffix}"


def _place(place: Input | Output) -> str:
    return f"s3://{place.bucket}/{place.prefix}"
