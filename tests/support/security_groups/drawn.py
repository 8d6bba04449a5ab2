"""Random small networks, and what flow logs may have recorded of them.

Addresses, ports and peers come from pools so small that records and rules meet.
"""

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import NamedTuple

from hypothesis import strategies as st

from berthmaster.security_groups.model.flows import Flow, Quality
from berthmaster.security_groups.model.rules import (
    ALL_PORTS,
    ANY,
    ICMP,
    ICMPV6,
    TCP,
    UDP,
    Direction,
    Group,
    GroupReference,
    PrefixList,
    PrefixListReference,
    Rule,
)
from berthmaster.security_groups.model.topology import FlowLog, Interface, Span, Topology, Vpc
from tests.support.security_groups.log_files import NEEDED, LogFile, fields_of, name_of

START = 1_700_000_000 // 3600 * 3600
"""Of the window: 2023-11-14T22:00Z."""
MINUTES = 50
VPCS = ("vpc-a", "vpc-b")
GROUPS = ("sg-1", "sg-2", "sg-3")
INTERFACES = ("eni-1", "eni-2", "eni-3")
LOGS = ("fl-0a", "fl-0b")
IPV4 = tuple(map(ip_address, ("10.0.0.4", "10.0.0.9", "10.0.0.20", "10.1.0.5", "54.1.2.3", "54.1.2.4")))
IPV6 = tuple(map(ip_address, ("2a05:d018:1:2::4", "2a05:d018:1:2::9", "2a05:d018:1:2:3::7", "2600:1f00::9")))
PREFIXES = tuple(map(ip_network, ("10.0.0.16/28", "2a05:d018:1:2:3::/80")))
BLOCKS = tuple(map(ip_network, ("10.0.0.0/16", "10.1.0.0/16", "2a05:d018:1::/56")))
PEERS = (
    *map(ip_network, ("0.0.0.0/0", "::/0", "10.0.0.0/16", "10.0.0.4/32", "10.0.0.8/31", "54.1.2.0/29")),
    *map(ip_network, ("2a05:d018:1:2::/64", "2a05:d018::/32", "169.254.169.254/32")),
)
ENTRIES = tuple(map(ip_network, ("10.0.0.0/29", "54.1.2.3/32", "2a05:d018:1:2::/66", "10.1.0.0/16")))
PORTS = (22, 53, 443, 444, 1024, 40000, 40001)
RANGES = (ALL_PORTS, (443, 443), (443, 444), (22, 443), (1024, 65535), (53, 53), (67, 68))
PROTOCOLS = (TCP, TCP, TCP, UDP, ICMP, ICMPV6, 50)
FLAGS = (0, 1, 2, 3, 4, 5, 6, 18, 19, 22, 16)
OPTIONAL = ("vpc-id", "tcp-flags", "pkt-srcaddr", "pkt-dstaddr", "flow-direction")


@st.composite
def groups(draw: st.DrawFn) -> dict[str, Group]:
    """Some of this account, and one of another that may be in the topology."""
    found = {id_: Group(id=id_, vpc=draw(st.sampled_from(VPCS)), owner="1") for id_ in GROUPS}
    if draw(st.booleans()):
        found["sg-x"] = Group(id="sg-x", vpc="vpc-x", owner="2")
    return found


@st.composite
def rules(draw: st.DrawFn, number: int) -> Rule:
    """A rule of any kind."""
    protocol = draw(st.sampled_from((ANY, *PROTOCOLS)))
    peer = draw(
        st.one_of(
            st.sampled_from(PEERS),
            st.builds(GroupReference, st.sampled_from((*GROUPS, *GROUPS, "sg-x", "sg-gone")), st.sampled_from("11 2")),
            st.builds(PrefixListReference, st.sampled_from(("pl-1", "pl-gone"))),
        )
    )
    if isinstance(peer, GroupReference):
        peer = replace(peer, owner=peer.owner.strip())
    return Rule(
        id=f"sgr-{number}",
        group=draw(st.sampled_from(GROUPS)),
        direction=draw(st.sampled_from(Direction)),
        protocol=protocol,
        ports=draw(st.sampled_from(RANGES)) if protocol in {TCP, UDP} else ALL_PORTS,
        icmp=draw(st.sampled_from(((ANY, ANY), (8, ANY), (8, 0)))) if protocol in {ICMP, ICMPV6} else (ANY, ANY),
        peer=peer,
    )


@st.composite
def interfaces(draw: st.DrawFn, id_: str) -> Interface:
    """With some addresses; others may have the same ones."""
    vpc = draw(st.sampled_from(VPCS))
    return Interface(
        id=id_,
        vpc=vpc,
        subnet=f"subnet-{vpc}",
        groups=tuple(sorted(draw(st.sets(st.sampled_from(GROUPS), min_size=1, max_size=2)))),
        addresses=tuple(draw(st.lists(st.sampled_from(IPV4 + IPV6), min_size=1, max_size=3, unique=True))),
        prefixes=tuple(draw(st.lists(st.sampled_from(PREFIXES), max_size=1))),
        kind=draw(st.sampled_from(("interface",) * 5 + ("efa", "network_load_balancer"))),
    )


