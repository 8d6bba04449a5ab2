"""What must be true before each write to a destination: the automation is on, and AWS's rate allows the call."""

from botocore.exceptions import BotoCoreError, ClientError

from berthmaster.pace import Pace
from berthmaster.switch import Stopped, Switch

DENIED = (BotoCoreError, ClientError, TimeoutError, Stopped)
"""What is raised if a call must not be made now."""


class Permit:
    """Waits before calls; those that are made several at a time are checked each, too."""

    def __init__(self, switch: Switch, pace: Pace) -> None:
        self._switch = switch
        self._pace = pace

    def wait(self, calls: int = 1) -> None:
        """Return when so many calls may be begun; raises one of DENIED if they may not be made at all."""
        self._pace.wait(calls)
        self.check()

    def check(self) -> None:
        """Raise one of DENIED if a call that was waited for must not be made any more; for any thread."""
        self._pace.check()
        self._switch.check()
