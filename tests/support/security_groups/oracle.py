"""What flow records say of rules, read slowly: record by record, rule by rule, in plain Python.

Shares nothing with what it proves but the nouns of the model, so both must be wrong in the same way to agree on it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from itertools import pairwise
from typing import NamedTuple

from berthmaster.security_groups.model import flows as model
from berthmaster.security_groups.model.evidence import Verdict
from berthmaster.security_groups.model.rules import (
    ALL_PORTS,
    ANY,
    ICMP,
    ICMPV6,
    TCP,
    UDP,
    Direction,
    GroupReference,
    PrefixListReference,
    Rule,
)
from berthmaster.security_groups.model.topology import Address, Interface, Span, Topology
from tests.support.security_groups.log_files import LogFile

SYN, RST, SYN_ACK = 2, 4, 18
ANYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))
LINK_LOCAL = (ip_network("169.254.0.0/16"), ip_network("fd00:ec2::/32"))
DHCP = {67, 68, 546, 547}
SLOT, MINUTE, LAG = 300, 60, 60


class Match(IntEnum):
    """Whether a rule allows a packet."""

    NO = 0
    MAYBE = 1
    SURE = 2


class Record(NamedTuple):
    """A line. Times in seconds; None: not told."""

    log: str
    interface: str
    vpc: str
    source: Address
    destination: Address
    packet_source: Address | None
    packet_destination: Address | None
    source_port: int
    destination_port: int
    protocol: int
    flags: int
    is_inbound: bool | None
    start: float
    end: float


class Connection(NamedTuple):
    """Records of the same ends. Addresses and ports of the interface's side are local."""

    log: str
    interface: str
    local: Address
    remote: Address
    local_port: int
    remote_port: int
    protocol: int


@dataclass
class Use:
    """Records of one quality."""

    records: int = 0
    first: float = float("inf")
    last: float = float("-inf")
    peers: set[Address] = field(default_factory=set)
    ports: set[int] = field(default_factory=set)


@dataclass
class Judged:
    """What is said of a rule."""

    conversations: Use = field(default_factory=Use)
    possible: Use = field(default_factory=Use)
    knocks: Use = field(default_factory=Use)
    exclusive: int = 0
    verdict: Verdict = Verdict.UNKNOWN


# The records.


def _told(row: Mapping[str, str], name: str) -> str | None:
    value = row.get(name, "-")
    return None if value in {"-", ""} else value


def _seconds(text: str) -> float:
    value = float(text)
    return value / 1000 if value > 1e11 else value


def accepted(files: Iterable[LogFile]) -> Iterator[Record]:
    """The records that can credit anything."""
    for file in files:
        for row in file.rows:
            if row["log-status"] != "OK" or row["action"] != "ACCEPT":
                continue
            packet_source, packet_destination = _told(row, "pkt-srcaddr"), _told(row, "pkt-dstaddr")
            direction = _told(row, "flow-direction")
            yield Record(
                log=file.log,
                interface=row["interface-id"],
                vpc=_told(row, "vpc-id") or "",
                source=ip_address(row["srcaddr"]),
                destination=ip_address(row["dstaddr"]),
                packet_source=ip_address(packet_source) if packet_source else None,
                packet_destination=ip_address(packet_destination) if packet_destination else None,
                source_port=int(row["srcport"]),
                destination_port=int(row["dstport"]),
                protocol=int(row["protocol"]),
                flags=int(_told(row, "tcp-flags") or 0),
                is_inbound=None if direction is None else direction == "ingress",
                start=_seconds(row["start"]),
                end=_seconds(row["end"]),
            )


# Time.


def pieces(topology: Topology, first: float, last: float) -> list[tuple[float, float]]:
    """The times from first to last within which no rule and no prefix list changed, each as long as it really is."""
    subjects = [*topology.rules.values(), *topology.prefix_lists.values()]
    changes = {time for spans in subjects for span in spans for time in (span.since, span.until)}
    cuts = sorted({*changes, float("-inf"), float("inf")})
    return [(since, until) for since, until in pairwise(cuts) if since <= last and until >= first]


