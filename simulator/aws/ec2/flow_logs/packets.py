"""Packets of a connection as one interface sees them in one direction, aggregation interval by interval."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil, floor, inf
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TCP, UDP, ICMP = 6, 17, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What records say of an interface.

    addresses: the primary private IPv4 address and the first IPv6 address, if it has them. kind: its InterfaceType.
    facts: further fields of records by name, such as `ecs-task-arn`.
    """

    interface: str
    account: str
    vpc: str
    subnet: str
    region: str
    zone: str
    addresses: tuple[str, ...]
    instance: str = "-"
    kind: str = "interface"
    facts: Mapping[str, str] = field(default_factory=dict)

    def shown(self, own: str) -> str:
        """How `srcaddr` and `dstaddr` show an address of the interface: IPv4 as the primary one, whichever it is."""
        is_v6 = ":" in own
        return own if is_v6 else next(address for address in self.addresses if ":" not in address)


class Part(NamedTuple):
    """Packets that fall into one aggregation interval. interval: its number. first, last: seconds since the epoch."""

    interval: int
    first: float
    last: float
    packets: int
    flags: int


@dataclass(slots=True, kw_only=True)
class Packets:
    """Packets at equal distances from `first` to `last`, in seconds since the epoch.

    source, destination: of the packets, with the ports. shown_peer: what `srcaddr` or `dstaddr` says of the peer, if
    that is not its address in the packets. size: bytes of one packet. flags: the TCP flags, as records tell them, of
    the first packet and of the last one.
    """

    place: Place
    is_ingress: bool
    source: str
    destination: str
    source_port: int
    destination_port: int
    protocol: int
    is_accepted: bool
    first: float
    last: float
    count: int = 1
    size: int = 60
    flags: tuple[int, int] = (0, 0)
    shown_peer: str = ""
    delivered: int = 0
    """Records of them that were delivered."""
    delivered_at: float = inf
    """When the first of these was, in seconds since the epoch."""

    @property
    def step(self) -> float:
        """Seconds between two packets."""
        return (self.last - self.first) / (self.count - 1) if self.count > 1 else 0.0

    def before(self, at: float) -> int:
        """How many packets there are before a time."""
        if at <= self.first:
            return 0
        if self.step <= 0:
            return self.count
        return max(0, min(self.count, ceil((at - self.first) / self.step)))

    def stop(self, at: float) -> None:
        """Send no more from a time on."""
        if at > self.last:
            return
        step, left = self.step, self.before(at)
        self.count = left
        self.last = self.first + step * max(0, left - 1)
        self.flags = self.flags[0], 0

    def parts(self, length: int, offset: float, since: float, until: float) -> Iterator[Part]:
        """The packets of each aggregation interval whose last one comes from `since` until `until`, excluded.

        length: of the intervals, in seconds; one of them begins at `offset`.
        """
        if not self.count:
            return
        earliest, latest = max(self.first, since - length), min(self.last, until)
        for interval in range(floor((earliest - offset) / length), floor((latest - offset) / length) + 1):
            begin, end = (self.before(offset + number * length) for number in (interval, interval + 1))
            if begin == end:
                continue
            last = self.first + (end - 1) * self.step
            if since <= last < until:
                flags = (self.flags[0] if begin == 0 else 0) | (self.flags[1] if end == self.count else 0)
                yield Part(interval, self.first + begin * self.step, last, end - begin, flags)
