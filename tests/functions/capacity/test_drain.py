"""A retirement with `drain` moves tasks out of the subnets first, and leaves all as it was if they cannot move."""

import functools
from datetime import timedelta
from typing import Any

import pytest

from simulator.aws.ec2.lookup import find_subnet
from simulator.aws.ecs.deployments import Deployments
from simulator.aws.ecs.task_interfaces import create_interface, delete_interface
from simulator.calls import OPERATOR, calling_as
from simulator.faults import CrashAfter, CrashBefore
from simulator.workload.network import MANAGED
from tests.functions.capacity.test_consent_withdrawn import during
from tests.functions.capacity.test_retirement import refused_because
from tests.support.capacity.callers import add_rule_and_schedule, add_subnet_to_rule, subnets_of_rule_and_schedule
from tests.support.capacity.scene import BUS, EXPAND, CapacityScene, a_managed_vpc
from tests.support.mails import paste


def ask_for_another_subnet(scene: CapacityScene) -> None:
    """Ask for addresses beside a subnet that is not concerned."""
    detail = {"vpc": scene.vpc_id, "subnet": scene.subnets[1], "addresses": 50}
    scene.put("berthmaster.operator", "Expand Requested", bus=BUS, **detail)


def drain(scene: CapacityScene, expansion: str) -> None:
    """Have an expansion drained, and let its services be deployed without its subnets."""
    scene.put("berthmaster.operator", "Retirement Requested", bus=BUS, expansion=expansion, drain=True, by="Ann")
    scene.berthmaster.run(minutes=10)


def stop(scene: CapacityScene, expansion: str) -> None:
    scene.put("berthmaster.operator", "Proposal Rejected", bus=BUS, proposal=f"capacity.{expansion}", by="Ann")
    scene.berthmaster.run(minutes=1)


def an_expansion_in_use(scene: CapacityScene, *, tasks: int = 18) -> tuple[str, str]:
    """An expansion and its subnet, in which tasks of the service `shop` run."""
    expansion = scene.expand()
    (added,) = scene.added_subnets()
    subnet = str(added["SubnetId"])
    network = scene.network.network_configuration(*scene.subnets, subnet)
    scene.workload.service("shop", network, tasks, tags=MANAGED)
    scene.berthmaster.run(minutes=5)
    assert subnet in scene.workload.tasks_by_subnet("shop")
    return expansion, subnet


def a_task_in(scene: CapacityScene, subnet: str) -> Any:
    """The interface of a task that no service runs."""
    found = find_subnet(scene.cloud, subnet)
    address = scene.cloud.interfaces.pool_of(found).pick()
    return create_interface(scene.cloud, found, [], address=address, attachment="0a1b2c3d4e5f60718293a4b5c6d7e8f9")


def tags_of(scene: CapacityScene, subnet: str) -> dict[str, str]:
    (found,) = scene.cloud.client("ec2").describe_subnets(SubnetIds=[subnet])["Subnets"]
    return {tag["Key"]: tag["Value"] for tag in found["Tags"]}


def test_a_refusal_says_who_is_in_the_subnets_and_how_to_drain_them() -> None:
    with a_managed_vpc() as scene:
        expansion, subnet = an_expansion_in_use(scene)
        tasks = scene.workload.tasks_by_subnet("shop")[subnet]
        scene.request("Retirement Requested", expansion=expansion)
        assert refused_because(scene) == f"in use: {tasks} addresses of ECS tasks in {subnet}"
        (refused,) = scene.events("Retirement Refused")
        assert refused["in_use"][0] == f"{subnet}: {tasks} addresses of ECS tasks; listed by ECS service shop"
        assert scene.cloud.calls.of(EXPAND).named("ecs:UpdateService") == []
        paste(scene.cloud, scene.berthmaster.published[-1].message, "Retirement Requested")
        scene.berthmaster.drain()
        assert scene.added_subnets() == []


@pytest.mark.parametrize("mode", ["observe", "approve", "enforce"])
def test_tasks_are_moved_before_the_subnets_are_deleted(mode: str) -> None:
    with a_managed_vpc(CapacityCallerRoles="runner") as scene:
        expansion, subnet = an_expansion_in_use(scene)
        add_rule_and_schedule(scene)
        add_subnet_to_rule(scene, subnet)
        scene.deploy_mode(mode)
        drain(scene, expansion)
        assert scene.added_subnets() == []
        assert scene.blocks() == ["10.0.0.0/24"]
        assert scene.service_subnets("shop") == scene.subnets
        assert subnets_of_rule_and_schedule(scene) == [[scene.subnets[0]]] * 2
        assert scene.workload.running("shop") == 18
        assert len(scene.cloud.calls.of(EXPAND).named("ecs:UpdateService")) == 1
        assert len(scene.events("Expansion Retired")) == 1


