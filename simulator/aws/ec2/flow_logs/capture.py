"""What a flow log has seen and not yet delivered."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from math import floor
from typing import TYPE_CHECKING
from zlib import crc32

from simulator.aws.ec2.flow_logs.records import NODATA, OK, SKIPDATA, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from simulator.aws.ec2.flow_logs.flow_log import FlowLog
    from simulator.aws.ec2.flow_logs.packets import Packets, Place

SLOT = 300
"""A file holds the records that end in so many seconds."""

type Interval = tuple[str, int]
"""An interface, and the number of its aggregation interval."""


@dataclass
class Capture:
    """Aggregates packets to records, interface by interface, slot by slot.

    skips: whether the records of an interface are lost in an interval of time, which SKIPDATA then says. lag: how many
    seconds an interface is behind: AWS's times may be 60 seconds after the packets.
    """

    log: FlowLog
    skips: Callable[[str, float, float], bool]
    lag: Callable[[str], float]
    _packets: list[Packets] = field(default_factory=list)
    _places: dict[str, Place] = field(default_factory=dict)
    _active: defaultdict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    _told: dict[Interval, bool] = field(default_factory=dict)

    def add(self, packets: Packets) -> None:
        """Packets that an interface sees, now or later; they may be stopped meanwhile."""
        self._packets.append(packets)

    def records(self, slot: int, places: Iterable[Place]) -> Iterator[Record]:
        """The records that end in a slot, which is over for at least an aggregation interval.

        places: the interfaces that the log covers; those that were there at the slot before have NODATA if idle.
        """
        since, until = slot * SLOT, (slot + 1) * SLOT
        found: dict[tuple[object, ...], Record] = {}
        for packets in self._packets:
            place, lag = packets.place, self.lag(packets.place.interface)
            for part in packets.parts(self.log.aggregation, self._offset(place) - lag, since - lag, until - lag):
                self._active[place.interface].add(part.interval)
                if self._is_skipped(place, part.interval):
                    continue
                key = (
                    *(place.interface, packets.is_ingress, packets.source, packets.destination, packets.source_port),
                    *(packets.destination_port, packets.protocol, packets.is_accepted, part.interval),
                )
                first, last = part.first + lag, part.last + lag
                if key not in found:
                    found[key] = Record(place=place, status=OK, first=first, last=last, packets=packets)
                found[key].add(first, last, part.packets, part.packets * packets.size, part.flags)
        self._packets = [
            one for one in self._packets if one.count and one.last + self.lag(one.place.interface) >= until
        ]
        yield from found.values()
        yield from self._other(since, until, {place.interface: place for place in places})

    def _other(self, since: int, until: int, places: dict[str, Place]) -> Iterator[Record]:
        """NODATA and SKIPDATA of the intervals that end in a slot."""
        length = self.log.aggregation
        for interface, place in places.items():
            offset = self._offset(place)
            was_there = interface in self._places
            for interval in range(floor((since - offset) / length), floor((until - offset) / length)):
                begin = offset + interval * length
                if self._is_skipped(place, interval):
                    yield Record(place=place, status=SKIPDATA, first=begin, last=begin + length - 1)
                elif was_there and interval not in self._active[interface]:
                    yield Record(place=place, status=NODATA, first=begin, last=begin + length - 1)
                self._told.pop((interface, interval), None)
                self._active[interface].discard(interval)
        for gone in self._places.keys() - places.keys():
            self._active.pop(gone, None)
        self._places = places

    def _is_skipped(self, place: Place, interval: int) -> bool:
        key = place.interface, interval
        if key not in self._told:
            begin = self._offset(place) + interval * self.log.aggregation
            self._told[key] = self.skips(place.interface, begin, begin + self.log.aggregation)
        return self._told[key]

    def _offset(self, place: Place) -> int:
        """When an interface's intervals begin, after a whole number of them since the epoch."""
        return crc32(place.interface.encode()) % self.log.aggregation
