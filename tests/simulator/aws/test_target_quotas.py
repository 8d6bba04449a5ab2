"""Quotas on targets: what counts, and where they can be read."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.support.target_groups import deregister, make_group, make_load_balancer, register

if TYPE_CHECKING:
    from simulator.cloud import Cloud


def test_a_group_counts_what_drains(cloud: Cloud, elbv2: Any, group: str) -> None:
    cloud.quotas.apply("L-A0D0B863", 2)
    register(elbv2, group, "10.0.0.5", "10.0.0.6")
    deregister(elbv2, group, "10.0.0.5")
    register(elbv2, group, "10.0.0.6")
    with pytest.raises(elbv2.exceptions.TooManyTargetsException):
        register(elbv2, group, "10.0.0.7")
    time.sleep(300)
    register(elbv2, group, "10.0.0.7")


@pytest.mark.parametrize(("kind", "code"), [("application", "L-7E6692B2"), ("network", "L-EEF1AD04")])
def test_a_load_balancer_counts_the_targets_of_all_its_groups(
    cloud: Cloud, vpc_id: str, subnets: list[str], kind: str, code: str
) -> None:
    elbv2 = cloud.client("elbv2")
    cloud.quotas.apply(code, 3)
    load_balancer = make_load_balancer(elbv2, subnets, kind)
    groups = [make_group(elbv2, vpc_id, name, "HTTP" if kind == "application" else "TCP") for name in "ab"]
    for group in groups:
        cloud.targets.attach(group, load_balancer)
        register(elbv2, group, "10.0.0.5")
    with pytest.raises(ClientError, match="The maximum number of targets per load balancer '3'"):
        register(elbv2, groups[0], "10.0.0.6", "10.0.0.7")
    register(elbv2, groups[0], "10.0.0.6")


def test_a_zone_of_a_network_load_balancer_has_a_limit(cloud: Cloud, elbv2: Any, network_group: str) -> None:
    cloud.quotas.apply("L-B211E961", 2)
    register(elbv2, network_group, "10.0.0.5", "10.0.0.6", "10.0.1.5")
    with pytest.raises(ClientError, match="TooManyTargets"):
        register(elbv2, network_group, "10.0.0.7")
    register(elbv2, network_group, "10.0.1.6")


@pytest.mark.parametrize("by_group", [True, False])
def test_across_zones_all_targets_count_in_each(
    cloud: Cloud, elbv2: Any, network_group: str, *, by_group: bool
) -> None:
    setting = {"Key": "load_balancing.cross_zone.enabled", "Value": "true"}
    (load_balancer,) = elbv2.describe_load_balancers()["LoadBalancers"]
    if by_group:
        elbv2.modify_target_group_attributes(TargetGroupArn=network_group, Attributes=[setting])
    else:
        elbv2.modify_load_balancer_attributes(LoadBalancerArn=load_balancer["LoadBalancerArn"], Attributes=[setting])
    cloud.quotas.apply("L-B211E961", 2)
    register(elbv2, network_group, "10.0.0.5", "10.0.1.5")
    with pytest.raises(ClientError, match="TooManyTargets"):
        register(elbv2, network_group, "10.0.1.6")


def test_limits_follow_the_quotas(cloud: Cloud, elbv2: Any) -> None:
    cloud.quotas.apply("L-A0D0B863", 1500)
    limits = {item["Name"]: item["Max"] for item in elbv2.describe_account_limits()["Limits"]}
    assert limits["targets-per-target-group"] == "1500"
    assert limits["targets-per-availability-zone-per-network-load-balancer"] == "500"
    quota = cloud.client("service-quotas").get_service_quota(
        ServiceCode="elasticloadbalancing", QuotaCode="L-A0D0B863"
    )["Quota"]
    assert (quota["QuotaName"], quota["Value"]) == ("Targets per Target Group per Region", 1500)
