"""Events with one field missing or wrong."""

import json
from collections.abc import Iterator
from typing import Any

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
