"""What a message of AWS about a failure says: its cause, and the subnets it names."""

import re

from berthmaster.capacity.model.shortage import Cause

_SUBNET = re.compile(r"subnet-[0-9a-f]{8,17}\b")
_CAUSES: tuple[tuple[str, Cause], ...] = (
    # EC2's code for "no contiguous /28", however many single addresses are free.
    ("InsufficientCidrBlocks", Cause.PREFIXES),
    ("InsufficientFreeAddresses", Cause.ADDRESSES),
    ("not enough free addresses in subnet", Cause.ADDRESSES),
    ("sufficient free Ipv4 addresses", Cause.ADDRESSES),
    # ECS API failure reasons: no container instance can attach another interface.
    ("RESOURCE:ENI", Cause.ENI_SLOTS),
    ("Rate limit exceeded", Cause.THROTTLING),
    ("RequestLimitExceeded", Cause.THROTTLING),
    ("LimitExceeded", Cause.QUOTA),
    ("AuthFailure", Cause.PERMISSION),
    ("UnauthorizedOperation", Cause.PERMISSION),
    ("AccessDenied", Cause.PERMISSION),
)


def cause_in(text: str) -> Cause:
    """The cause in a message of AWS; the first that matches, from the most to the least specific."""
    return next((cause for words, cause in _CAUSES if words in text), Cause.OTHER)


def subnets_in(text: str) -> list[str]:
    """The ids of the subnets in a message of AWS, in order."""
    return _SUBNET.findall(text)
