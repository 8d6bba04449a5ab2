"""What must be true before each write to a destination: the automation is on, and AWS's rate allows the call."""

from datetime import datetime, timedelta
from threading import Lock

from botocore.exceptions import BotoCoreError, ClientError

from berthmaster.clock import Clock
from berthmaster.pace import Pace
from berthmaster.switch import Stopped, Switch

DENIED = (BotoCoreError, ClientError, TimeoutError, Stopped)
"""What is raised if a call must not be made now."""


class Permit:
    """Waits before calls; those that are made several at a time are checked each, too. For any number of threads."""

    def __init__(self, switch: Switch, pace: Pace, clock: Clock) -> None:
        self._switch = switch
        self._pace = pace
        self._clock = clock
        self._lock = Lock()
        self._granted = 0
        self._ready_at = clock.now()

    def ahead(self, calls: int, *, within: timedelta) -> int:
        """Have as many of so many calls granted together as the rate allows within that time; returns how many."""
        lot = self._pace.lot(calls, within=within)
        with self._lock:
            self._granted += lot.calls
            self._ready_at = max(self._ready_at, lot.ready_at)
        return lot.calls

    def until_ready(self) -> None:
        """Wait until the calls that were granted ahead may be begun."""
        self._clock.sleep(max(0.0, (self._ready_at - self._clock.now()).total_seconds()))

    def turn(self, calls: int) -> datetime:
        """When so many more calls may be made."""
        return self._pace.turn(calls)

    def wait(self, calls: int = 1) -> None:
        """Return when so many calls may be begun; raises one of DENIED if they may not be made at all."""
        with self._lock:
            ahead = min(calls, self._granted)
            self._granted -= ahead
        if calls > ahead:
            self._pace.wait(calls - ahead)
        self.until_ready()
        self.check()

    def check(self) -> None:
        """Raise one of DENIED if a call that was waited for must not be made any more."""
        self._pace.check()
        self._switch.check()
