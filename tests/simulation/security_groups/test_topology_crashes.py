"""The recorded topology is true wherever a function dies, before or after any call of its that writes.

A read changes nothing, so to die before or after a read is to die before the next write.
"""

from collections.abc import Iterator
from functools import cache

import pytest

from simulator.calls import Call
from simulator.faults import CrashAfter, CrashBefore
from tests.support.security_groups.topology import SURVEY, TRACK, TopologyScene, a_topology_scene

LEAST_WRITES = 12
AGAIN = 420.0
"""By then a message that was received by an invocation which died is received again."""


def told(crash: CrashBefore | CrashAfter | None = None) -> tuple[list[Call], list[str]]:
    """The functions' calls while interfaces, groups and rules come and go, and what the record has wrong."""
    with a_topology_scene() as scene:
        scene.ec2.create_tags(
            Resources=[scene.group("managed")], Tags=[{"Key": "berthmaster:security-groups", "Value": "managed"}]
        )
        before = len(scene.cloud.calls)
        if crash:
            scene.cloud.faults.set_crash(crash)
        truth = [*_story(scene)]
        scene.wait(AGAIN)
        calls = [call for call in scene.cloud.calls.since(before) if call.is_by_function]
        wrong = [*_wrong(scene, truth)]
        if crash and scene.cloud.faults.crashes != 1:
            wrong.append(f"{scene.cloud.faults.crashes} crashes")
        return calls, wrong


type Fact = tuple[float, str, tuple[str, ...]]
"""A time, an interface, and its groups then."""


def _story(scene: TopologyScene) -> Iterator[Fact]:
    """What was true of interfaces every 40 seconds."""
    web, db = scene.group("web"), scene.group("db")
    rule = scene.allow(web, IpRanges=[{"CidrIp": "10.0.0.0/8"}])
    scene.interface(web)
    yield from _watched(scene, 6 * 60)
    moved = scene.interface(web)
    yield from _watched(scene, 5 * 60)
    scene.ec2.modify_network_interface_attribute(NetworkInterfaceId=moved, Groups=[db])
    scene.ec2.revoke_security_group_ingress(GroupId=web, SecurityGroupRuleIds=[rule])
    scene.run_task(db, lasts=60)
    yield from _watched(scene, 5 * 60)
    scene.ec2.delete_network_interface(NetworkInterfaceId=moved)
    yield from _watched(scene, 12 * 60)


def _watched(scene: TopologyScene, seconds: int) -> Iterator[Fact]:
    for _ in range(0, seconds, 40):
        for eni in scene.cloud.interfaces.values():
            yield scene.now, eni.id, tuple(sorted(group.id for group in eni.group_set))
        scene.wait(40)


def _wrong(scene: TopologyScene, truth: list[Fact]) -> Iterator[str]:
    topology = scene.topology()
    for time, interface, groups in truth:
        spans = topology.interfaces.get(interface, ())
        if spans and not any(span.overlaps(time, time) and span.value.groups == groups for span in spans):
            yield f"{interface} had {groups} at {time}"
        if any(span.is_sure(time, time) and span.value.groups != groups for span in spans):
            yield f"{interface} had nothing but {groups} at {time}"
    actual = {eni.id for eni in scene.cloud.interfaces.values()}
    last = {name for name, spans in topology.interfaces.items() if spans[-1].until > scene.now}
    if last != actual:
        yield f"recorded are {last}, and there are {actual}"
    if unseen := {interface for _, interface, _ in truth} - topology.interfaces.keys():
        yield f"nobody recorded {unseen}"
    if [one["code"] for one in scene.events()] not in (["no flow log"], ["no flow log"] * 2):
        yield f"reported {scene.events()}"
    if left := scene.berthmaster.dead_letters("SecurityGroupsTopologyDeadLetterQueue"):
        yield f"dead letters: {left}"


@cache
def writes() -> dict[int, str]:
    """The numbers of the calls that write, without a crash, and what they are."""
    calls, wrong = told()
    assert wrong == []
    return {
        number: f"{call.caller} {call.name}"
        for number, call in enumerate(calls, 1)
        if not call.is_read and call.caller in {SURVEY, TRACK}
    }


@pytest.mark.parametrize("crash", [CrashBefore, CrashAfter])
def test_the_record_is_true_wherever_a_function_dies(crash: type[CrashBefore | CrashAfter], stride: int) -> None:
    """With a stride of 1, at each of them; otherwise at the first and the last one of each kind."""
    assert len(writes()) > LEAST_WRITES
    kinds = {kind: number for number, kind in writes().items()}
    first = {kind: number for number, kind in reversed(writes().items())}
    for number in writes() if stride == 1 else {*kinds.values(), *first.values()}:
        _, wrong = told(crash(number))
        assert (number, wrong) == (number, [])
