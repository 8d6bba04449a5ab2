"""What must be true before each write to a destination: the automation is on, and AWS's rate allows the call."""

from botocore.exceptions import BotoCoreError, ClientError

from berthmaster.pace import Pace
from berthmaster.switch import Stopped, Switch

DENIED = (BotoCoreError, ClientError, TimeoutError, Stopped)
"""What `wait` raises if the call must not be made now."""


class Permit:
    """Waits before each call."""

    def __init__(self, switch: Switch, pace: Pace) -> None:
        self._switch = switch
        self._pace = pace

    def wait(self, in_a_row: int = 1) -> None:
        """Return when one call may be made, the first of so many; raises one of DENIED if it may not be made at all."""
        self._pace.wait(in_a_row)
        self._switch.check()
