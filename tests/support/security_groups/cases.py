"""Rules and records in a line each, for cases whose verdict the words of the documentation settle.

A rule: `in tcp 443 0.0.0.0/0`, `sg-db out any sg-web`, `in icmp 8 pl-1`; of sg-web if it names no group.
A record: `54.1.2.3:40000 > 10.0.1.10:443 tcp S`: what eni-web received, ten minutes into a window of forty in which its
flow log was never silent. Words after that are flags of TCP (S, SA, R, F, A) or fields, such as `interface-id=eni-x`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from berthmaster.security_groups.model.rules import (
    ALL_PORTS,
    ANY,
    Direction,
    Group,
    GroupReference,
    Peer,
    PrefixList,
    PrefixListReference,
    Rule,
)
from berthmaster.security_groups.model.topology import FlowLog, Interface, Span, Topology, Vpc
from tests.support.security_groups.drawn import START
from tests.support.security_groups.log_files import NEEDED, LogFile, name_of

LOG = "fl-0a"
WINDOW = 2400
"""Seconds."""
FIELDS = (*NEEDED, "vpc-id", "tcp-flags", "pkt-srcaddr", "pkt-dstaddr", "flow-direction")
STATUS_FIELDS = ("interface-id", "action", "log-status", "start", "end")
FLAGS = {"F": 1, "S": 2, "SF": 3, "R": 4, "SA": 18, "SAF": 19, "A": 0}
PROTOCOLS = {"any": ANY, "tcp": 6, "udp": 17, "icmp": 1, "icmpv6": 58, "esp": 50}
WEB = ("10.0.1.10", "10.0.1.11", "2a05:d018:1::10")


@dataclass(frozen=True)
class Case:
    """rules: text → verdict. fields: of the flow log. alive: whether it has records of eni-web in every slot."""

    rules: Mapping[str, str]
    records: tuple[str, ...] = ()
    fields: tuple[str, ...] = FIELDS
    alive: bool = True
    groups: tuple[str, ...] = ("sg-web",)
    kind: str = "interface"
    logs: tuple[FlowLog, ...] | None = None

    def topology(self) -> Topology:
        """The network of all cases, with the rules of this one."""
        web = Interface(
            id="eni-web",
            vpc="vpc-a",
            subnet="subnet-a",
            groups=self.groups,
            addresses=tuple(map(ip_address, WEB)),
            prefixes=(ip_network("10.0.1.32/28"),),
            kind=self.kind,
        )
        database = Interface(
            id="eni-db",
            vpc="vpc-a",
            subnet="subnet-a",
            groups=("sg-db",),
            addresses=(ip_address("10.0.2.20"),),
            prefixes=(ip_network("10.0.2.32/28"),),
        )
        groups = {"sg-web": "vpc-a", "sg-db": "vpc-a", "sg-more": "vpc-a", "sg-far": "vpc-b"}
        rules = {text: rule_of(text) for text in self.rules}
        entries = frozenset({ip_network("54.1.2.0/24")})
        return Topology(
            interfaces={one.id: (Span(one),) for one in (web, database)},
            rules={text: (Span(rule),) for text, rule in rules.items()},
            prefix_lists={"pl-1": (Span(PrefixList(id="pl-1", entries=entries)),)},
            groups={id_: Group(id=id_, vpc=vpc, owner="1") for id_, vpc in groups.items()},
            vpcs={"vpc-a": Vpc(id="vpc-a", cidrs=(ip_network("10.0.0.0/16"), ip_network("2a05:d018:1::/56")))},
            flow_logs=None if self.logs is None else {one.id: one for one in self.logs},
        )

    def file(self) -> LogFile:
        """The records of this case, and those that show that the log was active."""
        rows = [*map(row_of, self.records), *(alive() if self.alive else ())]
        rows += alive(("eni-db",))
        return LogFile(
            name_of(LOG, 0), self.fields, tuple({k: row[k] for k in self.fields if k in row} for row in rows)
        )


def rule_of(text: str) -> Rule:
    """The rule whose id is its text."""
    words = text.split()
    group = words.pop(0) if words[0].startswith("sg-") else "sg-web"
    direction, protocol, *numbers, peer = words
    ports, icmp = ALL_PORTS, (ANY, ANY)
    if numbers and protocol in {"tcp", "udp"}:
        first, _, last = numbers[0].partition("-")
        ports = (int(first), int(last or first))
    elif numbers:
        icmp = (int(numbers[0]), ANY)
    return Rule(
        id=text,
        group=group,
        direction=Direction.INGRESS if direction == "in" else Direction.EGRESS,
        protocol=PROTOCOLS[protocol],
        ports=ports,
        icmp=icmp,
        peer=peer_of(peer),
    )


def peer_of(text: str) -> Peer:
    """`sg-x@2` is a group of account 2."""
    if text.startswith("sg-"):
        group, _, owner = text.partition("@")
        return GroupReference(group=group, owner=owner)
    return PrefixListReference(text) if text.startswith("pl-") else ip_network(text)


def row_of(text: str) -> dict[str, str]:
    """A record of eni-web, accepted unless it says otherwise."""
    source, _, destination, protocol, *words = text.split()
    (srcaddr, srcport), (dstaddr, dstport) = map(_end, (source, destination))
    is_in = dstaddr in WEB
    row = {
        "interface-id": "eni-web",
        "vpc-id": "vpc-a",
        "srcaddr": srcaddr,
        "srcport": srcport,
        "dstaddr": dstaddr,
        "dstport": dstport,
        "pkt-srcaddr": srcaddr,
        "pkt-dstaddr": dstaddr,
        "protocol": str(PROTOCOLS[protocol]),
        "flow-direction": "ingress" if is_in else "egress",
        "tcp-flags": "0",
        "action": "ACCEPT",
        "log-status": "OK",
        "start": str(START + 600),
        "end": str(START + 650),
    }
    for word in words:
        name, is_field, value = word.partition("=")
        row |= {name: value} if is_field else {"tcp-flags": str(FLAGS[word])}
    return row if srcaddr != "-" else {name: row[name] for name in STATUS_FIELDS}


def _end(text: str) -> tuple[str, str]:
    if text.startswith("["):
        address, _, port = text[1:].partition("]")
        return address, port[1:] or "0"
    address, _, port = text.partition(":")
    return address, port or "0"


def status(since: float, until: float, value: str = "NODATA", interface: str = "eni-web") -> str:
    """A record that names nobody, from and until seconds of the window."""
    times = f"start={START + since:.0f} end={START + until:.0f}"
    return f"- > - any interface-id={interface} log-status={value} action=- {times}"


def alive(interfaces: Iterable[str] = ("eni-web",), missing: Iterable[int] = ()) -> Iterator[dict[str, str]]:
    """A record without traffic in every slot of the window, but for some."""
    for interface in interfaces:
        for slot in range(WINDOW // 300):
            if slot not in set(missing):
                yield row_of(status(slot * 300, slot * 300 + 60, interface=interface))
