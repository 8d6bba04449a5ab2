"""How many targets AWS allows: per group, per load balancer, and per zone of a Network Load Balancer."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from berthmaster.targets.model import Destination, GroupAttributes
from berthmaster.targets.observe.quotas import Limits
from berthmaster.targets.observe.target_counts import TargetCounts
from tests.support.targets.builders import NOON, a_cloud_map_service, a_target_group
from tests.support.targets.reads import Unpaced

BALANCER = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/net/tcp/0123456789abcdef"
A, B = "eu-central-1a", "eu-central-1b"


class Aws:
    """AWS's quotas, and a Network Load Balancer whose cross-zone load balancing is `cross_zone`."""

    def __init__(self, *, cross_zone: bool = False, per_zone: int = 500) -> None:
        self.cross_zone = cross_zone
        self.per_zone = per_zone
        self.asked = 0
        self.error: Exception | None = None
        self.quotas = self.elbv2 = self

    def get_service_quota(self, **_: Any) -> Any:
        raise ClientError({"Error": {"Code": "NoSuchResourceException"}}, "GetServiceQuota")

    def describe_account_limits(self) -> Any:
        if self.error:
            raise self.error
        limits = {
            "targets-per-application-load-balancer": 1_000,
            "targets-per-network-load-balancer": 3_000,
            "targets-per-availability-zone-per-network-load-balancer": self.per_zone,
        }
        return {"Limits": [{"Name": name, "Max": str(value)} for name, value in limits.items()]}

    def describe_load_balancer_attributes(self, **_: Any) -> Any:
        self.asked += 1
        return {"Attributes": [{"Key": "load_balancing.cross_zone.enabled", "Value": str(self.cross_zone).lower()}]}


def behind(name: str = "front", **body: Any) -> Destination:
    return a_target_group(name, **({"protocol": "TCP", "load_balancers": (BALANCER,)} | body))


def limit(aws: Any, destination: Destination, *zones: str, other: dict[str, int] | None = None, **own: int) -> int:
    """The limit of a destination with `own` targets, while a group behind the same load balancer has `other` ones."""
    counts = TargetCounts()
    counts.put(destination, Counter(own))
    counts.put(behind("neighbour"), Counter(other or {}))
    found = limits_of(aws).of(destination, counts, Counter(zones), NOON)
    assert found is not None
    return found


def limits_of(aws: Any, attributes: Any = None) -> Limits:
    reads: Any = Unpaced()
    limits = Limits(aws, reads, attributes)
    limits.begin(NOON)
    return limits


def test_the_groups_of_an_application_load_balancer_share_its_quota() -> None:
    group = behind(protocol="HTTP")
    assert limit(Aws(), group, A, B, other={A: 300}) == 700


def test_a_network_load_balancer_has_a_quota_per_zone() -> None:
    assert limit(Aws(), behind(), A) == 500
    assert limit(Aws(per_zone=150), behind(), A, B) == 300
    assert limit(Aws(per_zone=50), behind(), A, B, other={A: 20, B: 30}) == 50


def test_a_full_zone_does_not_count_against_the_others() -> None:
    assert limit(Aws(per_zone=50), behind(), A, B, other={A: 50}) == 50
    assert limit(Aws(per_zone=50), behind(), A, B, other={A: 45}, **{A: 5, B: 10}) == 55


@pytest.mark.parametrize("own", [True, None])
def test_with_cross_zone_load_balancing_all_zones_share_one_quota(*, own: bool | None) -> None:
    aws = Aws(cross_zone=own is None, per_zone=50)
    assert limit(aws, behind(cross_zone=own), A, B, other={A: 20}) == 30
    assert aws.asked == (own is None)


def test_the_attribute_of_a_group_overrides_that_of_its_load_balancer() -> None:
    aws = Aws(cross_zone=True, per_zone=50)
    assert limit(aws, behind(cross_zone=False), A, B) == 100
    assert aws.asked == 0


def test_the_attributes_of_a_load_balancer_are_read_once_an_hour() -> None:
    aws = Aws(per_zone=50)
    limits, group = limits_of(aws), behind()
    for minutes in (0, 59, 61):
        limits.of(group, TargetCounts(), Counter([A]), NOON + timedelta(minutes=minutes))
    assert aws.asked == 2


def test_no_attributes_are_read_while_there_is_room_either_way() -> None:
    aws = Aws(cross_zone=True)
    assert limit(aws, behind(has_attributes=False), A, B) == 500
    assert aws.asked == 0


def test_many_targets_that_are_wanted_at_once_are_no_reason_to_read_less() -> None:
    aws = Aws(cross_zone=False)
    assert limit(aws, behind(), *[A, B] * 200) == 1_000
    assert aws.asked == 1


def test_the_attributes_of_a_group_are_read_when_it_is_nearly_full() -> None:
    class Attributes:
        def read(self, arns: list[str], _: Any) -> dict[str, Exception]:
            self.asked = arns
            return {}

        def of(self, *_: Any) -> GroupAttributes:
            return GroupAttributes(cross_zone=False, deregistration_delay=timedelta(0), read_at=NOON)

    attributes, group = Attributes(), behind(has_attributes=False)
    limits = limits_of(Aws(cross_zone=True, per_zone=50), attributes)
    assert limits.of(group, TargetCounts(), Counter([A, B]), NOON) == 100
    assert attributes.asked == [group.arn]


def test_without_quotas_there_is_no_limit_until_they_can_be_read() -> None:
    aws = Aws()
    aws.error = ClientError({"Error": {"Code": "AccessDeniedException"}}, "DescribeAccountLimits")
    limits = limits_of(aws)
    assert limits.of(behind(), TargetCounts(), Counter([A]), NOON) is None
    aws.error = None
    limits.begin(NOON)
    assert limits.of(behind(), TargetCounts(), Counter([A]), NOON) == 500


def test_a_target_in_all_zones_counts_in_each_zone() -> None:
    assert limit(Aws(per_zone=50), behind(), "all") == 50
    assert limit(Aws(per_zone=50), behind(), A, B, other={"all": 20}) == 60
    assert limit(Aws(per_zone=50), behind(), A, B, all=10) == 90


def test_targets_in_unknown_zones_are_limited_by_the_group_only() -> None:
    assert limit(Aws(per_zone=50), behind(), "") == 1_000


def test_a_cloud_map_service_may_have_a_thousand_instances() -> None:
    assert limit(Aws(), a_cloud_map_service()) == 1_000
