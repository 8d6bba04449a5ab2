"""docs/events.md, from the JSON Schemas in docs/events/: one for the detail of each event and request.

A schema says also the source of the event (`x-source`), which automation sends or receives it (`x-automation`), and
optionally which other event the page describes its fields by (`x-like`).
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from berthmaster.approval import command
from berthmaster.envelope import OPERATOR_SOURCE, SOURCE

PAGE = Path(__file__).parents[1] / "events.md"
FOLDER = PAGE.with_suffix("")
BUS = "berthmaster"
REGION = "eu-central-1"
PATTERN = {"source": [SOURCE], "detail-type": ["Expansion Proposed", "Change Proposed", "Budget Reached"]}

INTRODUCTION = f"""\
# Events and requests

Generated from the JSON Schemas in [docs/events](events) by `make docs`; tests compare the schemas with the code, and
with every event that Berthmaster sends in the simulator. A schema describes the `detail` of one detail type, with
examples.

Everything is on the event bus `{BUS}`, in the account and Region of the stack:

| | source | detail types |
|---|---|---|
| requests, from you to Berthmaster | `{OPERATOR_SOURCE}` | end in Requested, Approved or Rejected |
| outcomes, from Berthmaster to you | `{SOURCE}` | say in the past tense what happened |

**To send a request**, put an event on the bus. Outputs of the stack, and the notifications of proposals, are such
commands:

```console
$ {command(BUS, REGION, "Pause Requested", automation="targets", by="Ann")}
```

Whoever has `events:PutEvents` on the bus may send every request. **Every request is answered within a minute**, by an
event on the bus and a message to people by SNS, unless AWS itself fails for longer or kills the function that
answers:

| answer | means |
|---|---|
| [Request Accepted](#request-accepted) | it was done or begun; `until`: when what was begun should have ended |
| [Request Refused](#request-refused) | nothing is done; the reason begins with the field if one is missing or wrong |
| [Request Unknown](#request-unknown) | its source, detail type or automation is unknown; `hint`: what may be meant |
| [Automation Paused](#automation-paused) and [Resumed](#automation-resumed) | answers to Pause and Resume Requested |
| [File Status](#file-status), [Pipeline Status](#pipeline-status) | answers to File Status Requested |
| [Rule Status](#rule-status) | the answer to Rule Status Requested |

`request_id` of an answer is the `EventId` that `put-events` has printed. Fields that a request does not have are
ignored. A request that is received twice is answered twice and carried out once. One at which AWS fails is tried
again for half a minute; answers of a kind that are given at once, such as to sixty Drain Requested, are one message
to people.

**To receive outcomes**, make a rule on the bus, and give it a target such as a Lambda function or a queue:

```console
$ aws events put-rule --name berthmaster-proposals --event-bus-name {BUS} --event-pattern '{json.dumps(PATTERN)}'
```

`resources` of an outcome names what it is about: the VPC, the subnets, the destination or the task. An event may come
twice. A `message` is the text that people get by SNS; events without it are not sent to people. A later version of
Berthmaster may add fields; its schemas have them.

Commands that functions send to queues of their automation, such as `Resume Expansion`, `Check Targets` and `Dispatch
Files`, never reach the bus; they are internal and may change.
"""

REQUESTS = "Requests"
OUTCOMES = {
    "all": "Outcomes of all automations",
    "capacity": "Outcomes of capacity",
    "targets": "Outcomes of targets",
    "batch": "Outcomes of batch",
    "security_groups": "Outcomes of security_groups",
}


def schemas() -> dict[str, dict[str, Any]]:
    """By detail type, in alphabetical order."""
    found = [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))]
    return {schema["title"]: schema for schema in found}


def file_name(detail_type: str) -> str:
    """The name of its schema in docs/events."""
    return f"{detail_type.lower().replace(' ', '_')}.json"


def page() -> str:
    """The whole document."""
    known = schemas()
    requests = [schema for schema in known.values() if schema["x-source"] == OPERATOR_SOURCE]
    sections = {REQUESTS: requests} | {
        heading: [one for one in known.values() if one["x-source"] == SOURCE and one["x-automation"] == automation]
        for automation, heading in OUTCOMES.items()
    }
    return "\n".join(
        [
            INTRODUCTION,
            *(line for heading, members in sections.items() for line in _section(heading, members, known)),
        ]
    )


def _section(heading: str, members: list[dict[str, Any]], known: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield from (f"## {heading}", "")
    for schema in members:
        yield from _event(schema, known)


def _event(schema: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    title = schema["title"]
    yield from (f"### {title}", "")
    yield from (f"{_addressee(schema)}{schema['description']} [Schema](events/{file_name(title)})", "")
    yield from _fields(schema, known)
    for example in schema["examples"]:
        if schema["x-source"] == OPERATOR_SOURCE:
            yield from ("```console", f"$ {command(BUS, REGION, title, **example)}", "```", "")
        elif "x-like" not in schema:
            yield from ("```json", json.dumps(example, indent=2, ensure_ascii=False), "```", "")


def _addressee(schema: Mapping[str, Any]) -> str:
    if schema["x-source"] != OPERATOR_SOURCE:
        return ""
    automation = schema["x-automation"]
    return f"To {'capacity, targets, batch or security_groups' if automation == 'all' else automation}. "


def _fields(schema: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    rows = dict(_rows(schema))
    if other := schema.get("x-like"):
        like = dict(_rows(known[other]))
        absent = [field for field in like if field not in rows]
        without = f" but {', '.join(absent)}" if absent else ""
        anchor = other.lower().replace(" ", "-")
        yield from (f"All fields of [{other}](#{anchor}){without}, with these differences:", "")
        rows = {field: row for field, row in rows.items() if row != like.get(field)}
    yield from ("| field | | |", "|---|---|---|")
    for field, row in rows.items():
        yield f"| {field} | {row} |"
    yield ""


def _rows(schema: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Each field by its path, with its type and its meaning; fields of objects within follow theirs."""
    for name, field in schema.get("properties", {}).items():
        path = f"{prefix}{name}"
        optional = "" if name in schema["required"] else ", optional"
        yield f"`{path}`", f"{_type(field)}{optional} | {field['description']}{_choices(field)}"
        yield from _rows(field.get("items", {}), f"{path}[].")


def _type(field: Mapping[str, Any]) -> str:
    kinds = [field["type"]] if isinstance(field["type"], str) else field["type"]
    if kinds == ["array"]:
        return f"array of {field['items']['type']}s"
    return " or ".join(kinds)


def _choices(field: Mapping[str, Any]) -> str:
    choices = [f"`{choice}`" for choice in field.get("enum", [])]
    return f" {'One of ' if choices[1:] else 'Always '}{', '.join(choices)}." if choices else ""
