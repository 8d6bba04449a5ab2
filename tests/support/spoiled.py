"""The messages of the sample events, and what they are with one field missing or wrong."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from berthmaster.errors import InvalidEvent
from berthmaster.requests import Unreadable

EVENTS = Path(__file__).parents[2] / "events"

WRONG: tuple[Any, ...] = (None, 7, True, [], {}, "", "../../etc/passwd", "vpc-" + "f" * 400, "'; DROP TABLE expansions")


def spoiled(event: dict[str, Any], path: tuple[Any, ...] = ()) -> Iterator[dict[str, Any]]:
    """The event with each of its fields missing once, and once each of what it must not be."""
    here: Any = event
    for step in path:
        here = here[step]
    keys = list(here) if isinstance(here, dict) else list(range(len(here))) if isinstance(here, list) else []
    for key in keys:
        for wrong in ("missing", *WRONG):
            copy = json.loads(json.dumps(event))
            inside = copy
            for step in path:
                inside = inside[step]
            if wrong == "missing":
                del inside[key]
            else:
                inside[key] = wrong
            yield copy
        yield from spoiled(event, (*path, key))


def messages(pattern: str) -> list[dict[str, Any]]:
    """The messages in the sample events whose file names match the pattern."""
    paths = sorted(EVENTS.glob(pattern))
    return [json.loads(record["body"]) for path in paths for record in json.loads(path.read_text())["Records"]]


def answered_problem(read: Callable[[str], Any], body: str) -> str:
    """What the answer to a request says that is not valid; "" for any other message."""
    try:
        found = read(body)
    except InvalidEvent:
        return ""
    return found.problem if isinstance(found, Unreadable) else ""


def refused_field(parse: Callable[[str], Any], body: str) -> str:
    """The field that `parse` names when it refuses a message; "" if it does not refuse."""
    try:
        parse(body)
    except InvalidEvent as refused:
        return refused.field
    return ""
