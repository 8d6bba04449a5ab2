"""EventBridge's envelope, as a queue hands it over; what is missing or mistyped raises InvalidEvent with the field."""

import re
from datetime import UTC, datetime

import msgspec
from msgspec import Struct

from berthmaster.errors import InvalidEvent


class Envelope(Struct, frozen=True, rename={"detail_type": "detail-type"}):
    """One event; its detail is decoded once somebody says what it must be."""

    source: str
    detail_type: str
    time: datetime
    detail: msgspec.Raw

    @property
    def told_by(self) -> str:
        """Who says it, for people: source and detail type."""
        return f"{self.source} {self.detail_type}"

    @property
    def at(self) -> datetime:
        """The event's time in UTC, which is also what a time without a zone means."""
        return self.time.astimezone(UTC) if self.time.tzinfo else self.time.replace(tzinfo=UTC)

    def as_[Detail: Struct](self, kind: type[Detail]) -> Detail:
        """The detail, read as `kind`."""
        return decoded(bytes(self.detail), kind, "detail")


def open_envelope(body: str | bytes) -> Envelope:
    """Read one event as it comes from the queue."""
    return decoded(body, Envelope, "")


def decoded[Value](body: str | bytes, kind: type[Value], field: str) -> Value:
    """Read JSON that stands in `field` of an event, empty for the event itself."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `$")
        inner = path.rstrip("`")
        missing = re.search(r"required field `([^`]+)`", problem)
        if missing:
            inner = f"{inner}.{missing[1]}"
        raise InvalidEvent(f"{field}{inner}".lstrip(".") or "event", problem) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidEvent(field or "event", f"is not JSON: {error}") from None
