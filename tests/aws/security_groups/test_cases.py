"""Cases whose verdict follows from what security groups are, one after the other; the oracle must know them, too."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from berthmaster.security_groups.model.topology import FlowLog
from tests.support.security_groups.cases import FIELDS, LOG, WINDOW, Case, status
from tests.support.security_groups.comparison import differences, judged_by_product

USED, MAYBE, SCANNED, UNUSED, UNKNOWN = "used", "possibly used", "scanned only", "unused", "unknown"
HTTPS, ALL_OUT = "in tcp 443 0.0.0.0/0", "out any 0.0.0.0/0"
SYN, SYN_ACK = "54.1.2.3:40000 > 10.0.1.10:443 tcp S", "10.0.1.10:443 > 54.1.2.3:40000 tcp SA"
THERE, BACK = "54.1.2.3:40000 > 10.0.1.10:443 tcp A", "10.0.1.10:443 > 54.1.2.3:40000 tcp A"
PING, PONG = "54.1.2.3 > 10.0.1.10 icmp", "10.0.1.10 > 54.1.2.3 icmp"
ASKED, TOLD = "10.0.1.10:40000 > 54.1.2.3:53 udp", "54.1.2.3:53 > 10.0.1.10:40000 udp"
WITHOUT_FLAGS = tuple(name for name in FIELDS if name != "tcp-flags")
WITHOUT_DIRECTION = tuple(name for name in FIELDS if name != "flow-direction")
WITHOUT_VPC = tuple(name for name in FIELDS if name != "vpc-id")
STRANGER = "interface-id=eni-stranger"


def of(verdict: str, *records: str, rule: str = HTTPS, **more: object) -> Case:
    """A case of one rule."""
    return Case({rule: verdict}, records, **more)  # type: ignore[arg-type]


def log(resource: str = "vpc-a", **more: object) -> FlowLog:
    return FlowLog(id=LOG, resource=resource, aggregation=60, **more)  # type: ignore[arg-type]


def silent(*slots: int) -> Iterable[str]:
    """Records of eni-web in every slot of the window but these."""
    return (status(slot * 300, slot * 300 + 60) for slot in range(WINDOW // 300) if slot not in slots)


def by(address: str) -> tuple[str, ...]:
    """A conversation that another peer opens."""
    return tuple(text.replace("54.1.2.3", address) for text in (SYN, SYN_ACK))


CASES = {
    # Who opened a TCP connection, and whether that was answered.
    "a SYN that met nothing": of(SCANNED, SYN),
    "a SYN that met RST": of(SCANNED, SYN, "10.0.1.10:443 > 54.1.2.3:40000 tcp R"),
    "a SYN and its SYN-ACK": of(USED, SYN, SYN_ACK),
    "a SYN-ACK without its SYN": of(USED, SYN_ACK),
    "a SYN-ACK without its SYN is no use of the rule for the reply": Case(
        {HTTPS: USED, "out tcp 40000 54.1.2.0/24": UNUSED}, (SYN_ACK,)
    ),
    "a rejected SYN-ACK": of(SCANNED, SYN, f"{SYN_ACK} action=REJECT"),
    "a rejected SYN": of(UNUSED, f"{SYN} action=REJECT", logs=(log(),)),
    "a SYN-ACK that came in answers what went out": Case(
        {"out tcp 443 0.0.0.0/0": USED, "in tcp 40000 0.0.0.0/0": UNUSED},
        ("10.0.1.10:40000 > 54.1.2.3:443 tcp S", "54.1.2.3:443 > 10.0.1.10:40000 tcp SA"),
    ),
    "a SYN that met data": of(USED, SYN, "10.0.1.10:443 > 54.1.2.3:40000 tcp F"),
    "a connection within one interval": of(
        USED, "54.1.2.3:40000 > 10.0.1.10:443 tcp SF", "10.0.1.10:443 > 54.1.2.3:40000 tcp SAF"
    ),
    "both opened it": Case({HTTPS: USED, "out tcp 40000 0.0.0.0/0": SCANNED}, (SYN, SYN_ACK, BACK.replace("A", "S"))),
    "mid-stream, and only one side may open it": of(USED, THERE, BACK),
    "mid-stream, and either side may open it": Case({HTTPS: MAYBE, "out tcp 40000 0.0.0.0/0": MAYBE}, (THERE, BACK)),
    "mid-stream, one way": of(MAYBE, THERE),
    "without tcp-flags, one way": of(MAYBE, SYN, fields=WITHOUT_FLAGS),
    "without tcp-flags, and only one side may open it": of(USED, SYN, SYN_ACK, fields=WITHOUT_FLAGS),
    # Other protocols.
    "UDP both ways, and only one side may open it": of(USED, ASKED, TOLD, rule="out udp 53 0.0.0.0/0"),
    "UDP both ways, and either side may open it": Case(
        {"out udp 53 0.0.0.0/0": MAYBE, "in udp 1024-65535 54.1.2.0/24": MAYBE}, (ASKED, TOLD)
    ),
    "UDP one way": of(MAYBE, ASKED, rule="out udp 53 0.0.0.0/0"),
    "UDP is not TCP": of(UNUSED, "54.1.2.3:40000 > 10.0.1.10:443 udp"),
    "ping": of(USED, PING, PONG, rule="in icmp 8 0.0.0.0/0"),
    "ping, where its type is not the only one": Case(
        {"in icmp 8 0.0.0.0/0": MAYBE, "in icmp 54.1.2.0/24": USED}, (PING, PONG)
    ),
    "ping, where either side may begin": Case({"in icmp 0.0.0.0/0": MAYBE, ALL_OUT: MAYBE}, (PING, PONG)),
    "a protocol without ports": of(
        USED, "54.1.2.3 > 10.0.1.10 esp", "10.0.1.10 > 54.1.2.3 esp", rule="in esp 54.1.2.3/32"
    ),
    "IPv6": Case(
        {"in tcp 443 ::/0": USED, HTTPS: UNUSED},
        ("[2600:1f00::9]:40000 > [2a05:d018:1::10]:443 tcp S", "[2a05:d018:1::10]:443 > [2600:1f00::9]:40000 tcp SA"),
    ),
    # Ports and peers.
    "another port": of(UNUSED, SYN, SYN_ACK, rule="in tcp 80 0.0.0.0/0"),
    "another peer": of(UNUSED, SYN, SYN_ACK, rule="in tcp 443 10.0.0.0/8"),
    "another direction": of(UNUSED, SYN, SYN_ACK, rule="out tcp 443 0.0.0.0/0"),
    "every group of an interface counts": Case(
        {"sg-web in tcp 443 0.0.0.0/0": USED, "sg-more in any 54.0.0.0/8": USED, "sg-db in any 54.1.2.3/32": UNUSED},
        (SYN, SYN_ACK),
        groups=("sg-more", "sg-web"),
    ),
    "a client behind another address": of(
        USED,
        f"{by('10.0.9.9')[0]} pkt-srcaddr=54.1.2.3",
        by("10.0.9.9")[1],
        rule="in tcp 443 54.1.2.0/24",
    ),
    "a member of the group": of(USED, *by("10.0.2.20"), rule="in tcp 443 sg-db"),
    "a pod of a member of the group": of(USED, *by("10.0.2.37"), rule="in tcp 443 sg-db"),
    "no member of the group": of(
        UNUSED,
        SYN.replace("54.1.2.3", "10.0.2.20"),
        SYN_ACK.replace("54.1.2.3", "10.0.2.20"),
        rule="in tcp 443 sg-more",
    ),
    "who was no member may have been one before": of(MAYBE, *by("10.0.7.7"), rule="in tcp 443 sg-db"),
    "who is not in the VPC is no member": of(UNUSED, SYN, SYN_ACK, rule="in tcp 443 sg-db"),
    "a group of another account": of(MAYBE, SYN, SYN_ACK, rule="in tcp 443 sg-other@2"),
    "a group of another account without traffic": of(UNKNOWN, rule="in tcp 443 sg-other@2"),
    "an entry of a prefix list": of(USED, SYN, SYN_ACK, rule="in tcp 443 pl-1"),
    "no entry of a prefix list": of(UNUSED, *by("55.1.2.3"), rule="in tcp 443 pl-1"),
    "a prefix list that is not given": of(MAYBE, SYN, SYN_ACK, rule="in tcp 443 pl-gone"),
    "a prefix list that is not given, without traffic": of(UNKNOWN, rule="in tcp 443 pl-gone"),
    # Tracking.
    "replies of untracked connections need a rule": Case({HTTPS: USED, ALL_OUT: USED}, (SYN, SYN_ACK)),
    "replies of tracked connections need none": Case({"in tcp 443 54.0.0.0/8": USED, ALL_OUT: UNUSED}, (SYN, SYN_ACK)),
    "replies to some ports need none": Case({HTTPS: USED, "out tcp 1024-65535 0.0.0.0/0": UNUSED}, (SYN, SYN_ACK)),
    # Interfaces that nobody recorded.
    "a stranger of the VPC": Case(
        {HTTPS: MAYBE, "sg-more in any 54.0.0.0/8": MAYBE}, (f"{SYN} {STRANGER}", f"{SYN_ACK} {STRANGER}")
    ),
    "a stranger of another VPC": of(UNUSED, f"{SYN} {STRANGER} vpc-id=vpc-b", f"{SYN_ACK} {STRANGER} vpc-id=vpc-b"),
    "a stranger, by the flow log's VPC": of(MAYBE, f"{SYN} {STRANGER}", fields=WITHOUT_VPC, logs=(log(),)),
    "a stranger, by the flow log's subnet": of(MAYBE, f"{SYN} {STRANGER}", fields=WITHOUT_VPC, logs=(log("subnet-a"),)),
    "a stranger of who knows where": Case(
        {HTTPS: MAYBE, "sg-far in any 54.1.2.3/32": MAYBE}, (f"{SYN} {STRANGER}",), fields=WITHOUT_VPC
    ),
    # Direction.
    "direction by address": of(USED, SYN, SYN_ACK, fields=WITHOUT_DIRECTION),
    "direction by nothing": of(MAYBE, f"{SYN} {STRANGER}", f"{SYN_ACK} {STRANGER}", fields=WITHOUT_DIRECTION),
    # What logs cannot tell.
    "nothing at all": of(UNUSED),
    "two slots are silent": of(UNUSED, *silent(3, 4), alive=False),
    "NODATA says that the log was active": of(UNUSED, *silent()),
    "records were lost most of the time": of(UNKNOWN, status(0, 1260, "SKIPDATA")),
    "records were lost less than half of the time": of(UNUSED, status(0, 1080, "SKIPDATA")),
    "a knock, and records were lost most of the time": of(UNKNOWN, SYN, status(0, 1260, "SKIPDATA")),
    "a conversation, and records were lost most of the time": of(USED, SYN, SYN_ACK, status(0, 1260, "SKIPDATA")),
    "a log of what was rejected": of(UNKNOWN, logs=(log(traffic_type="REJECT"),)),
    "a log of what was accepted": of(UNUSED, logs=(log(traffic_type="ACCEPT"),)),
    "a log with nothing but rejected records": of(UNKNOWN, f"{SYN} action=REJECT"),
    "a log of another VPC": of(UNKNOWN, logs=(log("vpc-b"),)),
    "a log of the interface": of(UNUSED, logs=(log("eni-web"),)),
    "no log of the interface": of(UNKNOWN, alive=False),
    "an Elastic Fabric Adapter": of(UNKNOWN, rule="in any sg-web", kind="efa"),
    "a Network Load Balancer": Case({HTTPS: UNKNOWN, ALL_OUT: UNUSED}, kind="network_load_balancer"),
    "instance metadata": of(UNKNOWN, rule="out tcp 80 169.254.169.254/32"),
    "DHCP": of(UNKNOWN, rule="out udp 67-68 0.0.0.0/0"),
}


@pytest.mark.parametrize("name", CASES)
def test_verdict(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    found = judged_by_product([case.file()], case.topology(), tmp_path / "once")
    assert {text: one.verdict.value for text, one in found.items()} == case.rules
    assert not differences([case.file()], case.topology(), tmp_path / "again")


@pytest.mark.parametrize(
    ("seconds", "slots", "verdict"), [(60, 2, UNUSED), (60, 3, UNKNOWN), (600, 4, UNUSED), (600, 5, UNKNOWN)]
)
def test_a_hole_is_of_three_slots_or_of_five_at_an_aggregation_of_ten_minutes(
    seconds: int, slots: int, verdict: str, tmp_path: Path
) -> None:
    flow_log = replace(log(), aggregation=seconds)
    case = of(verdict, *silent(*range(2, 2 + slots)), alive=False, logs=(flow_log,))
    file = case.file()
    silence = replace(file, rows=tuple(row for row in file.rows if row["interface-id"] == "eni-web"))
    found = judged_by_product([silence], case.topology(), tmp_path)
    assert found[HTTPS].verdict.value == verdict


def test_records_are_counted_once_each_with_their_times_peers_and_ports(tmp_path: Path) -> None:
    records = (SYN, SYN_ACK, THERE, *by("54.1.2.2"))
    knock = "8.8.8.8:40001 > 10.0.1.10:443 tcp S"
    case = Case({HTTPS: USED, "in tcp 443 54.0.0.0/8": USED}, (*records, knock, knock))
    found = judged_by_product([case.file()], case.topology(), tmp_path)
    credits_ = found[HTTPS].credits
    assert credits_.conversations
    assert credits_.knocks
    assert (credits_.conversations.records, credits_.knocks.records, credits_.exclusive) == (2, 2, 2)
    assert {str(peer) for peer in credits_.conversations.peers} == {"54.1.2.2/31"}
    assert credits_.conversations.ports == {(443, 443)}
    assert found["in tcp 443 54.0.0.0/8"].credits.exclusive == 0
