"""How many targets fit: by group, by load balancer, and by zone of a Network Load Balancer."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from berthmaster.targets.model import Destination
from berthmaster.targets.observe.quotas import Limits
from tests.support.targets.builders import NOON, a_cloud_map_service, a_target_group

BALANCER = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/net/tcp/0123456789abcdef"
A, B = "eu-central-1a", "eu-central-1b"


class Aws:
    """Quotas as AWS says them, with a Network Load Balancer whose cross-zone load balancing is `cross_zone`."""

    def __init__(self, *, cross_zone: bool = False, per_zone: int = 500) -> None:
        self.cross_zone = cross_zone
        self.per_zone = per_zone
        self.asked = 0
        self.quotas = self.elbv2 = self

    def get_service_quota(self, **_: Any) -> Any:
        raise ClientError({"Error": {"Code": "NoSuchResourceException"}}, "GetServiceQuota")

    def describe_account_limits(self) -> Any:
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
    """How many fit into a destination that has `own` targets, with `other` ones in a group behind the same balancer."""
    neighbour = behind("neighbour")
    counts = {destination.arn: Counter(own), neighbour.arn: Counter(other or {})}
    return Limits(aws).of(destination, [destination, neighbour], counts, zones, NOON)


def test_an_application_load_balancer_takes_its_targets_all_together() -> None:
    group = behind(protocol="HTTP")
    assert limit(Aws(), group, A, B, other={A: 300}) == 700


def test_a_network_load_balancer_takes_so_many_in_each_zone() -> None:
    assert limit(Aws(), behind(), A) == 500
    assert limit(Aws(), behind(), A, B) == 1_000
    assert limit(Aws(per_zone=50), behind(), A, B, other={A: 20, B: 30}) == 50


def test_a_zone_that_is_full_leaves_the_others_their_room() -> None:
    assert limit(Aws(per_zone=50), behind(), A, B, other={A: 50}) == 50
    assert limit(Aws(per_zone=50), behind(), A, B, other={A: 45}, **{A: 5, B: 10}) == 55


@pytest.mark.parametrize("own", [True, None])
def test_with_cross_zone_load_balancing_the_zones_count_as_one(*, own: bool | None) -> None:
    aws = Aws(cross_zone=own is None, per_zone=50)
    assert limit(aws, behind(cross_zone=own), A, B, other={A: 20}) == 30
    assert aws.asked == (own is None)


def test_a_group_that_says_no_is_not_asked_of_its_balancer() -> None:
    aws = Aws(cross_zone=True, per_zone=50)
    assert limit(aws, behind(cross_zone=False), A, B) == 100
    assert aws.asked == 0


def test_a_balancer_is_asked_once_an_hour() -> None:
    aws: Any = Aws()
    limits, group = Limits(aws), behind()
    for minutes in (0, 59, 61):
        limits.of(group, [group], {}, [A], NOON + timedelta(minutes=minutes))
    assert aws.asked == 2


def test_a_target_of_all_zones_takes_room_in_each() -> None:
    assert limit(Aws(per_zone=50), behind(), "all") == 50
    assert limit(Aws(per_zone=50), behind(), A, B, other={"all": 20}) == 60
    assert limit(Aws(per_zone=50), behind(), A, B, all=10) == 90


def test_where_zones_are_unknown_aws_has_the_last_word() -> None:
    assert limit(Aws(), behind(), "") == 1_000


def test_a_cloud_map_service_takes_a_thousand() -> None:
    assert limit(Aws(), a_cloud_map_service()) == 1_000
