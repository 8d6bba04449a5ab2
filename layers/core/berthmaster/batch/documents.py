"""The documents of pipelines: JSON in SSM parameters. What is missing or mistyped is named by its path.

    {"input":  {"bucket": "incoming", "prefix": "scans/", "suffix": ".tif"},
     "output": {"bucket": "results", "prefix": "ocr/", "publish": true},
     "run":    {"cluster": "batch", "taskDefinition": "ocr", "container": "ocr", "contract": "worker",
                "subnets": ["subnet-…"], "securityGroups": ["sg-…"], "assignPublicIp": false,
                "sizes": [{"cpu": 512, "memory": 1024}]},
     "limits": {"tasks": 200, "attempts": 3, "timeoutMinutes": 60, "dollarsPerDay": 20},
     "spot":   {"tries": 2}, "packing": "auto", "goal": {"finishWithinMinutes": 30}, "paused": false}

Only input.bucket, run.cluster and run.taskDefinition are required. Defaults that AWS knows, of the container, the
subnets and the security groups, are empty in what `read` returns: see `plan.pipeline_checks`.
"""

import re
from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from berthmaster import envelope
from berthmaster.batch.model.pipelines import (
    Contract,
    Input,
    Limits,
    Output,
    Packing,
    Parameter,
    Pipeline,
    Problem,
    Run,
)
from berthmaster.batch.model.sizes import Size
from berthmaster.errors import InvalidEvent

Text = Annotated[str, Meta(min_length=1, max_length=1024)]
Ids = Annotated[tuple[Text, ...], Meta(min_length=1, max_length=16)]
"""RunTask takes 16 subnets."""
GroupIds = Annotated[tuple[Text, ...], Meta(min_length=1, max_length=5)]
"""RunTask takes 5 security groups."""
Tasks = Annotated[int, Meta(ge=1, le=5000)]
Attempts = Annotated[int, Meta(ge=1, le=10)]
Minutes = Annotated[int, Meta(ge=1, le=10_080)]
"""A week."""
Dollars = Annotated[float, Meta(ge=0, le=1_000_000)]
Tries = Annotated[int, Meta(ge=0, le=10)]


class _Part(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A part of a document: a field with a typing error would silently be its default."""


class _Input(_Part, frozen=True):
    bucket: Text
    prefix: str = ""
    suffix: str = ""


class _Output(_Part, frozen=True):
    bucket: Text | None = None
    prefix: str | None = None
    publish: bool = True


class _Size(_Part, frozen=True):
    cpu: Annotated[int, Meta(ge=1)]
    memory: Annotated[int, Meta(ge=1)]


Sizes = Annotated[tuple[_Size, ...], Meta(max_length=8)]


class _Run(_Part, frozen=True):
    cluster: Text
    task_definition: Text
    container: Text | None = None
    contract: Contract = Contract.COMMAND
    subnets: Ids | None = None
    security_groups: GroupIds | None = None
    assign_public_ip: bool | None = None
    sizes: Sizes = ()


class _Limits(_Part, frozen=True):
    tasks: Tasks = 50
    attempts: Attempts = 3
    timeout_minutes: Minutes = 60
    dollars_per_day: Dollars | None = None


class _Spot(_Part, frozen=True):
    tries: Tries = 0


class _Goal(_Part, frozen=True):
    finish_within_minutes: Minutes


class _Document(_Part, frozen=True):
    input: _Input
    run: _Run
    output: _Output = _Output()
    limits: _Limits = _Limits()
    spot: _Spot = _Spot()
    packing: Packing | None = None
    goal: _Goal | None = None
    paused: bool = False


_PARTS: Mapping[str, type[Struct]] = {
    "input": _Input,
    "output": _Output,
    "run": _Run,
    "limits": _Limits,
    "spot": _Spot,
    "goal": _Goal,
    "": _Document,
}
_JSON_NAMES = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
}
_VALUES = {
    "run.contract": "must be command or worker",
    "packing": "must be auto or single",
}
DOCUMENT = "document"
"""The field of a problem with all of it."""


def read(parameter: Parameter) -> Pipeline | Problem:
    """What a document says, or what is wrong with it first; whether it makes sense is decided in `plan`."""
    if parameter.is_secret:
        return Problem(DOCUMENT, "the parameter must be of the type String, and is a SecureString")
    try:
        document = envelope.decoded(parameter.text.encode(errors="replace"), _Document, "")
    except InvalidEvent as error:
        return _problem(error)
    run, output = document.run, document.output
    return Pipeline(
        name=parameter.pipeline,
        version=parameter.version,
        input=Input(bucket=document.input.bucket, prefix=document.input.prefix, suffix=document.input.suffix),
        output=Output(
            bucket=output.bucket or document.input.bucket,
            prefix=f"results/{parameter.pipeline}/" if output.prefix is None else output.prefix,
            publish=output.publish,
        ),
        run=Run(
            cluster=run.cluster,
            task_definition=run.task_definition,
            container=run.container or "",
            contract=run.contract,
            subnets=tuple(dict.fromkeys(run.subnets or ())),
            security_groups=tuple(dict.fromkeys(run.security_groups or ())),
            # The default subnets have no other way to the internet, and so to the image.
            assign_public_ip=run.subnets is None if run.assign_public_ip is None else run.assign_public_ip,
            sizes=tuple(dict.fromkeys(Size(one.cpu, one.memory) for one in run.sizes)),
        ),
        limits=Limits(
            tasks=document.limits.tasks,
            attempts=document.limits.attempts,
            timeout_minutes=document.limits.timeout_minutes,
            dollars_per_day=document.limits.dollars_per_day,
        ),
        spot_tries=document.spot.tries,
        packing=document.packing or (Packing.AUTO if run.contract is Contract.WORKER else Packing.SINGLE),
        goal_minutes=document.goal.finish_within_minutes if document.goal else 0,
        paused=document.paused,
    )


def _problem(error: InvalidEvent) -> Problem:
    """The same in the words of a document: what the field must be."""
    field = "" if error.field == "event" else error.field
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", error.problem, re.DOTALL)
    if unknown:
        known = ", ".join(one.encode_name for one in _fields(field))
        return Problem(f"{field}.{unknown[1]}".lstrip("."), f"is not known: the fields here are {known}")
    if error.problem.startswith("Object missing required field"):
        return Problem(field, "is missing, and has no default")
    if error.problem.startswith("Invalid enum value"):
        return Problem(field, _VALUES[field])
    text = error.problem.replace("Expected ", "must be ", 1).replace(", got ", ", and is ", 1)
    for python, json in _JSON_NAMES.items():
        text = text.replace(f"`{python}`", json)
    return Problem(field or DOCUMENT, text)


def _fields(path: str) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(_PARTS.get(path, _Document))
