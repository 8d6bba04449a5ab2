"""What a subnet group needs: measured, forecast, reported or requested; a report is confirmed first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from berthmaster.capacity.model.plan import Need, Policy
from berthmaster.capacity.model.shortage import Cause
from berthmaster.capacity.model.vpc import PREFIX_SIZE, Occupancy, VpcSnapshot
from berthmaster.capacity.model.workloads import Service
from berthmaster.capacity.plan.consumers import CNI_ROLE
from berthmaster.capacity.plan.demand import DeploymentDemand, assess, groups_of, needs
from berthmaster.capacity.plan.expansion import plan_expansion
from berthmaster.interface_services import EC2_INSTANCES, ECS_TASKS, EKS_CONTROL_PLANE, EKS_PODS_AND_NODES, LAMBDA, RDS
from tests.support.capacity.builders import (
    NOON,
    a_full_vpc,
    a_service,
    a_subnet,
    a_vpc,
    an_added_subnet,
    subnet_id,
)

NOW = int(NOON.timestamp()) // 60
POLICY = Policy()


@dataclass
class Past:
    """A history with the same series for all subnets."""

    used: list[int] = field(default_factory=list)

    def addresses(self, subnet_ids: Sequence[str]) -> list[tuple[int, int]]:
        first = NOW - 5 * len(self.used)
        return [(first + 5 * number, used) for number, used in enumerate(self.used)]

    prefixes = addresses


def with_added_subnet(free: int, **more: Any) -> VpcSnapshot:
    vpc = a_full_vpc(**more)
    return vpc.__replace__(subnets=(*vpc.subnets, an_added_subnet(9, "100.64.0.0/24", of=1, free=free)))


def deployments_of(vpc: VpcSnapshot) -> Mapping[str, DeploymentDemand]:
    return {one.group.origin.id: one.whole.deployments for one in assess(vpc, Past())}


def needs_of(
    vpc: VpcSnapshot,
    past: Past,
    *,
    reported: Mapping[str, Cause] | None = None,
    requested: Mapping[str, int] | None = None,
) -> tuple[Need, ...]:
    assessments = assess(vpc, past)
    return needs(assessments, POLICY, services=vpc.services, reported=reported or {}, requested=requested or {})


def test_a_subnet_and_those_added_for_it_are_one_pool_of_addresses() -> None:
    group = groups_of(with_added_subnet(free=200).subnets)[0]
    assert group.ids == {subnet_id(1), subnet_id(9)}
    assert (group.capacity, group.free) == (59 + 251, 203)


def test_an_added_subnet_whose_origin_is_gone_is_its_own_group() -> None:
    added = an_added_subnet(9, "10.0.1.0/24", of=1, free=10)
    assert [group.origin.id for group in groups_of([added])] == [subnet_id(9)]


def test_a_deployment_takes_addresses_in_the_zones_of_its_service() -> None:
    vpc = a_full_vpc(services=(a_service("shop", [1, 2], desired=10, running=10, maximum_percent=200, deploying=True),))
    demand = deployments_of(vpc)
    assert {one: of.committed for one, of in demand.items()} == {subnet_id(1): 5, subnet_id(2): 5, subnet_id(3): 0}


def test_a_steady_service_takes_addresses_only_for_tasks_that_it_still_has_to_start() -> None:
    vpc = a_full_vpc(services=(a_service("shop", [1], desired=10, running=8),))
    demand = deployments_of(vpc)
    assert demand[subnet_id(1)] == DeploymentDemand(committed=2, surge=10)


def test_a_replacement_task_set_of_codedeploy_is_a_whole_second_set_of_tasks() -> None:
    service = a_service("shop", [1], desired=10, running=10, maximum_percent=100, controller="CODE_DEPLOY")
    assert service.surge == 10


def test_addresses_are_needed_before_a_deployment_that_would_not_find_them() -> None:
    subnets = [a_subnet(1, "10.0.0.0/26", free=20), a_subnet(2, "10.0.0.64/26", zone=1, free=20)]
    small, large = a_service("small", [1, 2], desired=20, running=20), a_service("large", [1], desired=39, running=39)
    fits = a_vpc(["10.0.0.0/25"], subnets, services=(small,))
    assert needs_of(fits, Past([39] * 4000)) == ()
    found = needs_of(a_vpc(["10.0.0.0/25"], subnets, services=(large,)), Past([39] * 4000))
    assert [one.origin_id for one in found] == [subnet_id(1)]
    assert "the next deployment would take 39" in found[0].reason


def test_zones_that_are_nearly_short_are_expanded_together() -> None:
    subnets = [
        a_subnet(1, "10.0.0.0/26", free=5),
        a_subnet(2, "10.0.0.64/26", zone=1, free=15),
        a_subnet(3, "10.0.0.128/26", zone=2, free=45),
    ]
    service = a_service("shop", [1, 2, 3], desired=30, running=30)
    vpc = a_vpc(["10.0.0.0/24"], subnets, services=(service,))
    found = needs_of(vpc, Past())
    assert [one.origin_id for one in found] == [subnet_id(1), subnet_id(2)]
    assert "deployed again" in found[1].reason


def test_a_nearly_full_group_needs_addresses_for_the_horizon() -> None:
    vpc = a_vpc(["10.0.0.0/24"], [a_subnet(1, "10.0.0.0/26", free=3)], services=(a_service("shop", [1]),))
    found = needs_of(vpc, Past([50] * 500))
    assert [(one.origin_id, one.cause) for one in found] == [(subnet_id(1), Cause.ADDRESSES)]
    assert found[0].addresses >= 59


def test_a_subnet_that_is_tagged_as_ignored_needs_nothing() -> None:
    vpc = a_vpc(["10.0.0.0/24"], [a_subnet(1, "10.0.0.0/26", free=0, tags={"berthmaster:capacity": "ignored"})])
    assert assess(vpc, Past()) == ()


def test_a_need_names_who_uses_the_addresses() -> None:
    subnet = a_subnet(1, "10.0.0.0/26", free=0)
    held = Occupancy(subnet_id=subnet.id, holders={"ECS tasks": 40, "Lambda": 19})
    found = needs_of(a_vpc(["10.0.0.0/24"], [subnet], occupancy={subnet.id: held}), Past())
    assert found[0].reason.endswith("in use: 40 by ECS tasks, 19 by Lambda")


def test_a_half_empty_steady_group_needs_nothing() -> None:
    vpc = a_vpc(["10.0.0.0/24"], [a_subnet(1, "10.0.0.0/24", free=150)])
    assert needs_of(vpc, Past([100] * 4000)) == ()


def test_a_group_without_history_is_judged_by_its_present_use() -> None:
    full = a_vpc(["10.0.0.0/24"], [a_subnet(1, "10.0.0.0/26", free=0)])
    assert needs_of(full, Past())
    empty = a_vpc(["10.0.0.0/24"], [a_subnet(1, "10.0.0.0/26", free=59)])
    assert not needs_of(empty, Past())


def test_a_report_about_a_subnet_with_free_addresses_is_not_confirmed() -> None:
    vpc = a_vpc(["10.0.0.0/24"], [a_subnet(1, "10.0.0.0/24", free=150)])
    assert needs_of(vpc, Past([100] * 4000), reported={subnet_id(1): Cause.ADDRESSES}) == ()


def test_an_added_subnet_that_is_not_listed_is_listed_before_another_is_added() -> None:
    vpc = with_added_subnet(free=200, services=(a_service("shop", [1], desired=30, running=30),))
    found = needs_of(vpc, Past([56] * 4000))
    assert [one.addresses for one in found if one.origin_id == subnet_id(1)] == [0]
    assert f"{subnet_id(9)}, which was added for it and is not listed, has 200 free" in found[0].reason


def test_if_the_unlisted_subnet_does_not_suffice_another_is_added_as_well() -> None:
    vpc = with_added_subnet(free=2, services=(a_service("shop", [1], desired=30, running=30),))
    assert [one.addresses > 0 for one in needs_of(vpc, Past([56] * 4000)) if one.origin_id == subnet_id(1)] == [True]


def test_a_service_that_lists_an_added_subnet_with_room_needs_nothing_although_its_first_one_is_full() -> None:
    vpc = with_added_subnet(free=240, services=(a_service("shop", [1, 9]),))
    for reported in ({}, {subnet_id(1): Cause.ADDRESSES}):
        assert [
            one for one in needs_of(vpc, Past([60] * 4000), reported=reported) if one.origin_id == subnet_id(1)
        ] == []


def test_one_service_that_does_not_list_the_added_subnet_is_short_although_another_does() -> None:
    services = (a_service("shop", [1, 9]), a_service("reset", [1]))
    (assessment, *_) = assess(with_added_subnet(free=240, services=services), Past([56] * 4000))
    assert [pool.needs_room for pool in assessment.pools] == [False, True]
    assert assessment.needs_room
    assert assessment.worst.subnets.free == 3


def test_pods_need_no_list_to_use_a_subnet_with_their_tag() -> None:
    held = Occupancy(subnet_id=subnet_id(1), holders={EKS_PODS_AND_NODES: 56})
    tags = {"berthmaster:sibling": subnet_id(1), CNI_ROLE: "1"}
    for admitted in (True, False):
        added = a_subnet(9, "100.64.0.0/24", free=240, tags=tags if admitted else {"berthmaster:sibling": subnet_id(1)})
        vpc = a_vpc(["10.0.0.0/24"], [a_subnet(1, "10.0.0.0/26", free=3), added], occupancy={subnet_id(1): held})
        assert bool(needs_of(vpc, Past([56] * 4000))) is not admitted


@pytest.mark.parametrize(
    "holder", [RDS, LAMBDA, EKS_CONTROL_PLANE, EC2_INSTANCES, "load balancers", "detached interfaces"]
)
def test_nothing_is_built_for_what_cannot_be_given_a_subnet(holder: str) -> None:
    subnet = a_subnet(1, "10.0.0.0/26", free=0)
    held = Occupancy(subnet_id=subnet.id, holders={holder: 59})
    (need,) = needs_of(a_vpc(["10.0.0.0/24"], [subnet], occupancy={subnet.id: held}), Past())
    assert need.addresses == 0
    assert need.obstacle
    assert f"59 by {holder}" in need.obstacle.rule
    (asked,) = needs_of(
        a_vpc(["10.0.0.0/24"], [subnet], occupancy={subnet.id: held}), Past(), requested={subnet.id: 100}
    )
    assert (asked.addresses, asked.obstacle) == (100, None)


@pytest.mark.parametrize(
    ("service", "says"),
    [
        (a_service("x", [1], managed=False), "tag ECS service x in cluster web berthmaster:capacity=managed, or add"),
        (a_service("x", [1], controller="CODE_DEPLOY"), "in the AppSpec of the next deployment of ECS service x"),
        (a_service("x", [1], controller="EXTERNAL"), "aws_ecs_task_set: network_configuration.subnets"),
    ],
)
def test_a_service_that_may_not_be_changed_is_named_with_the_change_that_it_needs(service: Service, says: str) -> None:
    (need, *_) = needs_of(a_full_vpc(services=(service,)), Past([56] * 4000))
    assert need.obstacle
    assert says in need.obstacle.remedy
    assert "Expand Requested" in need.obstacle.remedy


def test_a_subnet_that_exists_is_named_in_the_change_of_a_service_that_may_not_be_changed() -> None:
    (need, *_) = needs_of(
        with_added_subnet(free=240, services=(a_service("x", [1], managed=False),)), Past([56] * 4000)
    )
    assert need.obstacle
    assert f"add {subnet_id(9)} to" in need.obstacle.remedy
    assert "Expand Requested" not in need.obstacle.remedy


def test_one_managed_service_is_enough_for_a_subnet_and_one_without_tasks_is_not() -> None:
    theirs = a_service("theirs", [1], managed=False)
    (built, *_) = needs_of(a_full_vpc(services=(theirs, a_service("shop", [1]))), Past([56] * 4000))
    assert (built.addresses > 0, built.obstacle) == (True, None)
    (stuck, *_) = needs_of(
        a_full_vpc(services=(theirs, a_service("shop", [1], desired=0, running=0))), Past([56] * 4000)
    )
    assert (stuck.addresses, bool(stuck.obstacle)) == (0, True)


@given(
    listed=st.lists(st.lists(st.sampled_from([1, 9]), min_size=1, unique=True), max_size=3),
    managed=st.booleans(),
    free=st.tuples(st.integers(0, 59), st.integers(0, 251)),
    held=st.sampled_from([RDS, ECS_TASKS, EKS_PODS_AND_NODES]),
)
def test_a_need_is_a_subnet_for_somebody_a_listing_by_somebody_or_a_task_for_people(
    listed: list[list[int]], *, managed: bool, free: tuple[int, int], held: str
) -> None:
    services = tuple(a_service(f"s{number}", subnets, managed=managed) for number, subnets in enumerate(listed))
    occupancy = {subnet_id(1): Occupancy(subnet_id=subnet_id(1), holders={held: 1})}
    first, added = a_subnet(1, "10.0.0.0/26", free=free[0]), an_added_subnet(9, "100.64.0.0/24", of=1, free=free[1])
    vpc = a_vpc(["10.0.0.0/24", "100.64.0.0/24"], [first, added], services=services, occupancy=occupancy)
    for need in needs_of(vpc, Past(), reported={subnet_id(1): Cause.ADDRESSES}):
        plan = plan_expansion(vpc, [need], POLICY)
        usable = held == EKS_PODS_AND_NODES or (managed and listed)
        assert bool(need.obstacle) != bool(plan.changes_anything)
        assert not plan.subnets or usable
        assert not plan.obstacles or plan.is_for_people


def test_an_operator_gets_the_addresses_they_ask_for() -> None:
    vpc = a_vpc(["10.0.0.0/24"], [a_subnet(1, "10.0.0.0/24", free=150)])
    found = needs_of(vpc, Past(), requested={subnet_id(1): 400})
    assert [(one.addresses, one.cause) for one in found] == [(400, Cause.ADDRESSES)]


def fragmented(held: int, free: int) -> VpcSnapshot:
    subnet = a_subnet(1, "10.0.0.0/24", free=150)
    occupancy = {subnet.id: Occupancy(subnet_id=subnet.id, held_prefixes=held, free_prefixes=free)}
    return a_vpc(["10.0.0.0/24"], [subnet], occupancy=occupancy)


def test_free_addresses_without_a_free_prefix_are_a_shortage_of_prefixes() -> None:
    found = needs_of(fragmented(held=4, free=0), Past([14] * 500))
    assert [one.cause for one in found] == [Cause.PREFIXES]
    assert found[0].addresses >= PREFIX_SIZE


def test_if_no_prefix_is_in_use_fragmentation_is_a_need_only_when_reported() -> None:
    vpc = fragmented(held=0, free=0)
    assert needs_of(vpc, Past([100] * 4000)) == ()
    found = needs_of(vpc, Past([100] * 4000), reported={subnet_id(1): Cause.PREFIXES})
    assert [one.cause for one in found] == [Cause.PREFIXES]


def test_prefixes_come_before_addresses_if_both_are_short() -> None:
    subnet = a_subnet(1, "10.0.0.0/26", free=3)
    vpc = a_vpc(["10.0.0.0/24"], [subnet], services=(a_service("shop", [1]),))
    assert [one.cause for one in needs_of(vpc, Past(), reported={subnet.id: Cause.PREFIXES})] == [Cause.PREFIXES]
    excluded = a_subnet(1, "10.0.0.0/26", free=3, tags={CNI_ROLE: "0"})
    nodes = {subnet.id: Occupancy(subnet_id=subnet.id, holders={EKS_PODS_AND_NODES: 3})}
    vpc = a_vpc(["10.0.0.0/24"], [excluded], services=(a_service("shop", [1]),), occupancy=nodes)
    (need,) = needs_of(vpc, Past(), reported={subnet.id: Cause.PREFIXES})
    assert (need.cause, need.obstacle) == (Cause.ADDRESSES, None)
