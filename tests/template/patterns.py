"""EventBridge's matching: moto's matcher, taught to look into lists of objects."""

import json
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from moto.events.models import EventPattern


def matches(pattern: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """Whether a rule with this pattern takes the event."""
    matcher = EventPattern.load(json.dumps(pattern))
    return any(matcher.matches_event(variant) for variant in _variants(event))


def _variants(value: Any) -> Iterator[Any]:
    """The value with one member in place of each list of objects: all that a pattern asks must hold of one member."""
    match value:
        case dict():
            for chosen in product(*(tuple(_variants(child)) for child in value.values())):
                yield dict(zip(value, chosen, strict=True))
        case [{}, *_]:
            for member in value:
                yield from _variants(member)
        case _:
            yield value
