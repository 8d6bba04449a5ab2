"""What all steps of one invocation share that work on one expansion: its limits, how to write, how to wait."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from berthmaster.capacity.model.tags import EXPANSION_TAG, MANAGED_TAG
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.errors import BerthmasterError, Refused, refusal_of
from berthmaster.switch import Switch

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import TagTypeDef

POLL_INTERVAL = timedelta(seconds=3)
LONGEST_WAIT = timedelta(seconds=30)
"""How long one invocation waits for AWS before it leaves the rest to a message."""
LAST_STEPS = timedelta(seconds=20)
"""Time at the end of an invocation in which it no longer waits, nor begins a write."""
RETRY_DELAY = timedelta(seconds=15)
SETTLING = timedelta(seconds=10)
"""EC2 is eventually consistent: for so long a read may show what was before a write."""


class NotYet(BerthmasterError):
    """AWS is still working: continue the expansion after a delay."""

    def __init__(self, what: str, delay: timedelta) -> None:
        super().__init__(what)
        self.delay = delay


class InUse(BerthmasterError):
    """An expansion that is in use is not undone.

    in_use: who has addresses in its subnets, and what would have to be done, for people. can_drain: whether they leave
    the subnets if nothing places them there any more.
    """

    def __init__(self, reason: str, *, in_use: tuple[str, ...] = (), can_drain: bool = False) -> None:
        super().__init__(reason)
        self.in_use = in_use
        self.can_drain = can_drain


class NotManaged(BerthmasterError):
    """What would be changed does not have the tag any more by which Berthmaster may change it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One invocation's work on one expansion.

    is_managed: whether the VPC may still be changed, read from AWS.
    """

    clients: Clients
    clock: Clock
    switch: Switch
    vpc_id: str
    expansion_id: str
    deadline: datetime
    wait_until: datetime
    is_managed: Callable[[], bool]

    @classmethod
    def beginning(
        cls,
        clients: Clients,
        clock: Clock,
        switch: Switch,
        *,
        vpc_id: str,
        expansion_id: str,
        deadline: datetime,
        is_managed: Callable[[], bool],
    ) -> "Attempt":
        """An attempt that begins now, in an invocation with this deadline."""
        return cls(
            clients=clients,
            clock=clock,
            switch=switch,
            vpc_id=vpc_id,
            expansion_id=expansion_id,
            deadline=deadline,
            is_managed=is_managed,
            wait_until=min(clock.now() + LONGEST_WAIT, deadline - LAST_STEPS),
        )

    @property
    def tag(self) -> dict[str, str]:
        """The tag of all that the expansion creates."""
        return {EXPANSION_TAG: self.expansion_id}

    @contextmanager
    def write(self, operation: str, is_done: Callable[[], bool] | None = None) -> Iterator[None]:
        """Make one write to AWS: Refused if AWS refuses it for good. What `check` raises comes before it.

        is_done: whether the effect is there. The SDK repeats a call whose answer was lost; for calls without a
        ClientToken the second try conflicts with the effect of the first, and is not refused then.
        """
        self.check()
        try:
            with refusal_of(operation):
                yield
        except Refused:
            if is_done is None or not self.becomes(is_done):
                raise

    def check(self) -> None:
        """Ask before a write whether it may be made.

        NotYet if this invocation has no time left, Stopped if the automation is off or paused, NotManaged if the VPC's
        tag is gone.
        """
        if not self.has_time:
            raise NotYet("no time is left in this invocation", RETRY_DELAY)
        self.switch.check()
        if not self.is_managed():
            raise NotManaged(f"{self.vpc_id} is no longer tagged {MANAGED_TAG}")

    @property
    def has_time(self) -> bool:
        """Whether this invocation may begin another step."""
        return self.clock.now() < self.deadline - LAST_STEPS

    def becomes(self, is_so: Callable[[], bool]) -> bool:
        """Whether something is so, now or as soon as EC2 shows its latest writes."""
        until = self.clock.now() + SETTLING
        while not is_so():
            if self.clock.now() + POLL_INTERVAL > until:
                return False
            self.clock.sleep(POLL_INTERVAL.total_seconds())
        return True

    def wait(self, what: str) -> None:
        """Wait until it is time to look again; NotYet if this invocation has waited long enough."""
        if self.clock.now() + POLL_INTERVAL >= self.wait_until:
            raise NotYet(what, RETRY_DELAY)
        self.clock.sleep(POLL_INTERVAL.total_seconds())


def tag_list(tags: Mapping[str, str]) -> "list[TagTypeDef]":
    """Tags as EC2 takes them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]
