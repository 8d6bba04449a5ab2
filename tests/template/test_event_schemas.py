"""Every event and every request is documented by a schema in docs/events, and nothing else is."""

import ast
import json
import re
from collections.abc import Iterator
from copy import deepcopy
from functools import partial
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from berthmaster import envelope, notices
from berthmaster.batch import control_triggers
from berthmaster.batch import triggers as batch
from berthmaster.capacity import triggers as capacity
from berthmaster.envelope import OPERATOR_SOURCE, SOURCE
from berthmaster.errors import InvalidEvent
from berthmaster.security_groups import change_triggers, report_triggers, restore_commands
from berthmaster.security_groups import triggers as security_groups
from berthmaster.targets import triggers as targets
from docs.generate.events import FOLDER, OUTCOMES, file_name, schemas
from simulator.template_contract.application import ROOT, named, of_type
from tests.support.event_schemas import validators
from tests.template.events import QUEUED, event_in

SCHEMAS = schemas()
PARSERS = {
    "batch": control_triggers.PARSERS,
    "capacity": capacity.PARSERS,
    "security_groups": report_triggers.PARSERS | change_triggers.PARSERS,
    "targets": targets.PARSERS,
}
PARSE = {automation: partial(envelope.parse, parsers=parsers) for automation, parsers in PARSERS.items()}
OF_ALL = "all"
SAMPLES = [name for name in QUEUED if event_in(name)["source"] in {SOURCE, OPERATOR_SOURCE}]
OWN_QUEUE_COMMANDS = {
    control_triggers.BACKFILL_FILES,
    capacity.RESUME,
    capacity.RESUME_WIRING,
    targets.CHECK_TARGETS,
    control_triggers.CHANGE_FILES,
    control_triggers.CHECK_PIPELINES,
    control_triggers.REPORT_UNFINISHED,
    batch.DISPATCH_FILES,
    batch.COMMIT_FILE,
    batch.RELEASE_CLAIMS,
    report_triggers.FIND_OBJECTS,
    report_triggers.WRITE_REPORT,
    change_triggers.CHANGE_GROUP,
    change_triggers.PLAN_REMOVALS,
    restore_commands.RESTORE_RULES,
    restore_commands.PROPOSE_RESTORE,
    security_groups.READ_FLOW_LOG,
}


def sent_by(source: str) -> dict[str, dict[str, Any]]:
    """The schemas of the events with a source, by detail type."""
    return {title: schema for title, schema in SCHEMAS.items() if schema["x-source"] == source}


def outcomes_in_code() -> set[str]:
    """The detail types that the code makes a Notice with: regular expressions, since some are put together."""
    return {
        detail_type
        for path in (ROOT / "layers/core/berthmaster").rglob("*.py")
        for detail_type in _detail_types(ast.parse(path.read_text()))
    }


