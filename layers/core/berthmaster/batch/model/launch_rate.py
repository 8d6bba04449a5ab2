"""How fast tasks may be launched."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchRate:
    """What is remembered of throttling: launches a second after the last ThrottlingException, and when that was.

    Until the first one there is nothing to remember, and the rate does not count.
    """

    rate: float = 0.0
    throttled_at: datetime | None = None
