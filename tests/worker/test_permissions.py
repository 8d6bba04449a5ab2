"""What docs/batch.md grants the role of a worker's tasks: all that a worker calls, and no more."""

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from simulator.aws.ecs.programs import Terminated
from simulator.calls import Call
from simulator.faults import Outage
from simulator.workload.workers import Job
from tests.support.batch.worker_scene import a_worker_scene

DOCUMENT = Path(__file__).parents[2] / "docs" / "batch.md"
TABLE = "arn:aws:dynamodb:eu-central-1:123456789012:table/berthmaster-BatchTable-EXAMPLE"
QUEUE = "arn:aws:sqs:eu-central-1:123456789012:berthmaster-BatchResultQueue-EXAMPLE"
PARTS = {"CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"}
MULTIPART = 17 * 1024 * 1024
WORDS = {"SET", "AND", "BETWEEN", "if_not_exists", "attribute_not_exists"}
NAME = re.compile(r"(?<![\w:#])#?[A-Za-z_]\w*")

type Statement = dict[str, Any]


def statements() -> list[Statement]:
    """The policy, as the documentation has it."""
    section = DOCUMENT.read_text().split("## The contract `worker`")[1].split("\n## ")[0]
    found: list[Statement] = json.loads(section.split("```json")[1].split("```")[0])["Statement"]
    return found


def permitting(call: Call) -> list[str]:
    """The statements that permit a call."""
    return [one["Sid"] for one in statements() if _permits(one, call)]


def _permits(statement: Statement, call: Call) -> bool:
    action, resource, context = _request(call)
    return (
        any(fnmatchcase(action, one) for one in _list(statement["Action"]))
        and any(fnmatchcase(resource, one) for one in _list(statement["Resource"]))
        and all(
            _holds(operator, values, context.get(key))
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        )
    )


def _holds(operator: str, allowed: str | list[str], found: list[str] | None) -> bool:
    if found is None:
        return operator.startswith("ForAllValues:") or operator.endswith("IfExists")
    match = fnmatchcase if "Like" in operator else str.__eq__
    return all(any(match(one, pattern) for pattern in _list(allowed)) for one in found)


def _request(call: Call) -> tuple[str, str, dict[str, list[str]]]:
    """Action, resource and context of a call, as IAM sees it."""
    params = call.params
    if call.service == "s3":
        operation = "PutObject" if call.operation in PARTS else call.operation
        version = "Version" if operation == "GetObject" and "VersionId" in params else ""
        return f"s3:{operation}{version}", f"arn:aws:s3:::{params['Bucket']}/{params['Key']}", {}
    if call.service == "sqs":
        return "sqs:SendMessage", QUEUE, {}
    index = f"/index/{params['IndexName']}" if "IndexName" in params else ""
    key = params["Key"]["pk"] if "Key" in params else params["ExpressionAttributeValues"][":pk"]
    context = {"dynamodb:LeadingKeys": [key["S"]], "dynamodb:Attributes": sorted(_attributes(params))}
    if "ReturnValues" in params:
        context["dynamodb:ReturnValues"] = [params["ReturnValues"]]
    return call.name, f"{TABLE}{index}", context


def _attributes(params: Any) -> set[str]:
    """The attributes that a request names, in its key or in its expressions."""
    expressions = " ".join(value for name, value in params.items() if name.endswith("Expression"))
    names = params.get("ExpressionAttributeNames", {})
    return {*params.get("Key", {}), *(names.get(one, one) for one in NAME.findall(expressions) if one not in WORDS)}


def _list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def calls() -> Iterator[Call]:
    """All that workers call, in scenes in which they call everything."""

    def work(job: Job) -> int:
        if job.data == b"large":
            job.write("large", b"x" * MULTIPART)
        try:
            job.sleep(20)
        except Terminated:
            (job.checkpoint / "step").write_text("1")
            return 1
        return 0

    with a_worker_scene() as scene:
        failing = Outage("s3:UploadPart", scene.cloud.clock.timestamp() + 120, of_programs=True)
        scene.cloud.faults.begin_outage(failing)
        large = scene.ledger.put("scans/large.tif", b"large")
        scene.start(work, with_checkpoints=True)
        scene.run(150)
        scene.ledger.hand_back(large)
        scene.start(work, name="w2", with_checkpoints=True)
        scene.run(150)
        long = scene.ledger.put("scans/a.tif", b"x")
        task = scene.start(work, name="w3", with_checkpoints=True)
        scene.run(30)
        scene.stop(task)
        scene.run(60)
        scene.ledger.hand_back(long)
        scene.start(work, name="w4", with_checkpoints=True)
        scene.run(150)
        # Uploaded in the second attempt, and gone on with in the second one.
        assert set(scene.ledger.objects()) == {f"{large}/2/large", f"{long}/1/.checkpoint"}
        yield from (call for call in scene.cloud.calls if call.is_by_program)


@pytest.fixture(scope="module")
def made() -> list[Call]:
    return list(calls())


def test_each_call_of_a_worker_is_granted(made: list[Call]) -> None:
    assert {(call.name, str(call.params)[:300]) for call in made if not permitting(call)} == set()


def test_each_statement_is_needed(made: list[Call]) -> None:
    used = {(sid, _request(call)[0]) for call in made for sid in permitting(call)}
    granted = {
        (one["Sid"], action)
        for one in statements()
        if one["Sid"] != "EncryptedTable"
        for action in _list(one["Action"])
    }
    assert granted - used == {("ReadInputs", "s3:GetObject")}  # of buckets without versioning


FILE = {"pk": {"S": "file ocr 3"}, "sk": {"S": "x"}}


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("GetItem", {"Key": {"pk": {"S": "file mail 3"}, "sk": {"S": "x"}}}),
        ("GetItem", {"Key": {"pk": {"S": "money"}, "sk": {"S": "ocr 2026-11-27"}}}),
        ("GetItem", {"Key": {"pk": {"S": "task workers"}, "sk": {"S": "ocr w1"}}}),
        ("GetItem", {"Key": {"pk": {"S": "file ocr-two 3"}, "sk": {"S": "x"}}}),
        ("PutItem", {"Key": FILE}),
        ("DeleteItem", {"Key": FILE}),
        ("UpdateItem", {"Key": FILE, "UpdateExpression": "SET body = :body"}),
        ("UpdateItem", {"Key": FILE, "UpdateExpression": "SET #b = :b", "ExpressionAttributeNames": {"#b": "body"}}),
        ("UpdateItem", {"Key": FILE, "UpdateExpression": "SET claim = :claim", "ReturnValues": "ALL_NEW"}),
        (
            "UpdateItem",
            {"Key": {"pk": {"S": "worker ocr"}, "sk": {"S": "control"}}, "UpdateExpression": "SET claims = :yes"},
        ),
    ],
)
def test_what_is_not_the_workers_is_out_of_its_reach(operation: str, params: dict[str, Any]) -> None:
    assert permitting(Call(1, "workload", "1", "dynamodb", operation, params, 0.0)) == []


def test_manifests_are_out_of_its_reach() -> None:
    params = {"Bucket": "results", "Key": "ocr/.berthmaster/manifests/x.json"}
    assert permitting(Call(1, "workload", "1", "s3", "PutObject", params, 0.0)) == []