def in_force[T](spans: Sequence[Span[T]], piece: tuple[float, float]) -> list[T]:
    """What may have held in a piece of time."""
    return [span.value for span in spans if span.since <= piece[0] and span.until >= piece[1]]


def held_by(interface: Interface, address: Address) -> bool:
    """Whether it is one of its addresses, or in one of its prefixes."""
    return address in interface.addresses or any(address in prefix for prefix in interface.prefixes)


# Rules and packets.


class Judge:
    """Rules of one topology."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.judged = {rule: Judged() for rule in topology.rules}

    def credit(self, files: Iterable[LogFile]) -> None:
        """Read everything that is read at once."""
        connections: dict[tuple[Connection, bool], list[tuple[Record, bool]]] = {}
        for record in accepted(files):
            readings = self.readings(record)
            for is_inbound in readings:
                key = Connection(
                    record.log,
                    record.interface,
                    record.destination if is_inbound else record.source,
                    record.source if is_inbound else record.destination,
                    record.destination_port if is_inbound else record.source_port,
                    record.source_port if is_inbound else record.destination_port,
                    record.protocol,
                )
                connections.setdefault((key, len(readings) == 1), []).append((record, is_inbound))
        for (connection, is_known), records in connections.items():
            self.connection(connection, records, is_known=is_known)

    def readings(self, record: Record) -> tuple[bool, ...]:
        """Whether it came in; both if that cannot be told."""
        if record.is_inbound is not None:
            return (record.is_inbound,)
        holders = [span.value for span in self.topology.interfaces.get(record.interface, ())]
        is_in = any(held_by(one, record.destination) for one in holders)
        is_out = any(held_by(one, record.source) for one in holders)
        return (True, False) if is_in == is_out else (is_in,)

    def connection(self, connection: Connection, records: Sequence[tuple[Record, bool]], *, is_known: bool) -> None:
        """Who opened it, and which rules may have let them."""
        first, last = min(one.start for one, _ in records), max(one.end for one, _ in records)
        peers = {connection.remote}
        for record, is_inbound in records:
            packet = record.packet_source if is_inbound else record.packet_destination
            peers |= {packet} if packet else set()
        vpcs = {record.vpc for record, _ in records if record.vpc}
        flow = Flow(self.topology, connection, peers=peers, vpcs=vpcs, first=first, last=last)
        came = [one.flags for one, is_inbound in records if is_inbound]
        went = [one.flags for one, is_inbound in records if not is_inbound]
        openings = []
        if is_known and connection.protocol == TCP:
            for is_inbound, there, back in ((True, came, went), (False, went, came)):
                syns = sum(is_syn(flags) for flags in there)
                syn_acks = sum(is_syn_ack(flags) for flags in back)
                if syns or syn_acks:
                    answers = [flags for flags in back if is_syn_ack(flags) or not (is_syn(flags) or flags & RST)]
                    openings.append((is_inbound, bool(answers), syns or syn_acks))
        for is_inbound, is_answered, count in openings:
            self.opened(flow, count, is_inbound=is_inbound, is_answered=is_answered)
        if not openings:
            self.not_opened(flow, len(records), is_both_ways=is_known and bool(came) and bool(went))

    def flow(self, seen: model.Flow) -> None:
        """What connections that are alike have in common."""
        inside, outside = seen.ports[0], seen.peer_ports[0]
        if seen.is_inbound is False:
            inside, outside = outside, inside
        nowhere = ANYWHERE[seen.peer.version == 6].network_address
        connection = Connection(seen.log, seen.interface, nowhere, seen.peer, inside, outside, seen.protocol)
        vpcs = {seen.vpc} - {""}
        flow = Flow(
            self.topology, connection, peers={seen.peer, *seen.vias}, vpcs=vpcs, first=seen.first, last=seen.last
        )
        if seen.is_inbound is None:
            self.not_opened(flow, seen.records, is_both_ways=seen.quality == model.Quality.BOTH_WAYS)
        else:
            is_answered = seen.quality == model.Quality.CONVERSATION
            self.opened(flow, seen.records, is_inbound=seen.is_inbound, is_answered=is_answered)

    def opened(self, flow: "Flow", records: int, *, is_inbound: bool, is_answered: bool) -> None:
        """Who opened it is known."""
        direction = Direction.INGRESS if is_inbound else Direction.EGRESS
        port = flow.connection.local_port if is_inbound else flow.connection.remote_port
        found, replies = flow.match(direction, port), flow.match_replies(direction, port)
        self.exclusive(list(found), records)
        for rule, match in {**replies, **found}.items():
            judged = self.judged[rule]
            use = judged.possible if match == Match.MAYBE else judged.conversations if is_answered else judged.knocks
            self.add(use, flow, rule, records, port)

    def not_opened(self, flow: "Flow", records: int, *, is_both_ways: bool) -> None:
        """Who opened it is not known."""
        ports = {Direction.INGRESS: flow.connection.local_port, Direction.EGRESS: flow.connection.remote_port}
        found = {direction: flow.match(direction, port) for direction, port in ports.items()}
        self.exclusive([rule for matches in found.values() for rule in matches], records)
        is_settled = is_both_ways and bool(found[Direction.INGRESS]) != bool(found[Direction.EGRESS])
        for direction, matches in found.items():
            for rule, match in matches.items():
                judged = self.judged[rule]
                use = judged.conversations if is_settled and match == Match.SURE else judged.possible
                self.add(use, flow, rule, records, ports[direction])

    def exclusive(self, rules: Sequence[str], records: int) -> None:
        """Only one rule could have allowed these records."""
        if len(rules) == 1:
            self.judged[rules[0]].exclusive += records

    def add(self, use: Use, flow: "Flow", rule: str, records: int, port: int) -> None:
        """Credit a rule."""
        use.records += records
        use.first, use.last = min(use.first, flow.first), max(use.last, flow.last)
        use.peers |= flow.peers_of(rule, port)
        use.ports |= {port} if flow.connection.protocol in {TCP, UDP} else set()


def is_syn(flags: int) -> bool:
    """Sent by who opens a connection."""
    return flags & SYN_ACK == SYN


def is_syn_ack(flags: int) -> bool:
    """Sent by who accepts it."""
    return flags & SYN_ACK == SYN_ACK


class Flow:
    """One connection in its time, which begins earlier than its records say, by AWS's own word."""

    def __init__(
        self,
        topology: Topology,
        connection: Connection,
        *,
        peers: set[Address],
        vpcs: set[str],
        first: float,
        last: float,
    ) -> None:
        self.topology, self.connection, self.peers = topology, connection, peers
        self.first, self.last = first, last
        self.since = first - LAG
        spans = topology.interfaces.get(connection.interface, ())
        self.interfaces: list[Interface | None] = [
            span.value for span in spans if span.overlaps(self.since, self.last)
        ] or [None]
        self.pieces = pieces(topology, self.since, self.last)
        self.vpcs = vpcs or self._vpcs_of_log()

    def _vpcs_of_log(self) -> set[str]:
        """Of the flow log's resource; empty if that does not tell it."""
        log = (self.topology.flow_logs or {}).get(self.connection.log)
        if log is None:
            return set()
        if log.resource.startswith("vpc-"):
            return {log.resource}
        spans = [span.value for spans in self.topology.interfaces.values() for span in spans]
        return {one.vpc for one in spans if log.resource == one.subnet}

    def match(self, direction: Direction, port: int) -> dict[str, Match]:
        """The rules that may have let it be opened in that direction, at any time and in any state of its interface."""
        return self._in_all_worlds(
            self._match_in(interface, piece, direction, port) for interface in self.interfaces for piece in self.pieces
        )

    def match_replies(self, direction: Direction, port: int) -> dict[str, Match]:
        """The rules of the other direction that carry its replies, because it is not tracked."""
        if self.connection.protocol not in {TCP, UDP}:
            return {}
        return self._in_all_worlds(
            self._replies_in(interface, piece, direction, port)
            for interface in self.interfaces
            for piece in self.pieces
        )

    def _in_all_worlds(self, worlds: Iterable[dict[str, Match]]) -> dict[str, Match]:
        """Sure is what is sure in all of them; of an interface that nobody recorded nothing is."""
        found = list(worlds)
        return {
            rule: min((world.get(rule, Match.MAYBE) for world in found), default=Match.MAYBE)
            if self.interfaces != [None]
            else Match.MAYBE
            for rule in {rule for world in found for rule in world}
        }

    def _match_in(
        self, interface: Interface | None, piece: tuple[float, float], direction: Direction, port: int
    ) -> dict[str, Match]:
        """The rules that match in one state of the interface and in one piece of time."""
        found: dict[str, Match] = {}
        for rule_id, is_sure, rule in self._rules_in(interface, piece, direction):
            if self._allows(rule, port):
                match = max(self._match_peer(rule, peer, piece) for peer in self.peers)
                found[rule_id] = max(found.get(rule_id, Match.NO), match if is_sure else min(match, Match.MAYBE))
        found = {rule: match for rule, match in found.items() if match}
        if len(found) > 1:
            for rule_id, _, rule in self._rules_in(interface, piece, direction):
                # Records do not tell the type: another rule may have been the one.
                if rule_id in found and rule.protocol in {ICMP, ICMPV6} and rule.icmp != (ANY, ANY):
                    found[rule_id] = Match.MAYBE
        return found

    def _replies_in(
        self, interface: Interface | None, piece: tuple[float, float], direction: Direction, port: int
    ) -> dict[str, Match]:
        anywhere = ANYWHERE[self.connection.remote.version == 6]
        matches = self._match_in(interface, piece, direction, port)
        openers = [
            matches[rule_id]
            for rule_id, _, rule in self._rules_in(interface, piece, direction)
            if rule_id in matches and rule.peer == anywhere
        ]
        carrying = {
            rule_id: Match.SURE if is_sure else Match.MAYBE
            for rule_id, is_sure, rule in self._rules_in(interface, piece, direction.opposite)
            if rule.peer == anywhere
            and (rule.protocol == ANY or (rule.protocol == self.connection.protocol and rule.ports == ALL_PORTS))
        }
        return {rule_id: min(match, max(openers)) for rule_id, match in carrying.items()} if openers else {}

    def _rules_in(
        self, interface: Interface | None, piece: tuple[float, float], direction: Direction
    ) -> Iterator[tuple[str, bool, Rule]]:
        """Rules of the interface's groups, and whether they were that and nothing else."""
        for rule_id, spans in self.topology.rules.items():
            versions = in_force(spans, piece)
            terms = {(one.group, one.direction, one.protocol, one.ports, one.icmp, one.peer) for one in versions}
            for rule in versions:
                if rule.direction == direction and self._has(interface, rule.group):
                    yield rule_id, len(terms) == 1, rule

    def _has(self, interface: Interface | None, group: str) -> bool:
        """Whether the interface has a group; if nobody recorded it, whether it may."""
        if interface:
            return group in interface.groups
        known = self.topology.groups.get(group)
        return not self.vpcs or not known or not known.vpc or known.vpc in self.vpcs

    def _allows(self, rule: Rule, port: int) -> bool:
        """By protocol and port."""
        if rule.protocol not in {ANY, self.connection.protocol}:
            return False
        return rule.protocol not in {TCP, UDP} or rule.ports[0] <= port <= rule.ports[1]

    def _match_peer(self, rule: Rule, address: Address, piece: tuple[float, float]) -> Match:
        """Whether an address is a rule's peer."""
        match rule.peer:
            case IPv4Network() | IPv6Network():
                return Match.SURE if address in rule.peer else Match.NO
            case PrefixListReference(prefix_list):
                versions = [one.entries for one in in_force(self.topology.prefix_lists.get(prefix_list, ()), piece)]
                if not versions:
                    return Match.MAYBE
                if not any(address in entry for entries in versions for entry in entries):
                    return Match.NO
                return Match.SURE if len(set(versions)) == 1 else Match.MAYBE
            case GroupReference(group):
                return self._match_group(rule, group, address)

    def _match_group(self, rule: Rule, group: str, address: Address) -> Match:
        """By who held the address."""
        if not knows_members(self.topology, rule):
            return Match.MAYBE
        spans = [span for spans in self.topology.interfaces.values() for span in spans]
        holders = [span for span in spans if span.overlaps(self.since, self.last) and held_by(span.value, address)]
        sure = [one.value for one in holders if one.is_sure(self.since, self.last) and _is_alone(one, holders)]
        if any(group in one.groups for one in sure):
            return Match.SURE
        if any(group in one.value.groups for one in holders):
            return Match.MAYBE
        vpc = self.topology.groups[group].vpc
        if any(one.vpc == vpc for one in sure):
            return Match.NO
        return Match.MAYBE if may_be_in_vpc(self.topology, vpc, address) else Match.NO

    def peers_of(self, rule_id: str, port: int) -> set[Address]:
        """Those of the peer's addresses that the rule may allow."""
        return {
            peer
            for peer in self.peers
            for piece in self.pieces
            for rule in in_force(self.topology.rules[rule_id], piece)
            if self._allows(rule, port) and self._match_peer(rule, peer, piece)
        }