def test_what_is_left_when_services_have_moved_is_said_once_and_awaited() -> None:
    with a_managed_vpc(watched=True) as scene:
        expansion, subnet = an_expansion_in_use(scene)
        task = a_task_in(scene, subnet)
        drain(scene, expansion)
        scene.berthmaster.run(minutes=4 * 60)
        (draining,) = scene.events("Expansion Draining")
        assert draining["in_use"][0] == f"{subnet}: 1 address of ECS tasks"
        assert len(scene.added_subnets()) == 1
        delete_interface(scene.cloud, task)
        scene.berthmaster.run(minutes=10)
        assert scene.added_subnets() == []
        assert scene.events("Expansion Stalled", "Retirement Refused") == []


def test_nobody_new_is_placed_in_subnets_that_are_drained() -> None:
    with a_managed_vpc(watched=True) as scene:
        ec2 = scene.cloud.client("ec2")
        ec2.create_tags(Resources=[scene.subnets[0]], Tags=[{"Key": "kubernetes.io/role/cni", "Value": "1"}])
        expansion, subnet = an_expansion_in_use(scene)
        before = tags_of(scene, subnet)
        a_task_in(scene, subnet)
        drain(scene, expansion)
        tags = tags_of(scene, subnet)
        assert tags["kubernetes.io/role/cni"] == "0"
        assert "berthmaster:sibling" not in tags
        for _ in range(scene.network.free(subnet)):
            a_task_in(scene, subnet)
        scene.berthmaster.run(minutes=60)
        assert [one["subnets"][0]["subnet"] for one in scene.events("Room Needed")] == []
        stop(scene, expansion)
        assert tags_of(scene, subnet) == before
        (kept,) = scene.events("Retirement Refused")
        assert "abandoned by Ann; these services were deployed without its subnets: shop" in kept["reason"]


def test_other_expansions_go_on_while_subnets_are_drained() -> None:
    with a_managed_vpc(watched=True) as scene:
        expansion, subnet = an_expansion_in_use(scene)
        task = a_task_in(scene, subnet)
        drain(scene, expansion)
        ask_for_another_subnet(scene)
        scene.berthmaster.run(minutes=15)
        assert len(scene.added_subnets()) == 2
        delete_interface(scene.cloud, task)
        scene.berthmaster.run(minutes=25)
        assert subnet not in [one["SubnetId"] for one in scene.added_subnets()]


def test_subnets_that_do_not_get_empty_stay_with_their_tags() -> None:
    with a_managed_vpc(watched=True) as scene:
        expansion, subnet = an_expansion_in_use(scene)
        before = tags_of(scene, subnet)
        a_task_in(scene, subnet)
        drain(scene, expansion)
        scene.berthmaster.run(minutes=13 * 60)
        assert "in use after 12 hours: 1 address of ECS tasks" in refused_because(scene)
        assert tags_of(scene, subnet) == before


@pytest.mark.parametrize(
    ("kind", "who"),
    [("lambda", "Lambda"), ("network_load_balancer", "load balancers"), ("interface", "detached interfaces")],
)
def test_what_does_not_move_by_itself_is_named_and_nothing_is_changed(kind: str, who: str) -> None:
    with a_managed_vpc() as scene:
        expansion, subnet = an_expansion_in_use(scene)
        before = len(scene.writes())
        created = scene.cloud.client("ec2").create_network_interface(SubnetId=subnet)["NetworkInterface"]
        scene.cloud.interfaces.get(created["NetworkInterfaceId"]).interface_type = kind
        drain(scene, expansion)
        assert f"1 address of {who}" in refused_because(scene)
        assert len(scene.writes()) == before


def test_tasks_that_would_not_find_room_elsewhere_stay() -> None:
    with a_managed_vpc() as scene:
        expansion, subnet = an_expansion_in_use(scene)
        for which in range(3):
            scene.fill(leave=3, which=which)
        before = tags_of(scene, subnet)
        drain(scene, expansion)
        assert "ECS service shop would need" in refused_because(scene)
        assert scene.cloud.calls.of(EXPAND).named("ecs:UpdateService") == []
        assert tags_of(scene, subnet) == before


