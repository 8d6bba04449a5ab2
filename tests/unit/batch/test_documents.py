"""Documents are read strictly: what is wrong is named by its path, and whatever the text is, nothing is raised."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from berthmaster.batch.documents import read
from berthmaster.batch.model.pipelines import Contract, Limits, Packing, Parameter, Pipeline, Problem
from berthmaster.batch.model.sizes import Size
from berthmaster.batch.plan.pipelines import problems_of
from simulator.template_contract.application import ROOT
from tests.support.json_values import JSON, changed, paths_of

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LEAST = {"input": {"bucket": "incoming"}, "run": {"cluster": "batch", "taskDefinition": "ocr"}}
SCANS = LEAST | {"input": {"bucket": "incoming", "prefix": "scans/"}}
WHOLE = {
    "input": {"bucket": "incoming", "prefix": "scans/", "suffix": ".tif"},
    "output": {"bucket": "results", "prefix": "ocr/", "publish": False},
    "run": {
        "cluster": "batch",
        "taskDefinition": "ocr:7",
        "container": "ocr",
        "contract": "worker",
        "subnets": ["subnet-1", "subnet-2", "subnet-1"],
        "securityGroups": ["sg-1"],
        "assignPublicIp": True,
        "sizes": [{"cpu": 512, "memory": 1024}],
    },
    "limits": {"tasks": 200, "attempts": 5, "timeoutMinutes": 90, "dollarsPerDay": 20},
    "spot": {"tries": 2},
    "packing": "single",
    "goal": {"finishWithinMinutes": 30},
    "paused": True,
}


def of(document: Any) -> Pipeline | Problem:
    text = document if isinstance(document, str) else json.dumps(document)
    return read(Parameter(pipeline="ocr", text=text, version=3, modified=NOON))


def test_the_documents_in_the_docs_are_valid() -> None:
    text = "".join((ROOT / one).read_text() for one in ("docs/batch-pipelines.md", "README.md"))
    examples = [one for one in re.findall(r"```json\n(.*?)```", text, re.DOTALL) if '"taskDefinition"' in one]
    assert len(examples) == 4
    for one in examples:
        pipeline = of(one)
        assert isinstance(pipeline, Pipeline)
        assert problems_of(pipeline) == []


def test_every_field_is_in_the_docs_with_its_default() -> None:
    rows = dict(
        re.findall(r"^\| `([\w.]+)` \| ([^|]+) \|", (ROOT / "docs/batch-pipelines.md").read_text(), re.MULTILINE)
    )
    assert set(rows) == {
        ".".join(map(str, path)) for path in paths_of(WHOLE) if len(path) == 2 or path in {("packing",), ("paused",)}
    }
    numbers = {field: int(default) for field, default in rows.items() if default.isdigit()}
    assert numbers == {
        "limits.tasks": Limits().tasks,
        "limits.attempts": Limits().attempts,
        "limits.timeoutMinutes": Limits().timeout_minutes,
        "spot.tries": 0,
    }


def test_everything_in_a_document_is_read() -> None:
    pipeline = of(WHOLE)
    assert isinstance(pipeline, Pipeline)
    assert (pipeline.input.prefix, pipeline.input.suffix) == ("scans/", ".tif")
    assert (pipeline.output.prefix, pipeline.output.publish) == ("ocr/", False)
    assert (pipeline.run.task_definition, pipeline.run.family) == ("ocr:7", "ocr")
    assert (pipeline.run.subnets, pipeline.run.assign_public_ip) == (("subnet-1", "subnet-2"), True)
    assert pipeline.limits == Limits(tasks=200, attempts=5, timeout_minutes=90, dollars_per_day=20)
    assert (pipeline.run.contract, pipeline.run.sizes) == (Contract.WORKER, (Size(512, 1024),))
    assert (pipeline.packing, pipeline.goal_minutes) == (Packing.SINGLE, 30)
    assert (pipeline.spot_tries, pipeline.paused, pipeline.version) == (2, True, 3)


def test_the_defaults() -> None:
    pipeline = of(LEAST)
    assert isinstance(pipeline, Pipeline)
    assert (pipeline.output.bucket, pipeline.output.prefix, pipeline.output.publish) == (
        "incoming",
        "results/ocr/",
        True,
    )
    assert (pipeline.limits, pipeline.spot_tries, pipeline.paused) == (Limits(), 0, False)
    assert (pipeline.run.contract, pipeline.run.assign_public_ip) == ("command", True)
    assert (pipeline.packing, pipeline.goal_minutes) == (Packing.SINGLE, 0)


def test_workers_take_many_files_unless_the_document_says_otherwise() -> None:
    pipeline = of({**SCANS, "run": {**LEAST["run"], "contract": "worker"}})
    assert isinstance(pipeline, Pipeline)
    assert (pipeline.has_workers, pipeline.packing) == (True, Packing.AUTO)
    assert problems_of(pipeline) == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"packing": "auto"}, "packing"),
        ({"goal": {"finishWithinMinutes": 30}}, "goal"),
        ({"run": {**LEAST["run"], "sizes": [{"cpu": 256, "memory": 512}]}}, "run.sizes"),
        ({"run": {**LEAST["run"], "contract": "worker", "sizes": [{"cpu": 256, "memory": 4096}]}}, "run.sizes[0]"),
    ],
)
def test_what_only_workers_have_is_refused_without_them(changes: dict[str, Any], field: str) -> None:
    pipeline = of({**SCANS, **changes})
    assert isinstance(pipeline, Pipeline)
    assert [one.field for one in problems_of(pipeline)] == [field]


def test_tasks_in_subnets_that_are_named_get_no_public_address_by_default() -> None:
    pipeline = of(changed(LEAST, ("run",), {**LEAST["run"], "subnets": ["subnet-1"]}))
    assert isinstance(pipeline, Pipeline)
    assert not pipeline.run.assign_public_ip


@pytest.mark.parametrize(
    ("path", "value", "field", "problem"),
    [
        (("input", "bucket"), 7, "input.bucket", "must be a string, and is an integer"),
        (("input", "bucket"), "", "input.bucket", "must be a string of length >= 1"),
        (("input",), {}, "input.bucket", "is missing, and has no default"),
        (("run",), {"cluster": "batch"}, "run.taskDefinition", "is missing, and has no default"),
        (("run", "subnets"), [], "run.subnets", "must be a list of length >= 1"),
        (("run", "subnets"), ["a", 7], "run.subnets[1]", "must be a string, and is an integer"),
        (("run", "contract"), "workers", "run.contract", "must be command or worker"),
        (("packing",), "many", "packing", "must be auto or single"),
        (("goal",), {}, "goal.finishWithinMinutes", "is missing, and has no default"),
        (("limits", "dollarsPerDay"), -1, "limits.dollarsPerDay", "must be a number >= 0.0"),
        (("limits", "tasks"), 0, "limits.tasks", "must be an integer >= 1"),
        (("limits", "attempts"), 11, "limits.attempts", "must be an integer <= 10"),
        (("spot", "tries"), -1, "spot.tries", "must be an integer >= 0"),
        (("paused",), "no", "paused", "must be true or false, and is a string"),
        (
            ("limits",),
            {"task": 5},
            "limits.task",
            "is not known: the fields here are tasks, attempts, timeoutMinutes, dollarsPerDay",
        ),
    ],
)
def test_a_wrong_field_is_named_with_what_it_must_be(path: Any, value: Any, field: str, problem: str) -> None:
    assert of(changed(WHOLE, path, value)) == Problem(field, problem)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', '{"a":' * 10_000, "\ud800", "{}\x00"])
def test_what_is_no_document_at_all_is_said(text: str) -> None:
    problem = of(text)
    assert isinstance(problem, Problem)
    assert problem.field


@given(st.sampled_from(paths_of(WHOLE)), JSON)
def test_whatever_one_field_is_the_answer_is_a_pipeline_or_the_field(path: Any, value: Any) -> None:
    found = of(changed(WHOLE, path, value))
    if isinstance(found, Pipeline):
        assert all(problem.field for problem in problems_of(found))
    elif path:
        names = [str(one) for one in path if isinstance(one, str)]
        assert found.field.startswith(names[0])
        assert found.problem


@given(st.text())
def test_no_text_raises(text: str) -> None:
    of(text)