def vpcs() -> st.SearchStrategy[dict[str, Vpc]]:
    """With overlapping blocks, or blocks that nobody knows."""
    one = st.lists(st.sampled_from(BLOCKS), min_size=1, max_size=2, unique=True).map(tuple)
    return st.dictionaries(st.sampled_from(VPCS), one).map(
        lambda blocks: {vpc: Vpc(id=vpc, cidrs=cidrs) for vpc, cidrs in blocks.items()}
    )


def prefix_lists() -> st.SearchStrategy[PrefixList]:
    """One that is given."""
    return st.builds(PrefixList, id=st.just("pl-1"), entries=st.frozensets(st.sampled_from(ENTRIES), max_size=2))


@st.composite
def flow_logs(draw: st.DrawFn) -> dict[str, FlowLog] | None:
    """Declared or not."""
    ids = draw(st.none() | st.sets(st.sampled_from(LOGS)))
    if ids is None:
        return None
    return {
        id_: FlowLog(
            id=id_,
            resource=draw(st.sampled_from((*VPCS, *VPCS, "subnet-vpc-a", "eni-1"))),
            traffic_type=draw(st.sampled_from(("ALL", "ALL", "ACCEPT", "REJECT"))),
            aggregation=draw(st.sampled_from((60, 600))),
        )
        for id_ in sorted(ids)
    }


@st.composite
def topologies(draw: st.DrawFn, most: int = 7) -> Topology:
    """A network that does not change, with at most so many rules."""
    count = draw(st.integers(1, most))
    return Topology(
        interfaces={id_: (Span(draw(interfaces(id_))),) for id_ in INTERFACES[: draw(st.integers(1, 3))]},
        rules={f"sgr-{number}": (Span(draw(rules(number))),) for number in range(count)},
        prefix_lists={"pl-1": (Span(draw(prefix_lists())),)},
        groups=draw(groups()),
        vpcs=draw(vpcs()),
        flow_logs=draw(flow_logs()),
    )


class Line(NamedTuple):
    """A record, and in which file of its log it is."""

    file: int
    row: Mapping[str, str]


@st.composite
def _connections(draw: st.DrawFn, topology: Topology) -> list[Line]:
    """What is recorded of one connection, or of what looks like one."""
    known = topology.interfaces
    interface = draw(st.sampled_from((*known, *known, "eni-unknown")))
    spans = known.get(interface)
    family = draw(st.sampled_from((IPV4, IPV4, IPV6)))
    own = [one for one in spans[0].value.addresses if one in family] if spans else []
    local = draw(st.sampled_from(own or family)) if draw(st.integers(0, 7)) else draw(st.sampled_from(family))
    remote = draw(st.sampled_from([one for one in family if one != local]))
    protocol = draw(st.sampled_from(PROTOCOLS))
    ports = draw(st.sampled_from(PORTS)), draw(st.sampled_from(PORTS))
    ports = ports if protocol in {TCP, UDP} else (0, 0)
    via = draw(st.sampled_from((remote, remote, *family)))
    vpc = spans[0].value.vpc if spans else "vpc-b"
    found = []
    for _ in range(draw(st.integers(1, 4))):
        is_inbound = draw(st.booleans())
        start = START + 60 * draw(st.integers(0, MINUTES))
        ends = {
            "srcaddr": str(remote if is_inbound else local),
            "dstaddr": str(local if is_inbound else remote),
            "srcport": str(ports[is_inbound]),
            "dstport": str(ports[not is_inbound]),
            "pkt-srcaddr": str(via if is_inbound else local),
            "pkt-dstaddr": str(local if is_inbound else via),
            "flow-direction": "ingress" if is_inbound else "egress",
        }
        flags = str(draw(st.sampled_from(FLAGS))) if protocol == TCP else "0"
        action = draw(st.sampled_from(("ACCEPT",) * 5 + ("REJECT",)))
        rest = {"protocol": str(protocol), "tcp-flags": flags, "action": action, "log-status": "OK"}
        times = {"start": str(start), "end": str(start + draw(st.sampled_from((0, 30, 60, 599))))}
        found.append(Line(draw(st.integers(0, 2)), {"interface-id": interface, "vpc-id": vpc, **ends, **rest, **times}))
    return found


@st.composite
def _statuses(draw: st.DrawFn, topology: Topology) -> list[Line]:
    """Intervals without traffic, or whose records were lost."""
    start = START + 60 * draw(st.integers(0, MINUTES))
    row = {
        "interface-id": draw(st.sampled_from(tuple(topology.interfaces))),
        "start": str(start),
        "end": str(start + draw(st.sampled_from((60, 600, 1500)))),
        "log-status": draw(st.sampled_from(("NODATA", "NODATA", "SKIPDATA"))),
        "action": "-",
    }
    return [Line(draw(st.integers(0, 2)), row)]