def _detail_types(module: ast.Module) -> Iterator[str]:
    tables = {
        target.id: node.value
        for node in module.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == notices.Notice.__name__:
            yield from _strings(node.args[0], tables)


def _strings(expression: ast.expr, tables: dict[str, ast.expr]) -> Iterator[str]:
    match expression:
        case ast.Constant(value=str(text)):
            yield re.escape(text)
        case ast.IfExp(body=body, orelse=orelse):
            yield from (*_strings(body, tables), *_strings(orelse, tables))
        case ast.Subscript(value=ast.Name(id=name)) if isinstance(table := tables[name], ast.Dict):
            for value in table.values:
                yield from _strings(value, tables)
        case ast.JoinedStr(values=parts):
            yield "".join(re.escape(part.value) if isinstance(part, ast.Constant) else "[A-Z][a-z]+" for part in parts)
        case other:
            pytest.fail(f"what detail type is {ast.unparse(other)}?")


def rule_detail_types() -> set[str]:
    """The detail types in the rules on Berthmaster's bus."""

    def found(pattern: Any) -> Iterator[str]:
        for key, value in pattern.items():
            if key == "detail-type":
                for one in value:
                    yield from one["anything-but"] if isinstance(one, dict) else [one]
            elif key == "$or":
                for branch in value:
                    yield from found(branch)

    rules = [rule for rule in of_type("AWS::Events::Rule").values() if "EventBusName" in rule]
    assert {named(rule["EventBusName"]) for rule in rules} == {"Bus"}
    return {detail_type for rule in rules for detail_type in found(rule["EventPattern"])}


def automations_of(schema: dict[str, Any]) -> list[str]:
    return list(PARSERS) if schema["x-automation"] == OF_ALL else [schema["x-automation"]]


def parse(detail_type: str, detail: Any, automation: str) -> Any:
    event = {"source": OPERATOR_SOURCE, "detail-type": detail_type, "time": "2026-11-22T12:00:00Z", "detail": detail}
    return PARSE[automation](json.dumps(event))


def addressee(detail_type: str, detail: dict[str, Any]) -> str:
    """The automation that a request is for."""
    schema = SCHEMAS[detail_type]
    if schema["x-automation"] != OF_ALL:
        return str(schema["x-automation"])
    return str(detail.get("automation") or detail["proposal"].partition(".")[0])


REQUEST_EXAMPLES = [
    pytest.param(title, example, id=f"{title} {number}")
    for title, schema in sent_by(OPERATOR_SOURCE).items()
    for number, example in enumerate(schema["examples"])
]


# The set of schemas


def test_every_request_is_documented_and_nothing_else_is() -> None:
    understood = {
        (detail_type, automation)
        for automation, parsers in PARSERS.items()
        for source, detail_type in parsers
        if source == OPERATOR_SOURCE
    }
    documented = {
        (title, automation)
        for title, schema in sent_by(OPERATOR_SOURCE).items()
        for automation in automations_of(schema)
    }
    assert documented == understood


def test_every_outcome_is_documented_and_nothing_else_is() -> None:
    documented = sent_by(SOURCE)
    in_code = outcomes_in_code()
    assert [one for one in in_code if not any(re.fullmatch(one, title) for title in documented)] == []
    assert [title for title in documented if not any(re.fullmatch(one, title) for one in in_code)] == []


def test_the_rules_on_the_bus_name_documented_events_only() -> None:
    assert rule_detail_types() <= set(SCHEMAS)
    assert rule_detail_types() >= set(sent_by(OPERATOR_SOURCE))


def test_commands_to_an_own_queue_are_not_documented() -> None:
    assert OWN_QUEUE_COMMANDS.isdisjoint(SCHEMAS)


# Each schema


@pytest.mark.parametrize("title", SCHEMAS)
def test_a_schema_is_valid_and_so_are_its_examples(title: str) -> None:
    schema = SCHEMAS[title]
    assert (FOLDER / file_name(title)).exists()
    Draft202012Validator.check_schema(schema)
    assert schema["x-source"] in {SOURCE, OPERATOR_SOURCE}
    assert schema["x-automation"] in {*OUTCOMES, OF_ALL}
    for example in schema["examples"]:
        validators()[title].validate(example)


@pytest.mark.parametrize("title", SCHEMAS)
def test_a_schema_describes_every_field_and_allows_no_other(title: str) -> None:
    objects = [SCHEMAS[title]]
    for one in objects:
        assert one["additionalProperties"] is False
        assert set(one["required"]) <= set(one["properties"])
        assert [name for name, field in one["properties"].items() if not field.get("description")] == []
        objects += [field["items"] for field in one["properties"].values() if "properties" in field.get("items", {})]


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_event_is_as_documented(name: str) -> None:
    event = event_in(name)
    if event["detail-type"] not in OWN_QUEUE_COMMANDS:
        assert SCHEMAS[event["detail-type"]]["x-source"] == event["source"]
        validators()[event["detail-type"]].validate(event["detail"])


def test_every_request_has_a_sample_event_for_each_automation_that_it_may_be_for() -> None:
    sampled = {
        (event["detail-type"], addressee(event["detail-type"], event["detail"]))
        for event in map(event_in, SAMPLES)
        if event["source"] == OPERATOR_SOURCE
    }
    assert sampled == {
        (title, automation)
        for title, schema in sent_by(OPERATOR_SOURCE).items()
        for automation in automations_of(schema)
    }


# Requests: what the schema says is what the automation understands


@pytest.mark.parametrize(("title", "example"), REQUEST_EXAMPLES)
def test_the_example_of_a_request_is_understood_by_the_automation_it_is_for(
    title: str, example: dict[str, Any]
) -> None:
    assert parse(title, example, addressee(title, example))
    alternatives = [one["required"] for one in SCHEMAS[title].get("oneOf", [{"required": []}])]
    (needed,) = [names for names in alternatives if set(names) <= set(example)]
    required = {name: example[name] for name in [*SCHEMAS[title]["required"], *needed]}
    assert parse(title, required, addressee(title, example))


@pytest.mark.parametrize(("title", "example"), REQUEST_EXAMPLES)
def test_a_request_without_a_required_field_is_invalid(title: str, example: dict[str, Any]) -> None:
    for name in SCHEMAS[title]["required"]:
        incomplete = {key: value for key, value in example.items() if key != name}
        with pytest.raises(InvalidEvent) as refused:
            parse(title, incomplete, addressee(title, example))
        assert refused.value.field == f"detail.{name}"


@pytest.mark.parametrize(("title", "example"), REQUEST_EXAMPLES)
@pytest.mark.parametrize("wrong", [[], {}, None, True])
def test_a_request_with_a_field_of_a_wrong_type_is_invalid(title: str, example: dict[str, Any], wrong: Any) -> None:
    for name, field in SCHEMAS[title]["properties"].items():
        if wrong is True and field["type"] == "boolean":
            continue
        spoiled = deepcopy(example) | {name: wrong}
        with pytest.raises(InvalidEvent) as refused:
            parse(title, spoiled, addressee(title, example))
        assert refused.value.field == f"detail.{name}"