def test_a_service_that_gets_its_list_back_keeps_the_subnets() -> None:
    with a_managed_vpc(watched=True) as scene:
        expansion, subnet = an_expansion_in_use(scene)
        before = tags_of(scene, subnet)
        a_task_in(scene, subnet)
        drain(scene, expansion)
        network = scene.network.network_configuration(*scene.subnets, subnet)
        with calling_as(OPERATOR):
            scene.cloud.client("ecs").update_service(
                cluster=scene.workload.cluster, service="shop", networkConfiguration=network
            )
        scene.berthmaster.run(minutes=60)
        assert f"ECS service shop has come to list {subnet}" in refused_because(scene)
        assert subnet in scene.service_subnets("shop")
        assert len(scene.cloud.calls.of(EXPAND).named("ecs:UpdateService")) == 1
        assert tags_of(scene, subnet) == before


WRITES = ["ec2:CreateTags", "ec2:DeleteTags", "ecs:UpdateService", "ec2:DeleteSubnet", "ec2:DisassociateVpcCidrBlock"]


@pytest.mark.parametrize("operation", WRITES)
def test_a_retirement_stops_at_its_next_write_when_paused_says_so_once_and_completes(operation: str) -> None:
    with a_managed_vpc(watched=True) as scene:
        expansion, _ = an_expansion_in_use(scene)
        scene.pause_during(operation)
        drain(scene, expansion)
        last = operation.partition(":")[2]
        assert scene.writes()[-1] == last
        stopped_after = len(scene.writes())
        scene.berthmaster.run(minutes=30)
        assert len(scene.writes()) == stopped_after
        said = scene.events("Expansion Paused")
        assert [one["expansion"] for one in said] == [expansion] * (operation != "ec2:DisassociateVpcCidrBlock")
        del scene.cloud.handlers[operation]
        scene.resume()
        scene.berthmaster.run(minutes=20)
        assert scene.added_subnets() == []


def test_a_run_that_dies_while_tags_are_withheld_leaves_none_withheld() -> None:
    with a_managed_vpc(watched=True) as scene:
        expansion, subnet = an_expansion_in_use(scene)
        before = tags_of(scene, subnet)
        a_task_in(scene, subnet)
        during(scene, "ec2:DeleteTags", scene.berthmaster.runtime.kill_containers)
        drain(scene, expansion)
        del scene.cloud.handlers["ec2:DeleteTags"]
        scene.berthmaster.run(minutes=30)
        stop(scene, expansion)
        assert tags_of(scene, subnet) == before


def test_a_person_s_subnet_with_copied_tags_stays() -> None:
    with a_managed_vpc() as scene:
        expansion = scene.expand()
        (added,) = scene.added_subnets()
        ec2 = scene.cloud.client("ec2")
        theirs = ec2.create_subnet(VpcId=scene.vpc_id, CidrBlock="100.64.1.0/24")["Subnet"]["SubnetId"]
        ec2.create_tags(Resources=[theirs], Tags=added["Tags"])
        scene.request("Retirement Requested", expansion=expansion)
        assert [one["SubnetId"] for one in scene.added_subnets()] == [theirs]
        assert len(scene.events("Expansion Retired")) == 1


def test_a_schedule_of_a_group_that_is_not_managed_keeps_the_subnets() -> None:
    with a_managed_vpc() as scene:
        expansion = scene.expand()
        (added,) = scene.added_subnets()
        scene.cloud.client("scheduler").create_schedule(
            Name="theirs",
            ScheduleExpression="rate(1 hour)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target=a_target(scene, added["SubnetId"]),
        )
        scene.request("Retirement Requested", expansion=expansion)
        assert "EventBridge schedule theirs lists" in refused_because(scene)


@pytest.mark.parametrize("is_managed", [False, True])
def test_a_rule_on_another_bus_is_looked_at(*, is_managed: bool) -> None:
    with a_managed_vpc(CapacityCallerRoles="runner") as scene:
        expansion = scene.expand()
        (added,) = scene.added_subnets()
        events = scene.cloud.client("events")
        events.create_event_bus(Name="orders")
        tags = [{"Key": key, "Value": value} for key, value in MANAGED.items()] if is_managed else []
        events.put_rule(Name="bill", EventBusName="orders", EventPattern='{"source": ["shop"]}', Tags=tags)
        target = {"Id": "1", **a_target(scene, added["SubnetId"], scene.subnets[0])}
        events.put_targets(Rule="bill", EventBusName="orders", Targets=[target])
        scene.request("Retirement Requested", expansion=expansion)
        if not is_managed:
            assert "EventBridge rule bill lists" in refused_because(scene)
            return
        assert scene.added_subnets() == []
        (changed,) = events.list_targets_by_rule(Rule="bill", EventBusName="orders")["Targets"]
        network = changed["EcsParameters"]["NetworkConfiguration"]["awsvpcConfiguration"]
        assert network["Subnets"] == [scene.subnets[0]]


