"""Peers, ports, times and numbers as text."""

from collections.abc import Iterable
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network
from math import isfinite

from berthmaster.security_groups.model.documentation import Documentation
from berthmaster.security_groups.model.evidence import Verdict
from berthmaster.security_groups.model.rules import TCP, UDP, Direction, Network, Rule
from berthmaster.security_groups.plan.credits import united
from berthmaster.security_groups.plan.peers import is_anywhere
from berthmaster.security_groups.plan.rule_text import PROTOCOLS, ports_text

CLASSES = {verdict: verdict.value.replace(" ", "-") for verdict in Verdict}
"""What HTML has in place of a verdict."""


def time(seconds: float | None) -> str | None:
    """ISO 8601 in UTC, to the second; None if it is not known."""
    if seconds is None or not isfinite(seconds):
        return None
    return datetime.fromtimestamp(int(seconds), UTC).isoformat()


def short_time(seconds: float) -> str:
    """To the minute, in UTC."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%d %H:%M")


def window_text(documentation: Documentation) -> tuple[str, str]:
    """From when to when, and when it was written."""
    since, until = documentation.since, documentation.until
    if not (isfinite(since) and isfinite(until)):
        window = "No flow log has a record."
    else:
        window = f"Flow logs from {short_time(since)} to {short_time(until)} UTC."
    return window, f"Written {short_time(documentation.written)} UTC."


def number(count: int) -> str:
    """With a comma between thousands."""
    return f"{count:,}"


def counted(count: int, what: str) -> str:
    """1 interface, 2 interfaces."""
    return f"{number(count)} {what}{'' if count == 1 else 's'}"


def networks(found: Iterable[Network]) -> list[str]:
    """The fewest CIDRs that hold these and nothing else, IPv4 first."""
    return [str(one) for one in sorted(united(found), key=_in_order)]


def _in_order(one: Network) -> tuple[int, int, int]:
    return one.version, int(one.network_address), one.prefixlen


def traffic(protocol: int, ports: tuple[int, int]) -> str:
    """Protocol, and ports where it has them."""
    name = PROTOCOLS.get(protocol, f"protocol {protocol}")
    return f"{name} {ports_text(ports)}" if protocol in {TCP, UDP} else name


def is_open(rule: Rule) -> bool:
    """Whether it lets in any address."""
    if rule.direction is Direction.EGRESS:
        return False
    return isinstance(rule.peer, IPv4Network | IPv6Network) and is_anywhere(rule.peer)
