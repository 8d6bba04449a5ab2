"""Records of a flow log: what a capture has seen in an aggregation interval, and the text of each field."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from simulator.aws.ec2.flow_logs.flow_log import FlowLog
    from simulator.aws.ec2.flow_logs.packets import Packets, Place

ABSENT = "-"
OK, NODATA, SKIPDATA = "OK", "NODATA", "SKIPDATA"
WITHIN_THE_VPC, TO_THE_INTERNET = "1", "8"
"""`traffic-path` of egress; ingress has none."""


@dataclass(slots=True, kw_only=True)
class Record:
    """One line. first, last: seconds since the epoch. packets: of which it tells; none unless the status is OK."""

    place: Place
    status: str
    first: float
    last: float
    packets: Packets | None = None
    count: int = 0
    size: int = 0
    flags: int = 0

    def add(self, first: float, last: float, count: int, size: int, flags: int) -> None:
        """Further packets of the same flow in the same interval."""
        self.first, self.last = min(self.first, first), max(self.last, last)
        self.count += count
        self.size += size
        self.flags |= flags


def _about(read: Callable[[Packets], str]) -> Callable[[FlowLog, Record], str]:
    return lambda _, record: ABSENT if record.packets is None else read(record.packets)


def _source(packets: Packets) -> str:
    if packets.is_ingress:
        return packets.shown_peer or packets.source
    return packets.place.shown(packets.source)


def _destination(packets: Packets) -> str:
    if packets.is_ingress:
        return packets.place.shown(packets.destination)
    return packets.shown_peer or packets.destination


def _direction(packets: Packets) -> str:
    return "ingress" if packets.is_ingress else "egress"


def _path(packets: Packets) -> str:
    if packets.is_ingress:
        return ABSENT
    return WITHIN_THE_VPC if ip_address(packets.destination).is_private else TO_THE_INTERNET


READ: dict[str, Callable[[FlowLog, Record], str]] = {
    "version": lambda log, _: str(log.version),
    "account-id": lambda _, record: record.place.account,
    "interface-id": lambda _, record: record.place.interface,
    "srcaddr": _about(_source),
    "dstaddr": _about(_destination),
    "srcport": _about(lambda packets: str(packets.source_port)),
    "dstport": _about(lambda packets: str(packets.destination_port)),
    "protocol": _about(lambda packets: str(packets.protocol)),
    "packets": lambda _, record: str(record.count) if record.packets else ABSENT,
    "bytes": lambda _, record: str(record.size) if record.packets else ABSENT,
    "start": lambda _, record: str(int(record.first)),
    "end": lambda _, record: str(int(record.last)),
    "action": _about(lambda packets: "ACCEPT" if packets.is_accepted else "REJECT"),
    "log-status": lambda _, record: record.status,
    "vpc-id": lambda _, record: record.place.vpc,
    "subnet-id": lambda _, record: record.place.subnet,
    "instance-id": lambda _, record: record.place.instance,
    "tcp-flags": lambda _, record: str(record.flags) if record.packets else ABSENT,
    "type": _about(lambda packets: "IPv6" if ":" in packets.source else "IPv4"),
    "pkt-srcaddr": _about(lambda packets: packets.source),
    "pkt-dstaddr": _about(lambda packets: packets.destination),
    "region": lambda _, record: record.place.region,
    "az-id": lambda _, record: record.place.zone,
    "flow-direction": _about(_direction),
    "traffic-path": _about(_path),
    "interface-type": lambda _, record: record.place.kind,
}


TIMES = ("start", "end")


def values(log: FlowLog, records: Iterable[Record]) -> Iterator[list[str]]:
    """What records say, in the order of the log's fields."""
    readers = [READ.get(name) or _fact(name) for name in log.names]
    times = [(index, READ[name]) for index, name in enumerate(log.names) if name in TIMES]
    # Of interfaces that are idle there are many records, which differ in their times only.
    idle: dict[tuple[int, str], list[str]] = {}
    for record in records:
        if record.packets is not None:
            yield [read(log, record) for read in readers]
            continue
        key = id(record.place), record.status
        if key not in idle:
            idle[key] = [read(log, record) for read in readers]
        line = idle[key].copy()
        for index, read in times:
            line[index] = read(log, record)
        yield line


def _fact(name: str) -> Callable[[FlowLog, Record], str]:
    return lambda _, record: record.place.facts.get(name, ABSENT)