def a_target(scene: CapacityScene, *subnets: str) -> dict[str, Any]:
    return {
        "Arn": f"arn:aws:ecs:eu-central-1:123456789012:cluster/{scene.workload.cluster}",
        "RoleArn": "arn:aws:iam::123456789012:role/runner",
        "EcsParameters": {
            "TaskDefinitionArn": "arn:aws:ecs:eu-central-1:123456789012:task-definition/nightly:1",
            "NetworkConfiguration": {"awsvpcConfiguration": {"Subnets": list(subnets)}},
        },
    }


def test_draining_is_looked_at_again_although_a_message_is_lost() -> None:
    with a_managed_vpc(watched=True) as scene:
        expansion, subnet = an_expansion_in_use(scene)
        task = a_task_in(scene, subnet)
        drain(scene, expansion)
        scene.hold_lease(seconds=timedelta(minutes=8).total_seconds())
        delete_interface(scene.cloud, task)
        scene.berthmaster.run(minutes=40)
        assert [one["state"] for one in scene.events("Expansion Stalled")] == ["draining"]
        assert scene.added_subnets() == []


@functools.cache
def number_of_the_update() -> int:
    """The number of the call by which an expansion in use is drained, counted from the request."""
    with a_managed_vpc(watched=True) as scene:
        expansion, _ = an_expansion_in_use(scene)
        before = len(scene.cloud.calls.of(EXPAND))
        drain(scene, expansion)
        calls = list(scene.cloud.calls.of(EXPAND))[before:]
        return next(number for number, call in enumerate(calls, 1) if call.operation == "UpdateService")


def die_at_the_update(scene: CapacityScene, crash: CrashBefore | CrashAfter) -> str:
    """Have an expansion drained, whose function dies at UpdateService; returns its subnet."""
    expansion, subnet = an_expansion_in_use(scene)
    scene.cloud.faults.set_crash(crash)
    scene.put("berthmaster.operator", "Retirement Requested", bus=BUS, expansion=expansion, drain=True, by="Ann")
    while not scene.cloud.faults.crashes:
        scene.berthmaster.run(minutes=1 / 60)
    return subnet


@pytest.mark.parametrize("crash", [CrashBefore, CrashAfter])
def test_a_service_is_deployed_once_although_the_function_dies(crash: type[CrashBefore | CrashAfter]) -> None:
    number = number_of_the_update()
    with a_managed_vpc(watched=True) as scene:
        die_at_the_update(scene, crash(number, EXPAND))
        scene.berthmaster.run(minutes=60)
        assert scene.added_subnets() == []
        assert [service.name for service, _ in scene.cloud.state(Deployments).begun] == ["shop"] * 2


def test_a_list_that_is_reset_when_the_function_has_died_is_left_as_it_is() -> None:
    number = number_of_the_update()
    with a_managed_vpc(watched=True) as scene:
        subnet = die_at_the_update(scene, CrashAfter(number, EXPAND))
        assert scene.service_subnets("shop") == scene.subnets
        reset_by_code(scene, subnet)
        begun = len(scene.cloud.state(Deployments).begun)
        scene.berthmaster.run(minutes=60)
        assert f"ECS service shop lists {subnet} again" in refused_because(scene)
        assert "these services were deployed without its subnets: shop" in refused_because(scene)
        assert len(scene.cloud.state(Deployments).begun) == begun
        assert subnet in scene.service_subnets("shop")


def reset_by_code(scene: CapacityScene, subnet: str) -> None:
    """Let `shop` list a subnet again, beside its own."""
    network = scene.network.network_configuration(*scene.subnets, subnet)
    with calling_as(OPERATOR):
        scene.cloud.client("ecs").update_service(
            cluster=scene.workload.cluster, service="shop", networkConfiguration=network
        )