def _is_alone(span: Span[Interface], holders: Iterable[Span[Interface]]) -> bool:
    """Whether nobody with other groups may have held the address in its VPC."""
    return all(one.value.vpc != span.value.vpc or one.value.groups == span.value.groups for one in holders)


def knows_members(topology: Topology, rule: Rule) -> bool:
    """Whether the interfaces of the group that a rule names are in the topology: not of a group of another account."""
    if not isinstance(rule.peer, GroupReference) or rule.peer.group not in topology.groups:
        return False
    groups = [topology.groups[group] for group in (rule.group, rule.peer.group) if group in topology.groups]
    return len({rule.peer.owner, *(group.owner for group in groups)} - {""}) <= 1


def may_be_in_vpc(topology: Topology, vpc: str, address: Address) -> bool:
    """By its blocks. If they are not known: any IPv6 address, since those are public, and IPv4 that is not."""
    cidrs = topology.vpcs[vpc].cidrs if vpc in topology.vpcs else ()
    if cidrs:
        return any(address in cidr for cidr in cidrs)
    return address.version == 6 or not address.is_global


# What follows from what was seen, and from what could not be.


def judge(files: Sequence[LogFile], topology: Topology) -> dict[str, Judged]:
    """What is said of each rule, if the window is from the first record to the last."""
    judge_ = Judge(topology)
    judge_.credit(files)
    for rule_id, judged in judge_.judged.items():
        rule = topology.rules[rule_id][-1].value
        if judged.conversations.records:
            judged.verdict = Verdict.USED
        elif judged.possible.records:
            judged.verdict = Verdict.POSSIBLY_USED
        elif judged.knocks.records:
            is_lost = is_mostly_lost(files, topology, rule.group)
            judged.verdict = Verdict.UNKNOWN if is_lost else Verdict.SCANNED_ONLY
        elif any(reasons_to_doubt(files, topology, rule)):
            judged.verdict = Verdict.UNKNOWN
        else:
            judged.verdict = Verdict.UNUSED
    return judge_.judged


