"""EventBridge's envelope, as a queue hands it over; what is missing or mistyped raises InvalidEvent with the field."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from berthmaster.errors import InvalidEvent, located

SOURCE = "berthmaster"
"""Of the events that Berthmaster publishes, and of the commands that it sends to its own queues."""
OPERATOR_SOURCE = "berthmaster.operator"
"""Of requests: whoever may put events with this source on the bus may decide for Berthmaster."""

Name = Annotated[str, Meta(max_length=256)]
"""Who asks, as free text."""


class Envelope(Struct, frozen=True, rename={"detail_type": "detail-type"}):
    """One event; its detail is decoded when a parser asks for a type. Commands to an own queue have no id."""

    source: str
    detail_type: str
    time: datetime
    detail: msgspec.Raw
    id: str = ""

    @property
    def origin(self) -> str:
        """Where it comes from, for people: source and detail type."""
        return f"{self.source} {self.detail_type}"

    @property
    def at(self) -> datetime:
        """The event's time in UTC, which is also what a time without a zone means."""
        return self.time.astimezone(UTC) if self.time.tzinfo else self.time.replace(tzinfo=UTC)

    def as_[Detail: Struct](self, kind: type[Detail]) -> Detail:
        """The detail, read as `kind`."""
        return decoded(bytes(self.detail), kind, "detail")

    def fields(self) -> Mapping[str, Any]:
        """The detail as it is; empty if it is no object."""
        detail = decoded(bytes(self.detail), Any, "detail")
        return detail if isinstance(detail, dict) else {}


type Parsers[Trigger] = Mapping[tuple[str, str], Callable[[Envelope], Trigger]]
"""By source and detail type: what makes of an event what a function handles."""


def parse[Trigger](body: str | bytes, parsers: Parsers[Trigger]) -> Trigger:
    """Read one event as it comes from the queue, with the parser for its source and detail type."""
    return parsed(open_envelope(body), parsers)


def parsed[Trigger](event: Envelope, parsers: Parsers[Trigger]) -> Trigger:
    """What the parser for its source and detail type makes of an event."""
    parser = parsers.get((event.source, event.detail_type))
    if parser is None:
        raise InvalidEvent("detail-type", f"{event.detail_type!r} from {event.source!r} is not known here")
    return parser(event)


def open_envelope(body: str | bytes) -> Envelope:
    """Read one event as it comes from the queue."""
    return decoded(body, Envelope, "")


def decoded[Value](body: str | bytes, kind: type[Value], field: str) -> Value:
    """Read JSON that stands in `field` of an event, empty for the event itself."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        inner, problem = located(error)
        raise InvalidEvent(f"{field}{inner}".lstrip(".") or "event", problem) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidEvent(field or "event", f"is not JSON: {error}") from None
