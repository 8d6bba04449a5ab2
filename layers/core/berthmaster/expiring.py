"""A cache that lives in the container: values with a lifetime each."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(slots=True)
class Expiring[Value]:
    """Values by key, each valid until its lifetime has passed. Threads may share it: each method is one step of a dict.

    Whoever checks what is missing and later reads it must pass the same `now` to both: what is valid at one moment may
    have expired at the next.
    """

    _values: dict[str, tuple[datetime, Value]] = field(default_factory=dict)

    def get(self, key: str, now: datetime) -> Value | None:
        """The value, None if there is none or it has expired."""
        until, value = self._values.get(key, (None, None))
        return value if until is not None and now < until else None

    def put(self, key: str, value: Value, now: datetime, lifetime: timedelta) -> Value:
        """Keep a value for its lifetime; returns it."""
        self._values[key] = (now + lifetime, value)
        return value

    def take(self, key: str) -> Value | None:
        """Drop a value, expired or not, so that it is read again; returns it."""
        _, value = self._values.pop(key, (None, None))
        return value

    def forget(self, key: str) -> None:
        """Drop a value, so that it is read again."""
        self.take(key)