def reasons_to_doubt(files: Sequence[LogFile], topology: Topology, rule: Rule) -> Iterator[bool]:
    """Whether disuse cannot be said of a rule that no record credits."""
    carriers = carriers_of(topology, rule.group)
    yield any(not is_logged(files, topology, interface) for interface in carriers)
    yield is_mostly_lost(files, topology, rule.group)
    vpc = topology.groups[rule.group].vpc
    yield (
        not carriers
        and bool(vpc)
        and not any(is_complete(files, topology, log) for log in logs_of_vpc(files, topology, vpc))
    )
    match rule.peer:
        case GroupReference():
            yield not knows_members(topology, rule)
        case PrefixListReference(prefix_list):
            yield prefix_list not in topology.prefix_lists
        case IPv4Network() | IPv6Network() as network:
            yield any(network.version == one.version and network.subnet_of(one) for one in LINK_LOCAL)  # type: ignore[arg-type]
    kinds = {one.kind for one in carriers}
    yield bool(kinds & {"efa", "efa-only"}) and rule.protocol == ANY
    yield rule.direction == Direction.INGRESS and "network_load_balancer" in kinds
    yield rule.protocol == UDP and {*range(rule.ports[0], rule.ports[1] + 1)} <= DHCP


def carriers_of(topology: Topology, group: str) -> list[Interface]:
    """The interfaces that have a group."""
    interfaces = (span.value for spans in topology.interfaces.values() for span in spans)
    return [one for one in interfaces if group in one.groups]


