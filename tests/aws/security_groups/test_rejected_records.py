"""What files say was rejected, beside a reading record by record; and what EC2 says of those whom it concerns."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from berthmaster.security_groups.model.rejections import Rejected, Scene, Suspect
from berthmaster.security_groups.model.rules import ANY, ICMP, TCP, UDP, Direction
from berthmaster.security_groups.model.topology import Interface, Span, Topology, Vpc
from berthmaster.security_groups.observe import ec2_reads
from berthmaster.security_groups.observe.flow_formats import UnreadableFile
from berthmaster.security_groups.observe.rejected_records import Asked, read
from berthmaster.security_groups.observe.rejection_scene import read_scene, recalled
from berthmaster.security_groups.plan.suspects import Suspects
from simulator.cloud import Cloud
from simulator.errors import AwsError
from tests.support.security_groups.drawn import FLAGS, START
from tests.support.security_groups.log_files import LogFile, fields_of, name_of
from tests.support.security_groups.rejections import INGRESS, packets, removal, rule

OWN = "123456789012"
PORTS = (443, 444, 40000)
ADDRESSES = ("10.0.0.4", "10.0.0.9", "54.1.2.3", "2a05:d018:1:2::4")


@st.composite
def rows(draw: st.DrawFn) -> Mapping[str, str]:
    """A record of version 5."""
    protocol = draw(st.sampled_from([TCP, TCP, TCP, UDP, ICMP, 50]))
    has_ports = protocol in (TCP, UDP)
    start = START + draw(st.integers(0, 600))
    pkt = draw(st.sampled_from(["-", *ADDRESSES]))
    return {
        "version": "5",
        "interface-id": draw(st.sampled_from(["eni-1", "eni-2"])),
        "vpc-id": "vpc-a",
        "srcaddr": draw(st.sampled_from(ADDRESSES)),
        "dstaddr": draw(st.sampled_from(ADDRESSES)),
        "pkt-srcaddr": pkt,
        "pkt-dstaddr": draw(st.sampled_from(["-", *ADDRESSES])),
        "srcport": str(draw(st.sampled_from(PORTS)) if has_ports else 0),
        "dstport": str(draw(st.sampled_from(PORTS)) if has_ports else 0),
        "protocol": str(protocol),
        "tcp-flags": str(draw(st.sampled_from(FLAGS)) if protocol == TCP else 0),
        "flow-direction": draw(st.sampled_from(["ingress", "egress"])),
        "start": str(start),
        "end": str(start + draw(st.integers(0, 60))),
        "action": draw(st.sampled_from(["REJECT", "REJECT", "REJECT", "ACCEPT"])),
        "log-status": draw(st.sampled_from(["OK", "OK", "OK", "SKIPDATA"])),
    }


ASKED = st.builds(
    Asked,
    st.sampled_from(Direction),
    st.sampled_from([ANY, TCP, TCP, UDP, ICMP]),
    st.sampled_from([(0, 65535), (443, 443), (443, 444)]),
    st.sampled_from([0.0, START + 300.0]),
)


@dataclass(frozen=True)
class Line:
    """Of one record, what makes it alike for every rule."""

    interface: str
    direction: Direction | None
    protocol: int
    port: int
    sources: tuple[str, ...]
    destinations: tuple[str, ...]


def line_of(row: Mapping[str, str]) -> Line:
    """What one record says."""
    direction, protocol = row.get("flow-direction"), int(row["protocol"])
    ends = [
        tuple(dict.fromkeys(one for one in (row[name], row.get(f"pkt-{name}", "-")) if one != "-"))
        for name in ("srcaddr", "dstaddr")
    ]
    return Line(
        interface=row["interface-id"],
        direction=Direction(direction) if direction else None,
        protocol=protocol,
        port=int(row["dstport"]) if protocol in (TCP, UDP) else 0,
        sources=ends[0],
        destinations=ends[1],
    )


def line(one: Rejected) -> Line:
    ends = [tuple(map(str, end)) for end in (one.sources, one.destinations)]
    return Line(one.interface, one.direction, one.protocol, one.port, ends[0], ends[1])


def is_wanted(row: Mapping[str, str], latest: float, asked: list[Asked]) -> bool:
    """Whether a record is one that is asked for; latest: the end of the last one that is alike."""
    if row["action"] != "REJECT" or row["log-status"] != "OK":
        return False
    flags = int(row.get("tcp-flags", "2"))
    is_answer = {"SYN", "ACK"} <= names_of(flags) or ("RST" in names_of(flags) and "SYN" not in names_of(flags))
    found = line_of(row)
    if found.protocol == TCP and is_answer:
        return False
    return any(
        one.protocol in (ANY, found.protocol)
        and found.direction in (None, one.direction)
        and (found.protocol not in (TCP, UDP) or found.port in range(one.ports[0], one.ports[1] + 1))
        and latest >= one.since
        for one in asked
    )


def names_of(flags: int) -> set[str]:
    found = {name for name, bit in {"FIN": 1, "SYN": 2, "RST": 4, "ACK": 16}.items() if flags & bit}
    # An ACK by itself is not recorded; with RST it says no more than RST does.
    return found - {"ACK"} if "RST" in found and "SYN" not in found else found


@settings(max_examples=60, deadline=None)
@given(
    drawn=st.lists(rows(), max_size=12),
    version=st.sampled_from([2, 3, 5]),
    ending=st.sampled_from(["log", "log.gz", "parquet"]),
    asked=st.lists(ASKED, min_size=1, max_size=3),
    in_milliseconds=st.booleans(),
)
def test_what_is_asked_for_is_found_whatever_the_format(
    drawn: list[Mapping[str, str]], version: int, ending: str, asked: list[Asked], in_milliseconds: Any
) -> None:
    fields = fields_of(version)
    rows_ = [{name: value for name, value in row.items() if name in fields} for row in drawn]
    if in_milliseconds:
        written = [row | {name: f"{row[name]}000" for name in ("start", "end")} for row in rows_]
    else:
        written = rows_
    with TemporaryDirectory() as folder:
        path = LogFile(name_of("fl-0a", 0, ending=ending), fields, tuple(written)).write(Path(folder))
        found = list(read(path, (), asked, memory="200MB", threads=1))
    rejected = [row for row in rows_ if is_wanted(row, float("inf"), [Asked(d, ANY, (0, 65535), 0) for d in Direction])]
    latest: dict[Line, int] = {}
    for row in rejected:
        latest[line_of(row)] = max(latest.get(line_of(row), 0), int(row["end"]))
    wanted = [row for row in rejected if is_wanted(row, latest[line_of(row)], asked)]
    counted = Counter(map(line_of, wanted))
    assert {line(one): one.records for one in found} == dict(counted)
    assert {line(one): one.last for one in found} == {key: latest[key] for key in counted}


def test_a_file_without_a_header_is_read_as_its_log_says_and_a_broken_one_not_at_all(tmp_path: Path) -> None:
    row = "eni-1 10.0.0.9 10.0.0.4 443 40000 6 1700000000 1700000060 REJECT\n"
    declared = ("interface-id", "srcaddr", "dstaddr", "dstport", "srcport", "protocol", "start", "end", "action")
    path = tmp_path / "headless.log"
    path.write_text(row)
    asked = [Asked(INGRESS, TCP, (443, 443), 0.0)]
    [found] = read(path, declared, asked, memory="200MB", threads=1)
    assert (found.port, found.direction, found.vpc) == (443, None, "")
    path.write_text(f"{' '.join(declared)}\n{row}eni-1 nobody")
    with pytest.raises(UnreadableFile):
        list(read(path, (), asked, memory="200MB", threads=1))
    path.write_text("")
    assert list(read(path, (), asked, memory="200MB", threads=1)) == []


# What EC2 says


@dataclass
class Network:
    """Two groups with an interface each; EC2 has more interfaces than a filter takes values."""

    cloud: Cloud
    vpc: str
    subnet: str
    group: str
    interface: str

    @property
    def vpcs(self) -> Mapping[str, Vpc]:
        """All VPCs."""
        return ec2_reads.vpcs(self.cloud.client("ec2"))

    def suspects(self, *peers: str, at: str = "") -> list[Suspect]:
        """What a removed rule of the group may have allowed, at its interface or another one."""
        gone = removal(rule("sgr-1", "10.0.0.0/16", group=self.group))
        rejected = [packets(peer, interface=at or self.interface) for peer in peers]
        blocks = [block for vpc in self.vpcs.values() for block in vpc.cidrs]
        return Suspects([gone], blocks, OWN).among(rejected)

    def scene(self, suspects: list[Suspect]) -> Scene:
        """What EC2 has."""
        return read_scene(self.cloud.client("ec2"), suspects, self.vpcs, OWN)


@pytest.fixture
def network() -> Iterator[Network]:
    with Cloud(seed=1) as cloud:
        yield _network(cloud)


def _network(cloud: Cloud) -> Network:
    ec2 = cloud.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", AmazonProvidedIpv6CidrBlock=True)["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/22")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="db", Description="db", VpcId=vpc)["GroupId"]
    made = ec2.create_network_interface(SubnetId=subnet, Groups=[group])["NetworkInterface"]
    return Network(cloud, vpc, subnet, group, made["NetworkInterfaceId"])


def test_peers_are_found_by_any_of_their_addresses_however_many_they_are(network: Network) -> None:
    ec2 = network.cloud.client("ec2")
    made = [
        ec2.create_network_interface(SubnetId=network.subnet, SecondaryPrivateIpAddressCount=1)["NetworkInterface"]
        for _ in range(150)
    ]
    peers = [address["PrivateIpAddress"] for one in made for address in one["PrivateIpAddresses"]]
    scene = network.scene(network.suspects(*peers, "10.0.200.1"))
    assert len(peers) == 300
    assert all([one.id for one in scene.holders[ip_address(peer)]] for peer in peers)
    assert scene.holders[ip_address("10.0.200.1")] == ()
    assert scene.interfaces.keys() == {network.interface}
    assert {one.network for one in scene.acls[network.subnet].entries} == {ip_network("0.0.0.0/0"), ip_network("::/0")}


def test_entries_are_read_of_the_lists_that_decide_and_one_that_may_not_be_read_is_not_known(network: Network) -> None:
    ec2 = network.cloud.client("ec2")
    lists = [
        ec2.create_managed_prefix_list(
            PrefixListName=name, AddressFamily="IPv4", MaxEntries=1, Entries=[{"Cidr": "10.0.9.0/24"}]
        )["PrefixList"]["PrefixListId"]
        for name in ("decides", "is of another port", "is hidden")
    ]
    for one, port in zip(lists, (443, 22, 443), strict=True):
        permission: Any = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port}
        permission |= {"PrefixListIds": [{"PrefixListId": one}]}
        ec2.authorize_security_group_ingress(GroupId=network.group, IpPermissions=[permission])
    read_entries = network.cloud.handlers["ec2:GetManagedPrefixListEntries"]

    def denied(account: Any, params: Mapping[str, Any]) -> Any:
        if params["PrefixListId"] == lists[2]:
            raise AwsError("UnauthorizedOperation", "You are not authorized to perform this operation.", status=403)
        return read_entries(account, params)

    network.cloud.handlers["ec2:GetManagedPrefixListEntries"] = denied
    scene = network.scene(network.suspects("10.0.0.200"))
    assert scene.lists == {lists[0]: frozenset({ip_network("10.0.9.0/24")})}
    assert {one.peer for one in scene.rules[network.group] if one.direction is INGRESS}


def test_what_was_recorded_adds_who_is_gone_and_what_that_needs(network: Network) -> None:
    ec2 = network.cloud.client("ec2")
    other = ec2.create_security_group(GroupName="job", Description="job", VpcId=network.vpc)["GroupId"]
    suspects = network.suspects("10.0.0.200")
    at = suspects[0].rejected.first
    gone = Interface(
        id="eni-gone",
        vpc=network.vpc,
        subnet=network.subnet,
        groups=(network.group, other),
        addresses=(ip_address("10.0.0.200"),),
    )
    spans = (Span(gone, at - 600, at - 300), Span(gone, at - 200, at + 10))
    topology = Topology(interfaces={"eni-gone": spans})
    scene = network.scene(suspects)
    assert scene.holders[ip_address("10.0.0.200")] == ()
    found = recalled(ec2, suspects, scene, topology)
    assert [one.id for one in found.holders[ip_address("10.0.0.200")]] == ["eni-gone"]
    assert found.is_recalled
    before = recalled(ec2, suspects, scene, Topology(interfaces={"eni-gone": spans[:1]}))
    assert before.holders[ip_address("10.0.0.200")] == ()
    at_the_gone = network.suspects("10.0.0.200", at="eni-gone")
    rejecting = recalled(ec2, at_the_gone, network.scene(at_the_gone), topology)
    assert rejecting.interfaces == {"eni-gone": gone}
    assert rejecting.rules.keys() == {network.group, other}
    assert network.subnet in rejecting.acls
