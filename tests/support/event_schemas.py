"""The JSON Schemas of Berthmaster's events, as a check of what is on a bus."""

from collections.abc import Iterable
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from berthmaster.envelope import SOURCE
from docs.generate.events import schemas
from simulator.aws.events.bus import SeenEvent


@cache
def validators() -> dict[str, Any]:
    """By detail type; formats are checked too."""
    return {
        title: Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
        for title, schema in schemas().items()
    }


def check_outcomes(events: Iterable[SeenEvent]) -> None:
    """Each event that has Berthmaster as its source is documented, and is as documented."""
    for seen in events:
        event = seen.event
        if event["source"] == SOURCE:
            assert event["detail-type"] in validators(), f"{event['detail-type']} is not in docs/events"
            validators()[event["detail-type"]].validate(event["detail"])