def test_services_are_deployed_at_the_same_time_if_their_tasks_find_room() -> None:
    with a_managed_vpc() as scene:
        expansion, subnet = an_expansion_in_use(scene, tasks=6)
        network = scene.network.network_configuration(*scene.subnets, subnet)
        for name in ("cart", "till", "post"):
            scene.workload.service(name, network, 3, tags=MANAGED)
        scene.berthmaster.run(minutes=5)
        drain(scene, expansion)
        times = [call.at for call in scene.cloud.calls.of(EXPAND).named("ecs:UpdateService")]
        assert len(times) == 4
        assert times[-1] - times[0] < 15
        assert scene.added_subnets() == []


def test_services_wait_for_each_other_if_their_tasks_would_not_all_find_room() -> None:
    with a_managed_vpc() as scene:
        expansion, subnet = an_expansion_in_use(scene, tasks=6)
        network = scene.network.network_configuration(*scene.subnets, subnet)
        for name in ("cart", "till", "post"):
            scene.workload.service(name, network, 6, tags=MANAGED)
        scene.berthmaster.run(minutes=5)
        for which, leave in enumerate((20, 6, 6)):
            scene.fill(leave=leave, which=which)
        drain(scene, expansion)
        scene.berthmaster.run(minutes=30)
        times = [call.at for call in scene.cloud.calls.of(EXPAND).named("ecs:UpdateService")]
        assert len(times) == 4
        assert times[-1] - times[0] > 60
        assert scene.workload.failed == []
        assert scene.added_subnets() == []


def test_a_service_that_is_deployed_by_somebody_else_does_not_make_others_wait() -> None:
    with a_managed_vpc() as scene:
        expansion, subnet = an_expansion_in_use(scene, tasks=6)
        network = scene.network.network_configuration(*scene.subnets, subnet)
        for name in ("cart", "till"):
            scene.workload.service(name, network, 3, tags=MANAGED)
        scene.berthmaster.run(minutes=5)
        scene.workload.release("cart", error="CannotPullContainerError: not found")
        scene.berthmaster.run(minutes=1)
        drain(scene, expansion)
        assert subnet not in scene.service_subnets("shop")
        assert subnet not in scene.service_subnets("till")
        assert subnet in scene.service_subnets("cart")


def test_subnets_that_are_found_empty_late_are_deleted() -> None:
    with a_managed_vpc(watched=True) as scene:
        expansion, subnet = an_expansion_in_use(scene)
        task = a_task_in(scene, subnet)
        drain(scene, expansion)
        scene.deploy_mode("off")
        scene.berthmaster.run(minutes=60)
        delete_interface(scene.cloud, task)
        scene.berthmaster.run(minutes=13 * 60)
        scene.deploy_mode("enforce")
        scene.berthmaster.run(minutes=60)
        assert scene.added_subnets() == []
        assert scene.events("Retirement Refused") == []


def test_messages_that_come_twice_do_not_make_draining_subnets_be_looked_at_more_often() -> None:
    with a_managed_vpc(watched=True) as scene:
        expansion, subnet = an_expansion_in_use(scene)
        a_task_in(scene, subnet)
        drain(scene, expansion)
        stalled = {"expansion": expansion, "vpc": scene.vpc_id, "state": "draining"}
        for _ in range(4):
            scene.put("berthmaster", "Expansion Stalled", bus=BUS, **stalled)
            scene.berthmaster.run(minutes=1)
        before = len(scene.cloud.calls.of(EXPAND).named("ec2:DescribeNetworkInterfaces"))
        scene.berthmaster.run(minutes=60)
        looks = len(scene.cloud.calls.of(EXPAND).named("ec2:DescribeNetworkInterfaces")) - before
        assert looks <= 60 // 5 * 2


def test_a_deployment_that_does_not_end_does_not_keep_the_vpc() -> None:
    with a_managed_vpc(watched=True) as scene:
        expansion, subnet = an_expansion_in_use(scene, tasks=6)
        before = tags_of(scene, subnet)
        network = scene.network.network_configuration(*scene.subnets, subnet)
        scene.workload.service("cart", network, 3, tags=MANAGED)
        scene.berthmaster.run(minutes=5)
        scene.workload.release("cart", error="CannotPullContainerError: not found")
        scene.berthmaster.run(minutes=1)
        drain(scene, expansion)
        ask_for_another_subnet(scene)
        scene.berthmaster.run(minutes=5)
        assert len(scene.added_subnets()) == 2
        scene.berthmaster.run(minutes=13 * 60)
        (refused,) = scene.events("Retirement Refused")
        assert "cart" in refused["reason"]
        assert "after 12 hours" in refused["reason"]
        assert tags_of(scene, subnet) == before
        assert scene.events("Expansion Stalled") == []