def is_logged(files: Sequence[LogFile], topology: Topology, interface: Interface) -> bool:
    """Whether some flow log shows everything that the interface accepted in the window."""
    if topology.flow_logs:
        resources = {interface.id, interface.subnet, interface.vpc}
        logs = {one.id for one in topology.flow_logs.values() if one.resource in resources}
    else:
        logs = {file.log for file in files for row in file.rows if row["interface-id"] == interface.id}
    return any(is_complete(files, topology, log) for log in logs)


def logs_of_vpc(files: Sequence[LogFile], topology: Topology, vpc: str) -> set[str]:
    """Those that would show an interface of the VPC that came and went."""
    if topology.flow_logs:
        return {one.id for one in topology.flow_logs.values() if one.resource == vpc}
    own = {id_ for id_, spans in topology.interfaces.items() for span in spans if span.value.vpc == vpc}
    return {
        file.log for file in files for row in file.rows if row["interface-id"] in own or _told(row, "vpc-id") == vpc
    }


def is_complete(files: Sequence[LogFile], topology: Topology, log: str) -> bool:
    """Whether a log shows accepted traffic, and has no hole."""
    declared = (topology.flow_logs or {}).get(log)
    rows = [row for file in files if file.log == log for row in file.rows]
    if not rows or (declared and (not declared.is_active or declared.traffic_type == "REJECT")):
        return False
    if declared is None and {row["action"] for row in rows} - {"-"} == {"REJECT"}:
        return False
    window = [times_of(row) for file in files for row in file.rows]
    own = [times_of(row) for row in rows]
    is_long = declared.aggregation == 600 if declared else max(end - start for start, end in own) > SLOT
    return longest_silence(own, min(start for start, _ in window), max(end for _, end in window)) < (
        5 if is_long else 3
    )


