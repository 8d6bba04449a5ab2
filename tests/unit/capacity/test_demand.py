"""What a subnet group needs: measured, forecast, reported or requested, and never believed without a look."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from berthmaster.capacity.model import PREFIX_SIZE, Cause, Occupancy, Policy, Subnet, VpcSnapshot
from berthmaster.capacity.plan.demand import Promised, assess, groups_of, needs, promised_by_group
from tests.support.capacity.builders import NOON, a_full_vpc, a_service, a_subnet, a_vpc, subnet_id

NOW = int(NOON.timestamp()) // 60
POLICY = Policy()


@dataclass
class Past:
    """A history that knows one series, whoever asks."""

    used: list[int] = field(default_factory=list)

    def addresses(self, subnet_ids: Sequence[str]) -> list[tuple[int, int]]:
        first = NOW - 5 * len(self.used)
        return [(first + 5 * number, used) for number, used in enumerate(self.used)]

    prefixes = addresses


def a_berth(number: int, cidr: str, *, of: int, free: int, zone: int = 0) -> Subnet:
    return a_subnet(number, cidr, zone=zone, free=free, tags={"berthmaster:sibling": subnet_id(of)})


def with_berth(free: int) -> VpcSnapshot:
    vpc = a_full_vpc()
    return vpc.__replace__(subnets=(*vpc.subnets, a_berth(9, "100.64.0.0/24", of=1, free=free)))


def test_a_subnet_and_what_was_added_for_it_are_one_pool_of_addresses() -> None:
    group = groups_of(with_berth(free=200).subnets)[0]
    assert group.ids == {subnet_id(1), subnet_id(9)}
    assert (group.capacity, group.free) == (59 + 251, 203)


def test_a_berth_whose_origin_is_gone_stands_for_itself() -> None:
    stray = a_subnet(9, "10.0.1.0/24", tags={"berthmaster:sibling": subnet_id(1)})
    assert [group.origin.id for group in groups_of([stray])] == [subnet_id(9)]


def test_a_deployment_commits_addresses_in_the_zones_of_its_service() -> None:
    vpc = a_full_vpc(services=(a_service("shop", [1, 2], desired=10, running=10, maximum_percent=200, deploying=True),))
    promised = promised_by_group(groups_of(vpc.subnets), vpc.services)
    assert {one: of.committed for one, of in promised.items()} == {subnet_id(1): 5, subnet_id(2): 5, subnet_id(3): 0}


def test_a_steady_service_commits_only_what_it_still_has_to_start() -> None:
    vpc = a_full_vpc(services=(a_service("shop", [1], desired=10, running=8),))
    promised = promised_by_group(groups_of(vpc.subnets), vpc.services)
    assert promised[subnet_id(1)] == Promised(committed=2, surge=10)


def test_room_is_needed_before_a_deployment_that_would_not_find_it() -> None:
    subnets = [a_subnet(1, "10.0.0.0/26", free=20), a_subnet(2, "10.0.0.64/26", zone=1, free=20)]
    small, large = a_service("small", [1, 2], desired=20, running=20), a_service("large", [1], desired=39, running=39)
    fits = a_vpc(["10.0.0.0/25"], subnets, services=(small,))
    assert needs(assess(fits, Past([39] * 4000)), POLICY) == ()
    found = needs(assess(a_vpc(["10.0.0.0/25"], subnets, services=(large,)), Past([39] * 4000)), POLICY)
    assert [one.origin_id for one in found] == [subnet_id(1)]
    assert "the next deployment would take 39" in found[0].reason


def test_zones_that_would_be_next_are_expanded_together() -> None:
    subnets = [
        a_subnet(1, "10.0.0.0/26", free=5),
        a_subnet(2, "10.0.0.64/26", zone=1, free=15),
        a_subnet(3, "10.0.0.128/26", zone=2, free=45),
    ]
    service = a_service("shop", [1, 2, 3], desired=30, running=30)
    vpc = a_vpc(["10.0.0.0/24"], subnets, services=(service,))
    found = needs(assess(vpc, Past()), POLICY, services=vpc.services)
    assert [one.origin_id for one in found] == [subnet_id(1), subnet_id(2)]
    assert "deployed anew" in found[1].reason


def test_a_nearly_full_group_needs_room_for_the_horizon() -> None:
    vpc = a_vpc(["10.0.0.0/24"], [a_subnet(1, "10.0.0.0/26", free=3)])
    found = needs(assess(vpc, Past([50] * 500)), POLICY)
    assert [(one.origin_id, one.cause) for one in found] == [(subnet_id(1), Cause.ADDRESSES)]
    assert found[0].addresses >= 59


def test_a_subnet_that_is_meant_to_be_full_is_left_alone() -> None:
    vpc = a_vpc(["10.0.0.0/24"], [a_subnet(1, "10.0.0.0/26", free=0, tags={"berthmaster:capacity": "ignored"})])
    assert assess(vpc, Past()) == ()


def test_a_need_tells_who_holds_the_addresses() -> None:
    subnet = a_subnet(1, "10.0.0.0/26", free=0)
    held = Occupancy(subnet_id=subnet.id, holders={"ECS tasks": 40, "Lambda": 19})
    found = needs(assess(a_vpc(["10.0.0.0/24"], [subnet], occupancy={subnet.id: held}), Past()), POLICY)
    assert found[0].reason.endswith("held 40 by ECS tasks, 19 by Lambda")


def test_a_half_empty_steady_group_needs_nothing() -> None:
    vpc = a_vpc(["10.0.0.0/24"], [a_subnet(1, "10.0.0.0/24", free=150)])
    assert needs(assess(vpc, Past([100] * 4000)), POLICY) == ()


def test_a_group_with_no_history_is_judged_by_what_it_uses_now() -> None:
    full = a_vpc(["10.0.0.0/24"], [a_subnet(1, "10.0.0.0/26", free=0)])
    assert needs(assess(full, Past()), POLICY)
    empty = a_vpc(["10.0.0.0/24"], [a_subnet(1, "10.0.0.0/26", free=59)])
    assert not needs(assess(empty, Past()), POLICY)


def test_a_report_about_a_subnet_with_room_is_not_believed() -> None:
    vpc = a_vpc(["10.0.0.0/24"], [a_subnet(1, "10.0.0.0/24", free=150)])
    reported = {subnet_id(1): Cause.ADDRESSES}
    assert needs(assess(vpc, Past([100] * 4000)), POLICY, reported=reported) == ()


def test_a_full_subnet_beside_a_berth_with_room_needs_only_wiring() -> None:
    vpc = with_berth(free=200)
    quiet = Past([110] * 4000)
    found = needs(assess(vpc, quiet)[:1], POLICY, reported={subnet_id(1): Cause.ADDRESSES})
    assert [one.addresses for one in found] == [0]
    assert "200 free" in found[0].reason


def test_an_operator_gets_what_they_ask_for() -> None:
    vpc = a_vpc(["10.0.0.0/24"], [a_subnet(1, "10.0.0.0/24", free=150)])
    found = needs(assess(vpc, Past()), POLICY, requested={subnet_id(1): 400})
    assert [(one.addresses, one.cause) for one in found] == [(400, Cause.ADDRESSES)]


def fragmented(held: int, free: int) -> VpcSnapshot:
    subnet = a_subnet(1, "10.0.0.0/24", free=150)
    occupancy = {subnet.id: Occupancy(subnet_id=subnet.id, held_prefixes=held, free_prefixes=free)}
    return a_vpc(["10.0.0.0/24"], [subnet], occupancy=occupancy)


def test_free_addresses_without_a_free_prefix_are_a_shortage_of_prefixes() -> None:
    found = needs(assess(fragmented(held=4, free=0), Past([14] * 500)), POLICY)
    assert [one.cause for one in found] == [Cause.PREFIXES]
    assert found[0].addresses >= PREFIX_SIZE


def test_without_prefixes_in_use_only_a_report_makes_fragmentation_a_need() -> None:
    vpc = fragmented(held=0, free=0)
    assert needs(assess(vpc, Past([100] * 4000)), POLICY) == ()
    found = needs(assess(vpc, Past([100] * 4000)), POLICY, reported={subnet_id(1): Cause.PREFIXES})
    assert [one.cause for one in found] == [Cause.PREFIXES]