@st.composite
def log_files(draw: st.DrawFn, topology: Topology, most: int = 12) -> list[LogFile]:
    """Files of one or two flow logs, with the records of some connections in any order, and files that came twice."""
    found: list[LogFile] = []
    for log in LOGS[: draw(st.integers(1, 2))]:
        version = draw(st.sampled_from((2, 3, 5, 8, 11)))
        chosen = {*NEEDED, *draw(st.lists(st.sampled_from(OPTIONAL)))}
        names = [name for name in fields_of(11) if name in chosen or draw(st.integers(0, 9)) < version // 3]
        fields = tuple(draw(st.permutations([*names, *draw(st.sampled_from(((), ("instance-tag",))))])))
        lines = [
            line
            for lines in draw(
                st.lists(st.one_of(*[_connections(topology)] * 4, _statuses(topology)), min_size=1, max_size=most)
            )
            for line in lines
        ]
        for number in range(3):
            rows = tuple(line.row for line in lines if line.file == number)
            if rows:
                found.append(draw(_as_file(log, number, fields, rows)))
    return found


@st.composite
def _as_file(
    draw: st.DrawFn, log: str, number: int, fields: tuple[str, ...], rows: tuple[Mapping[str, str], ...]
) -> LogFile:
    ending = draw(st.sampled_from(("log.gz", "log.gz", "log", "parquet")))
    if draw(st.integers(0, 3)) == 0:
        rows = tuple({**row, **{name: f"{row[name]}000" for name in ("start", "end")}} for row in rows)
    rows = tuple({name: row[name] for name in fields if name in row} for row in rows)
    return LogFile(
        path=name_of(log, 5 * number, ending=ending),
        fields=fields,
        rows=rows,
        has_underscores=draw(st.booleans()),
        integers=draw(st.sampled_from(("", "", "BIGINT", "USMALLINT"))) if ending == "parquet" else "",
    )


# Networks that change.

TIMES = tuple(START + 120 * number for number in range(8))


@st.composite
def changing[T](draw: st.DrawFn, values: st.SearchStrategy[T]) -> tuple[Span[T], ...]:
    """One that always was, or two whose change took place at some time, which may not be known, or that nobody saw."""
    if draw(st.booleans()):
        return (Span(draw(values), surely=draw(st.none() | _sureness())),)
    earlier, later = draw(st.sampled_from(TIMES)), draw(st.sampled_from(TIMES))
    return (
        Span(draw(values), until=earlier, surely=draw(st.none() | st.just((float("-inf"), earlier - 60.0)))),
        Span(draw(values), since=later, surely=draw(st.none() | st.just((later + 60.0, float("inf"))))),
    )


def _sureness() -> st.SearchStrategy[tuple[float, float]]:
    return st.sampled_from([(float(first), float(last)) for first in TIMES for last in TIMES if first < last])


def _of_one_group(spans: tuple[Span[Rule], ...]) -> tuple[Span[Rule], ...]:
    """A rule may change in everything but its group and direction."""
    first = spans[0].value
    return tuple(replace(one, value=replace(one.value, group=first.group, direction=first.direction)) for one in spans)


@st.composite
def changing_topologies(draw: st.DrawFn, most: int = 5) -> Topology:
    """A network that changes, with at most so many rules."""
    ids = [f"sgr-{number}" for number in range(draw(st.integers(1, most)))]
    return Topology(
        interfaces={id_: draw(changing(interfaces(id_))) for id_ in INTERFACES[: draw(st.integers(1, 3))]},
        rules={id_: _of_one_group(draw(changing(rules(number)))) for number, id_ in enumerate(ids)},
        prefix_lists={"pl-1": draw(changing(prefix_lists()))},
        groups=draw(groups()),
        vpcs=draw(vpcs()),
        flow_logs=draw(flow_logs()),
    )


@st.composite
def flows(draw: st.DrawFn) -> Flow:
    """A flow of one connection."""
    protocol = draw(st.sampled_from(PROTOCOLS))
    family = draw(st.sampled_from((IPV4, IPV4, IPV6)))
    is_inbound = draw(st.sampled_from((True, False, None))) if protocol == TCP else None
    known, unknown = (Quality.CONVERSATION, Quality.KNOCK), (Quality.BOTH_WAYS, Quality.ONE_WAY)
    port, other = draw(st.sampled_from(PORTS)), draw(st.sampled_from(PORTS)) if is_inbound is None else 0
    first = draw(st.sampled_from(TIMES)) + draw(st.sampled_from((0, 60, 61)))
    return Flow(
        log=draw(st.sampled_from(LOGS)),
        interface=draw(st.sampled_from((*INTERFACES, "eni-unknown"))),
        vpc=draw(st.sampled_from(("", *VPCS))),
        protocol=protocol,
        is_inbound=is_inbound,
        quality=draw(st.sampled_from(unknown if is_inbound is None else known)),
        peer=draw(st.sampled_from(family)),
        vias=tuple(draw(st.lists(st.sampled_from(family), max_size=1))),
        ports=(port, port) if protocol in {TCP, UDP} else (0, 0),
        peer_ports=(other, other) if protocol in {TCP, UDP} else (0, 0),
        records=draw(st.integers(1, 3)),
        first=first,
        last=first + draw(st.sampled_from((0, 60, 300))),
    )
