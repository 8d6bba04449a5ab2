"""The flow logs of an account: who sees what, and the files that are delivered to S3 every five minutes.

Source: "Flow log records" and "Publish flow logs to Amazon S3" of the VPC User Guide. Delivery takes about ten minutes,
as a best effort.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_network
from random import Random
from typing import TYPE_CHECKING, Any
from zlib import crc32

from simulator.aws.ec2.addresses import Interfaces
from simulator.aws.ec2.flow_logs import files
from simulator.aws.ec2.flow_logs.capture import SLOT, Capture
from simulator.aws.ec2.flow_logs.packets import Place
from simulator.aws.ec2.flow_logs.unlogged import is_logged
from simulator.aws.s3.buckets import backend

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from simulator.account import Account
    from simulator.aws.ec2.flow_logs.flow_log import FlowLog
    from simulator.aws.ec2.flow_logs.packets import Packets
    from simulator.aws.ec2.flow_logs.records import Record

ACCESS_ERROR = "Access error"


@dataclass(frozen=True)
class Skip:
    """The records of an interface, of all interfaces if it is empty, are lost from `since` until `until`."""

    interface: str
    since: float
    until: float


@dataclass(frozen=True)
class Missing:
    """The records of a slot that no file holds, because it was lost or the log could not deliver."""

    log: str
    slot: int
    records: Sequence[Record]


class FlowLogs(dict[str, "FlowLog"]):
    """The flow logs that there are, by id.

    delay: seconds from when the last interval of a slot is over to its file. longest_lag: `start` and `end` of a record
    are up to so many seconds later than its packets; AWS says 60. longest_late: by how much a fault delays a file.
    together: what is seen in so many seconds is delivered in one file, so that months can be simulated; at once if
    anything was rejected. AWS writes a file every five minutes. before_delivery: called when a file is on its way.
    privatelink: pairs of addresses, of endpoints and Network Load Balancers. missing: what was never delivered.
    """

    def __init__(self, account: Account) -> None:
        super().__init__()
        self.delay = 120.0, 420.0
        self.longest_lag = 0.0
        self.longest_late = 6 * 3600.0
        self.together = float(SLOT)
        self.before_delivery: list[Callable[[], None]] = []
        self.privatelink: set[frozenset[str]] = set()
        self.missing: list[Missing] = []
        self._account = account
        self._random = Random(f"{account.seed}:flow logs")
        self._captures: dict[str, Capture] = {}
        self._gathered: defaultdict[str, list[Record]] = defaultdict(list)
        self._asked: set[str] = set()
        self._by_resource: defaultdict[str, list[FlowLog]] = defaultdict(list)
        self._skips: list[Skip] = []
        self._places: dict[str, Place] = {}
        self._never_logged: dict[str, tuple[str, str]] = {}

    def add(self, log: FlowLog) -> None:
        """Log from now on."""
        self[log.id] = log
        self._captures[log.id] = Capture(log, self._is_skipped, self._lag)
        self._by_resource[log.resource].append(log)
        if log.bucket:
            self._await(log, int(self._account.clock.timestamp()) // SLOT)

    def remove(self, log_id: str) -> None:
        """Log no more; what was seen already is delivered."""
        log = self.pop(log_id)
        self._by_resource[log.resource].remove(log)

    def see(self, packets: Packets) -> None:
        """Packets that an interface sees, now or later."""
        place = packets.place
        logs = [log for resource in (place.vpc, place.subnet, place.interface) for log in self._by_resource[resource]]
        if not logs or not self._is_logged(packets):
            return
        for log in logs:
            if log.takes(packets):
                self._captures[log.id].add(packets)

    def skip(self, since: float, until: float, interface: str = "") -> None:
        """Lose the records of an interface, or of all, for a while: SKIPDATA says so."""
        self._skips.append(Skip(interface, since, until))

    def begin_outage(self, log_id: str, seconds: float) -> None:
        """Let a log deliver nothing for a while; what it would have delivered is lost."""
        log = self[log_id]
        log.failure = ACCESS_ERROR
        self._account.clock.after(seconds, lambda: setattr(log, "failure", ""))

    def deliver_soon(self, log_id: str) -> None:
        """Deliver with the next slot what was gathered."""
        self._asked.add(log_id)

    def place_of(self, eni: Any, facts: Mapping[str, str] | None = None) -> Place:
        """What records say of an interface (moto's)."""
        account = self._account
        return Place(
            interface=eni.id,
            account=account.account_id,
            vpc=eni.subnet.vpc_id,
            subnet=eni.subnet.id,
            region=account.region,
            zone=eni.subnet.availability_zone_id,
            addresses=(eni.private_ip_address, *eni.ipv6_addresses[:1]),
            instance=eni.instance.id if eni.instance else "-",
            kind=eni.interface_type,
            facts=facts or {},
        )

    def _known_place(self, eni: Any) -> Place:
        if eni.id not in self._places:
            self._places[eni.id] = self.place_of(eni)
        return self._places[eni.id]

    def _is_logged(self, packets: Packets) -> bool:
        if self.privatelink and frozenset((packets.source, packets.destination)) in self.privatelink:
            return False
        place = packets.place
        if place.subnet not in self._never_logged:
            ec2 = self._account.backend("ec2")
            router = _numbered(ec2.get_subnet(place.subnet).cidr_block, 1)
            self._never_logged[place.subnet] = router, _numbered(ec2.get_vpc(place.vpc).cidr_block, 2)
        router, resolver = self._never_logged[place.subnet]
        return is_logged(packets, router, resolver)

    def _is_skipped(self, interface: str, since: float, until: float) -> bool:
        asked = any(one.interface in ("", interface) and one.since < until and since < one.until for one in self._skips)
        return self._account.faults.occurs("records_skipped") or asked

    def _lag(self, interface: str) -> float:
        return self.longest_lag * crc32(interface.encode()[::-1]) / 2**32

    # Delivery

    def _await(self, log: FlowLog, slot: int) -> None:
        """Aggregate a slot when all intervals are over that have begun in it."""
        self._account.clock.at((slot + 1) * SLOT + log.aggregation, partial(self._aggregate, log, slot))

    def _aggregate(self, log: FlowLog, slot: int) -> None:
        capture = self._captures[log.id]
        places = [
            place for place in map(self._known_place, self._account.state(Interfaces).values()) if log.covers(place)
        ]
        records = list(capture.records(slot, places))
        if log.id in self:
            self._await(log, slot + 1)
        elif not records:
            del self._captures[log.id]
            return
        faults = self._account.faults
        if not records:
            return
        if log.failure or faults.occurs("log_file_lost"):
            self.missing.append(Missing(log.id, slot, records))
            return
        gathered = self._gathered[log.id]
        gathered += records
        if not self._is_due(log, slot, records):
            return
        records = self._gathered.pop(log.id)
        for call in self.before_delivery:
            call()
        late = self._random.uniform(0, self.longest_late) if faults.occurs("log_file_late") else 0.0
        deliver = partial(self._deliver, log, slot, records)
        self._account.clock.after(self._random.uniform(*self.delay) + late, deliver)
        if faults.occurs("log_file_doubled"):
            self._account.clock.after(self._random.uniform(self.delay[1], self.longest_late), deliver)

    def _is_due(self, log: FlowLog, slot: int, records: Sequence[Record]) -> bool:
        """Whether what was gathered is delivered with a slot."""
        is_asked = log.id in self._asked
        self._asked.discard(log.id)
        has_rejected = any(one.packets is not None and not one.packets.is_accepted for one in records)
        return is_asked or has_rejected or (slot + 1) * SLOT % self.together == 0

    def _deliver(self, log: FlowLog, slot: int, records: Sequence[Record]) -> None:
        account = self._account
        body = files.body(log, records)
        for record in records:
            if record.packets is not None:
                record.packets.delivered += 1
                record.packets.delivered_at = min(record.packets.delivered_at, account.clock.timestamp())
        key = files.key(log, account.account_id, account.region, slot, body)
        backend(account).put_object(log.bucket, key, body)


def _numbered(block: str, number: int) -> str:
    return str(ip_network(block)[number])
