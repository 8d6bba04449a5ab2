"""Time as the functions see it."""

import time
from datetime import UTC, datetime


class Clock:
    """The system's clock; what waits or dates anything is given one."""

    def now(self) -> datetime:
        """UTC, to the microsecond."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)
