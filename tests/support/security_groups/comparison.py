"""What Berthmaster says of rules, beside what the oracle says."""

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import collapse_addresses, ip_network
from pathlib import Path
from typing import Any

from berthmaster.security_groups.model.evidence import Credits, RuleEvidence, Seen
from berthmaster.security_groups.model.rules import Network
from berthmaster.security_groups.model.topology import Topology
from berthmaster.security_groups.observe import flow_files
from berthmaster.security_groups.plan.completeness import Completeness
from berthmaster.security_groups.plan.matching import credit
from berthmaster.security_groups.plan.verdicts import verdicts
from tests.support.security_groups.log_files import LogFile
from tests.support.security_groups.oracle import Judged, Use, judge

QUALITIES = ("conversations", "possible", "knocks")


def differences(files: Sequence[LogFile], topology: Topology, directory: Path) -> list[str]:
    """Where both say different things of the same files, which are written to a directory."""
    found, expected = judged_by_product(files, topology, directory), judge(files, topology)
    different = credits_differ({rule: one.credits for rule, one in found.items()}, expected)
    for rule, judged in expected.items():
        if found[rule].verdict != judged.verdict:
            different.append(f"{rule} is {found[rule].verdict} ({found[rule].why}), not {judged.verdict}")
    return different


def judged_by_product(files: Sequence[LogFile], topology: Topology, directory: Path) -> dict[str, RuleEvidence]:
    """What Berthmaster says of each rule, if the window is from the first record to the last."""
    reading = flow_files.read([file.write(directory) for file in files], topology)
    assert not reading.problems
    since, until = min(one.first for one in reading.coverage), max(one.last for one in reading.coverage)
    completeness = Completeness(topology, reading.coverage, since, until)
    return {one.rule.id: one for one in verdicts(topology, credit(reading.flows, topology), completeness)}


def credits_differ(found: Mapping[str, Credits], expected: Mapping[str, Judged]) -> list[str]:
    """Where credits are not those that they should be."""
    different = []
    for rule, judged in expected.items():
        credits_ = found.get(rule, Credits())
        if credits_.exclusive != judged.exclusive:
            different.append(f"{rule} alone allowed {credits_.exclusive} records, not {judged.exclusive}")
        for quality in QUALITIES:
            seen, use = (
                told(getattr(credits_, quality), getattr(judged, quality).ports),
                shown(getattr(judged, quality)),
            )
            if seen != use:
                different.append(f"{quality} of {rule}: {seen}, not {use}")
    return different


def told(seen: Seen | None, ports: set[int]) -> dict[str, Any]:
    """What was credited. ports: those that should be; ranges with no other ends that hold them are as good."""
    if seen is None:
        return {}
    ends = {port for ends in seen.ports for port in ends}
    is_right = ends <= ports and all(any(first <= port <= last for first, last in seen.ports) for port in ports)
    return {
        "records": seen.records,
        "first": seen.first,
        "last": seen.last,
        "peers": seen.peers,
        "ports": ports if is_right else seen.ports,
    }


def shown(use: Use) -> dict[str, Any]:
    """What should be credited."""
    if not use.records:
        return {}
    peers = united(ip_network(peer) for peer in use.peers)
    return {"records": use.records, "first": use.first, "last": use.last, "peers": peers, "ports": use.ports}


def united(networks: Iterable[Network]) -> frozenset[Network]:
    """The fewest blocks of the same addresses."""
    found = list(networks)
    by_family = [[one for one in found if one.version == version] for version in (4, 6)]
    return frozenset(block for family in by_family for block in collapse_addresses(family))  # type: ignore[type-var]