def times_of(row: Mapping[str, str]) -> tuple[float, float]:
    """Start and end of a record, whatever it says; the second of its end is no longer its own."""
    start, end = _seconds(row["start"]), _seconds(row["end"])
    return start, max(start + 1, end)


def longest_silence(own: Iterable[tuple[float, float]], first: float, last: float) -> int:
    """How many slots from first to last pass in a row without a record."""
    heard = {slot for start, end in own for slot in range(int(start // SLOT), int((end - 1) // SLOT) + 1)}
    silent = longest = 0
    for slot in range(int(first // SLOT), int((last - 1) // SLOT) + 1):
        silent = 0 if slot in heard else silent + 1
        longest = max(longest, silent)
    return longest


def is_mostly_lost(files: Sequence[LogFile], topology: Topology, group: str) -> bool:
    """Whether records were lost in more than half of the minutes of any of the group's interfaces."""
    return any(is_interface_mostly_lost(files, one.id) for one in carriers_of(topology, group))


def is_interface_mostly_lost(files: Sequence[LogFile], interface: str) -> bool:
    """Whether SKIPDATA is in more than half of the minutes from its first to its last record, all logs together."""
    lost = logged = 0.0
    for log in {file.log for file in files}:
        rows = [row for file in files if file.log == log for row in file.rows if row["interface-id"] == interface]
        times = [times_of(row) for row in rows]
        if times:
            logged += max(1.0, (max(end for _, end in times) - min(start for start, _ in times)) / MINUTE)
        lost += len(
            {
                minute
                for row, (start, end) in zip(rows, times, strict=True)
                if row["log-status"] == "SKIPDATA"
                for minute in range(int(start // MINUTE), int((end - 1) // MINUTE) + 1)
            }
        )
    return lost > logged / 2
