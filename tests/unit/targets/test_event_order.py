"""In any order, with duplicates and losses, events lead to the same registrations."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st

from berthmaster.targets.model import (
    Call,
    Claim,
    ClaimState,
    Destination,
    Move,
    Plan,
    Task,
)
from berthmaster.targets.plan.claims import after_call
from berthmaster.targets.plan.events import Scene, plan_events
from tests.support.targets.builders import (
    NOON,
    a_cloud_map_service,
    a_scene,
    a_target_group,
    a_task,
    seconds,
)

FRONT = a_target_group()
NAMES = a_cloud_map_service()


def lives(address: int, count: int, *, last_lives: bool) -> list[Task]:
    """The states of tasks that follow each other at one address, the oldest first."""
    states = []
    for life in range(count):
        born = NOON + seconds(100 * life)
        one = a_task(10 * address + life, ip=f"10.0.0.{address}", started_at=born)
        states += [replace(one, seen_at=born, version=3), replace(one, seen_at=born + seconds(5), version=4)]
        if life < count - 1 or not last_lives:
            stopped = replace(one, desired_status="STOPPED", last_status="STOPPED")
            states.append(replace(stopped, seen_at=born + seconds(50), version=5))
    return states


HISTORIES = st.builds(lives, st.just(1), st.integers(1, 3), last_lives=st.booleans()).flatmap(
    lambda first: st.builds(lives, st.just(2), st.integers(1, 2), last_lives=st.booleans()).map(
        lambda second: [*first, *second]
    )
)


@dataclass
class World:
    """A ledger, a target group, and a Cloud Map service that takes time and may fail."""

    scene: Scene
    truth: dict[str, Task]
    failing: set[int]
    instances: set[str] = field(default_factory=set)
    running: dict[str, tuple[str, Call]] = field(default_factory=dict)
    rechecks: set[str] = field(default_factory=set)
    begun: int = 0

    def report(self, tasks: Iterable[Task]) -> Plan:
        """Plan for the newest state of each task and carry it out; target group calls are answered at once."""
        newest: dict[str, Task] = {}
        for task in tasks:
            if task.arn not in newest or newest[task.arn].version < task.version:
                newest[task.arn] = task
        plan = plan_events(newest.values(), self.scene)
        fences, address_holders, claims = (
            dict(self.scene.fences),
            dict(self.scene.address_holders),
            dict(self.scene.claims),
        )
        touched: set[object] = set()
        for bundle in plan.bundles:
            for fence in bundle.fences:
                assert fence.before == fences.get(fence.after.owner)
                fences[fence.after.owner] = fence.after
            for holder in bundle.address_holders:
                assert holder.before == address_holders.get(holder.after.key)
                address_holders[holder.after.key] = holder.after
            for move in bundle.moves:
                assert move.before == claims.get(move.after.key)
                assert move.after.key not in touched
                touched.add(move.after.key)
                claims[move.after.key] = self.call(move)
        self.scene = replace(self.scene, fences=fences, address_holders=address_holders, claims=claims)
        self.rechecks |= set(plan.recheck_at)
        return plan

    def call(self, move: Move) -> Claim:
        """The claim after the call."""
        destination = self.scene.destinations[move.after.key.destination]
        if move.call is None or destination is not NAMES:
            return after_call(move, destination, self.scene.now)
        owner = move.after.former or move.after.owner if move.call is Call.DEREGISTER else move.after.owner
        if owner in {one for one, _ in self.running.values()}:
            return move.after
        if move.call is Call.DEREGISTER and owner not in self.instances:
            return after_call(move, destination, self.scene.now)
        self.begun += 1
        operation = f"op-{self.begun}"
        self.running[operation] = owner, move.call
        return replace(move.after, operation=operation)

    def end_operations(self) -> None:
        ended = dict(self.scene.operations)
        for operation, (owner, call) in self.running.items():
            ended[operation] = call is Call.REGISTER or int(operation.removeprefix("op-")) not in self.failing
            if ended[operation] and call is Call.REGISTER:
                self.instances.add(owner)
            elif ended[operation]:
                self.instances.discard(owner)
        self.running = {}
        self.scene = replace(self.scene, operations=ended)

    def recheck(self) -> None:
        """A minute later, ask ECS about the tasks to check again, and about no others."""
        self.end_operations()
        now = self.scene.now + seconds(62)
        self.scene = replace(self.scene, now=now)
        asked, self.rechecks = sorted(self.rechecks), set()
        self.report(replace(self.truth[arn], seen_at=now) for arn in asked)

    def registered(self, destination: Destination) -> set[str]:
        return {
            claim.owner
            for claim in self.scene.claims.values()
            if claim.key.destination == destination.arn and claim.state is ClaimState.REGISTERED
        }


def ip_of(task: Task) -> str:
    assert task.address
    return task.address.ip


def is_alive(task: Task) -> bool:
    return task.desired_status == "RUNNING"


def may_get_lost(task: Task, truth: dict[str, Task]) -> bool:
    """Whether the event of a stopped task may get lost: a running task has its address, and its event arrives."""
    return not is_alive(task) and any(is_alive(one) and ip_of(one) == ip_of(task) for one in truth.values())


@given(history=HISTORIES, data=st.data())
def test_in_any_order_and_with_duplicates_exactly_the_running_tasks_are_registered(
    history: list[Task], data: st.DataObject
) -> None:
    truth = {task.arn: task for task in history}
    again = data.draw(st.lists(st.sampled_from(history), max_size=6))
    lost = data.draw(st.sets(st.sampled_from(history)))
    order = data.draw(
        st.permutations([one for one in [*history, *again] if one not in lost or not may_get_lost(one, truth)])
    )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(order)), max_size=6)))
    after = NOON + seconds(1000)
    failing = data.draw(st.sets(st.integers(1, 9), max_size=4))
    world = World(a_scene(FRONT, NAMES, now=after), truth, failing)
    for start, end in zip([0, *cuts], [*cuts, len(order)], strict=True):
        world.report(order[start:end])
        if data.draw(st.booleans()):
            world.end_operations()
    for _ in range(16):
        world.recheck()
    alive = {arn for arn, task in truth.items() if is_alive(task)}
    assert world.registered(FRONT) == world.registered(NAMES) == world.instances == alive
    assert {arn for arn, fence in world.scene.fences.items() if not fence.leaving} == alive
    assert world.rechecks == set()
    assert world.report(order).moves == ()
