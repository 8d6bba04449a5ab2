"""Whatever is lost, late or killed, the record is sure of nothing that was not so, and loses nothing that it saw."""

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

import pytest

from berthmaster.security_groups.model.topology import Topology
from simulator.faults import FaultPlan
from tests.support.security_groups.topology import TopologyScene, a_topology_scene

STEPS = 60


class Fact(NamedTuple):
    """Who had an address at a time, and with which groups."""

    time: float
    interface: str
    address: str
    groups: tuple[str, ...]


def _faults(seed: int) -> FaultPlan:
    return FaultPlan(
        seed=seed,
        throttled=0.05,
        server_error=0.03,
        lost_response=0.03,
        crash=0.03,
        event_lost=0.2,
        event_duplicated=0.1,
        event_delayed=0.2,
        tick_lost=0.1,
    )


def _hours(scene: TopologyScene, rng: Random) -> Iterator[Fact]:
    """Jobs and people in a subnet of eleven addresses; nobody gives an interface the groups that it had before."""
    groups = [scene.group(name) for name in ("a", "b", "c")]
    mine: list[str] = []
    for step in range(STEPS):
        match rng.choices(["job", "interface", "deletion", "groups", ""], [7, 3, 2, 3, 5])[0]:
            case "job":
                scene.run_task(rng.choice(groups), lasts=rng.choice([5, 40, 200]))
            case "interface" if len(scene.cloud.interfaces) < 8:
                mine.append(scene.interface(rng.choice(groups)))
            case "deletion" if mine:
                scene.ec2.delete_network_interface(NetworkInterfaceId=mine.pop(rng.randrange(len(mine))))
            case "groups" if mine:
                scene.ec2.modify_network_interface_attribute(
                    NetworkInterfaceId=rng.choice(mine), Groups=[scene.group(f"{step}")]
                )
        for _ in range(3):
            scene.wait(rng.choice([5, 15, 40]))
            for eni in scene.cloud.interfaces.values():
                yield Fact(scene.now, eni.id, eni.private_ip_address, tuple(sorted(one.id for one in eni.group_set)))


def _wrong(topology: Topology, fact: Fact) -> Iterator[str]:
    time = fact.time
    spans = topology.interfaces.get(fact.interface, ())
    if any(span.is_sure(time, time) and span.value.groups != fact.groups for span in spans):
        yield f"sure of other groups: {fact}"
    as_it_was = [span for span in spans if span.value.groups == fact.groups]
    if as_it_was and not any(span.overlaps(time, time) for span in as_it_was):
        yield f"seen, but not then: {fact}"
    for other, its in topology.interfaces.items():
        for span in its:
            if other != fact.interface and span.is_sure(time, time) and fact.address in map(str, span.value.addresses):
                yield f"sure that {other} had the address: {fact}"


@pytest.mark.parametrize("seed", [4, 9])
def test_the_record_is_sure_of_nothing_that_was_not_so(seed: int) -> None:
    with a_topology_scene(seed=seed, faults=_faults(seed)) as scene:
        rng = Random(seed)  # noqa: S311 - a seed, not a secret
        while not any("-survey-" in name for name in scene.recorded()):
            scene.wait(60)
        truth = list(_hours(scene, rng))
        scene.wait(15 * 60)
        topology = scene.topology()

        assert [wrong for fact in truth for wrong in _wrong(topology, fact)] == []
        sure = [one for one in truth if any(s.is_sure(one.time, one.time) for s in topology.interfaces.get(one[1], ()))]
        assert len(sure) > len(truth) / 5
        unseen = {one.interface for one in truth} - topology.interfaces.keys()
        assert len(unseen) < len({one.interface for one in truth}) / 3
