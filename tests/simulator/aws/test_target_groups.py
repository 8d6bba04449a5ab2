"""Targets of target groups: their life, what AWS refuses, limits, pages and throttling."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.calls import calling_as
from simulator.faults import FaultPlan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.cloud import Cloud

ZONES = ("eu-central-1a", "eu-central-1b")


@pytest.fixture
def subnets(cloud: Cloud, vpc_id: str) -> list[str]:
    ec2 = cloud.client("ec2")
    return [
        ec2.create_subnet(VpcId=vpc_id, CidrBlock=f"10.0.{index}.0/24", AvailabilityZone=zone)["Subnet"]["SubnetId"]
        for index, zone in enumerate(ZONES)
    ]


@pytest.fixture
def elbv2(cloud: Cloud) -> Any:
    return cloud.client("elbv2")


def make_group(elbv2: Any, vpc_id: str, name: str = "web", protocol: str = "HTTP", kind: str = "ip") -> str:
    answer = elbv2.create_target_group(Name=name, Protocol=protocol, Port=80, VpcId=vpc_id, TargetType=kind)
    arn: str = answer["TargetGroups"][0]["TargetGroupArn"]
    return arn


def make_load_balancer(elbv2: Any, subnets: list[str], kind: str = "application") -> str:
    answer = elbv2.create_load_balancer(Name=f"front-{kind}", Subnets=subnets, Type=kind)
    arn: str = answer["LoadBalancers"][0]["LoadBalancerArn"]
    return arn


@pytest.fixture
def group(cloud: Cloud, elbv2: Any, vpc_id: str, subnets: list[str]) -> str:
    arn = make_group(elbv2, vpc_id)
    cloud.targets.attach(arn, make_load_balancer(elbv2, subnets))
    return arn


@pytest.fixture
def network_group(cloud: Cloud, elbv2: Any, vpc_id: str, subnets: list[str]) -> str:
    arn = make_group(elbv2, vpc_id, "net", "TCP")
    cloud.targets.attach(arn, make_load_balancer(elbv2, subnets, "network"))
    return arn


@pytest.fixture
def function() -> Iterator[None]:
    with calling_as("TargetsFunction"):
        yield


def set_attribute(elbv2: Any, group: str, key: str, value: str) -> None:
    elbv2.modify_target_group_attributes(TargetGroupArn=group, Attributes=[{"Key": key, "Value": value}])


def health(elbv2: Any, group: str, *targets: dict[str, Any]) -> dict[tuple[str, int], tuple[str, str]]:
    asked = {"Targets": list(targets)} if targets else {}
    answer = elbv2.describe_target_health(TargetGroupArn=group, **asked)["TargetHealthDescriptions"]
    return {
        (item["Target"]["Id"], item["Target"]["Port"]): (
            item["TargetHealth"]["State"],
            item["TargetHealth"].get("Reason", ""),
        )
        for item in answer
    }


def register(elbv2: Any, group: str, *ips: str, **more: Any) -> None:
    elbv2.register_targets(TargetGroupArn=group, Targets=[{"Id": ip, **more} for ip in ips])


def deregister(elbv2: Any, group: str, *ips: str, **more: Any) -> None:
    elbv2.deregister_targets(TargetGroupArn=group, Targets=[{"Id": ip, **more} for ip in ips])


class TestLife:
    def test_a_target_is_checked_before_it_is_healthy_and_drains_before_it_is_gone(
        self, cloud: Cloud, elbv2: Any, group: str
    ) -> None:
        key = ("10.0.0.5", 80)
        register(elbv2, group, "10.0.0.5")
        assert health(elbv2, group) == {key: ("initial", "Elb.RegistrationInProgress")}
        time.sleep(10)
        assert health(elbv2, group) == {key: ("initial", "Elb.InitialHealthChecking")}
        time.sleep(5)
        assert health(elbv2, group) == {key: ("healthy", "")}
        deregister(elbv2, group, "10.0.0.5")
        assert health(elbv2, group) == {key: ("draining", "Target.DeregistrationInProgress")}
        assert cloud.targets.routable(group) == set()
        time.sleep(299)
        deregister(elbv2, group, "10.0.0.5")
        assert cloud.targets.state(group, *key) == "draining"
        time.sleep(1)
        assert health(elbv2, group) == {}
        assert health(elbv2, group, {"Id": "10.0.0.5"}) == {key: ("unused", "Target.NotRegistered")}

    def test_a_network_load_balancer_takes_longer(self, elbv2: Any, network_group: str) -> None:
        register(elbv2, network_group, "10.0.0.5")
        time.sleep(89)
        assert health(elbv2, network_group)["10.0.0.5", 80][0] == "initial"
        time.sleep(1)
        assert health(elbv2, network_group)["10.0.0.5", 80][0] == "healthy"

    def test_health_is_that_of_whoever_holds_the_address_now(
        self, cloud: Cloud, elbv2: Any, group: str, network_group: str
    ) -> None:
        listening = {("10.0.0.5", 8080)}
        cloud.targets.answers = lambda ip, port: (ip, port) in listening
        for arn in (group, network_group):
            register(elbv2, arn, "10.0.0.5", Port=8080)
        time.sleep(90)
        assert health(elbv2, group)["10.0.0.5", 8080] == ("healthy", "")
        listening.clear()
        assert health(elbv2, group)["10.0.0.5", 8080] == ("unhealthy", "Target.Timeout")
        assert health(elbv2, network_group)["10.0.0.5", 8080] == ("unhealthy", "Target.FailedHealthChecks")

    def test_no_traffic_without_a_load_balancer_in_the_zone(
        self, cloud: Cloud, elbv2: Any, vpc_id: str, subnets: list[str]
    ) -> None:
        group = make_group(elbv2, vpc_id)
        register(elbv2, group, "10.0.0.5", "10.0.1.5")
        assert set(health(elbv2, group).values()) == {("unused", "Target.NotInUse")}
        cloud.targets.attach(group, make_load_balancer(elbv2, subnets[:1]))
        states = health(elbv2, group)
        assert states["10.0.0.5", 80][0] == "initial"
        assert states["10.0.1.5", 80][0] == "unused"

    def test_a_listener_attaches_its_group(self, elbv2: Any, vpc_id: str, subnets: list[str]) -> None:
        group, load_balancer = make_group(elbv2, vpc_id), make_load_balancer(elbv2, subnets)
        forward = {"Type": "forward", "TargetGroupArn": group}
        elbv2.create_listener(LoadBalancerArn=load_balancer, Protocol="HTTP", Port=80, DefaultActions=[forward])
        (found,) = elbv2.describe_target_groups(LoadBalancerArn=load_balancer)["TargetGroups"]
        assert found["LoadBalancerArns"] == [load_balancer]

    def test_ports_make_targets_of_their_own(self, cloud: Cloud, elbv2: Any, group: str) -> None:
        register(elbv2, group, "10.0.0.5")
        register(elbv2, group, "10.0.0.5", Port=8080)
        deregister(elbv2, group, "10.0.0.5")
        assert cloud.targets.routable(group) == {("10.0.0.5", 8080)}
        assert set(health(elbv2, group)) == {("10.0.0.5", 80), ("10.0.0.5", 8080)}

    def test_registering_and_deregistering_twice_changes_nothing(self, cloud: Cloud, elbv2: Any, group: str) -> None:
        with calling_as("First"):
            register(elbv2, group, "10.0.0.5")
        time.sleep(15)
        register(elbv2, group, "10.0.0.5")
        deregister(elbv2, group, "10.0.0.6")
        assert cloud.targets.state(group, "10.0.0.5", 80) == "healthy"
        assert cloud.targets.registered_by(group, "10.0.0.5", 80) == "First"

    def test_the_same_address_waits_until_it_has_drained(self, cloud: Cloud, elbv2: Any, group: str) -> None:
        set_attribute(elbv2, group, "deregistration_delay.timeout_seconds", "30")
        register(elbv2, group, "10.0.0.5", "10.0.0.6")
        deregister(elbv2, group, "10.0.0.5")
        with pytest.raises(ClientError, match="InvalidTarget"):
            register(elbv2, group, "10.0.0.7", "10.0.0.5")
        assert cloud.targets.routable(group) == {("10.0.0.6", 80)}
        register(elbv2, group, "10.0.0.5", Port=8080)
        time.sleep(30)
        register(elbv2, group, "10.0.0.5")
        assert cloud.targets.state(group, "10.0.0.5", 80) == "initial"

    @settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(st.tuples(st.sampled_from("rdw"), st.integers(4, 8), st.sampled_from([80, 81])), max_size=30))
    def test_the_state_seen_by_tests_is_what_the_api_describes(
        self, cloud: Cloud, elbv2: Any, group: str, steps: list[tuple[str, int, int]]
    ) -> None:
        for verb, host, port in steps:
            ip = f"10.0.0.{host}"
            if verb == "w":
                time.sleep(host * 10)
            elif verb == "d":
                deregister(elbv2, group, ip, Port=port)
            elif cloud.targets.state(group, ip, port) == "draining":
                with pytest.raises(ClientError, match="InvalidTarget"):
                    register(elbv2, group, ip, Port=port)
            else:
                register(elbv2, group, ip, Port=port)
            described = health(elbv2, group)
            routable = {key for key, (state, _) in described.items() if state != "draining"}
            assert cloud.targets.routable(group) == routable
            assert {key: cloud.targets.state(group, *key) for key in described} == {
                key: state for key, (state, _) in described.items()
            }


class TestRefusals:
    def test_an_address_outside_the_subnets_needs_a_zone(self, cloud: Cloud, elbv2: Any, group: str) -> None:
        with pytest.raises(ClientError, match=r"The Availability Zone is required for IP address '172\.16\.0\.5'"):
            register(elbv2, group, "10.0.0.5", "172.16.0.5")
        assert cloud.targets.routable(group) == set()
        with pytest.raises(ClientError, match=r"is required for IP address '10\.0\.9\.5'"):
            register(elbv2, group, "10.0.9.5")
        with pytest.raises(ClientError, match="must be 'all' or a valid"):
            register(elbv2, group, "172.16.0.5", AvailabilityZone="us-east-1a")
        register(elbv2, group, "172.16.0.5", AvailabilityZone="all")
        register(elbv2, group, "172.16.0.6", AvailabilityZone=ZONES[0])
        answer = elbv2.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        assert [item["Target"]["AvailabilityZone"] for item in answer] == ["all", ZONES[0]]

    def test_a_subnet_of_a_secondary_block_is_in_the_vpc(
        self, cloud: Cloud, elbv2: Any, group: str, vpc_id: str
    ) -> None:
        ec2 = cloud.client("ec2")
        ec2.associate_vpc_cidr_block(VpcId=vpc_id, CidrBlock="100.64.0.0/16")
        time.sleep(60)
        ec2.create_subnet(VpcId=vpc_id, CidrBlock="100.64.0.0/24", AvailabilityZone=ZONES[1])
        register(elbv2, group, "100.64.0.5")
        with pytest.raises(ClientError, match="cannot have its Availability Zone overridden to 'all' from"):
            register(elbv2, group, "100.64.0.6", AvailabilityZone="all")

    def test_without_cross_zone_an_outside_address_needs_a_real_zone(self, elbv2: Any, group: str) -> None:
        set_attribute(elbv2, group, "load_balancing.cross_zone.enabled", "false")
        with pytest.raises(ClientError, match="you must specify an Availability Zone"):
            register(elbv2, group, "172.16.0.5", AvailabilityZone="all")
        register(elbv2, group, "172.16.0.5", AvailabilityZone=ZONES[0])

    @pytest.mark.parametrize("ip", ["8.8.8.8", "fd00::1", "web", "i-0123456789abcdef0"])
    def test_only_private_addresses_are_targets(self, elbv2: Any, group: str, ip: str) -> None:
        with pytest.raises(ClientError, match="ValidationError"):
            register(elbv2, group, ip, AvailabilityZone="all")

    def test_an_instance_target_group_refuses_addresses(self, elbv2: Any, vpc_id: str) -> None:
        with pytest.raises(ClientError, match="InvalidTarget"):
            register(elbv2, make_group(elbv2, vpc_id, kind="instance"), "10.0.0.5")

    def test_an_unknown_group_is_not_found(self, elbv2: Any, group: str) -> None:
        for call in (register, deregister, health):
            with pytest.raises(elbv2.exceptions.TargetGroupNotFoundException):
                call(elbv2, f"{group}0")
            with pytest.raises(ClientError, match="is not a valid target group ARN"):
                call(elbv2, "web")


class TestLimits:
    def test_a_group_counts_what_drains(self, cloud: Cloud, elbv2: Any, group: str) -> None:
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
        self, cloud: Cloud, vpc_id: str, subnets: list[str], kind: str, code: str
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

    def test_a_zone_of_a_network_load_balancer_has_a_limit(self, cloud: Cloud, elbv2: Any, network_group: str) -> None:
        cloud.quotas.apply("L-B211E961", 2)
        register(elbv2, network_group, "10.0.0.5", "10.0.0.6", "10.0.1.5")
        with pytest.raises(ClientError, match="TooManyTargets"):
            register(elbv2, network_group, "10.0.0.7")
        register(elbv2, network_group, "10.0.1.6")

    @pytest.mark.parametrize("by_group", [True, False])
    def test_across_zones_all_targets_count_in_each(
        self, cloud: Cloud, elbv2: Any, network_group: str, *, by_group: bool
    ) -> None:
        setting = {"Key": "load_balancing.cross_zone.enabled", "Value": "true"}
        (load_balancer,) = elbv2.describe_load_balancers()["LoadBalancers"]
        if by_group:
            elbv2.modify_target_group_attributes(TargetGroupArn=network_group, Attributes=[setting])
        else:
            elbv2.modify_load_balancer_attributes(
                LoadBalancerArn=load_balancer["LoadBalancerArn"], Attributes=[setting]
            )
        cloud.quotas.apply("L-B211E961", 2)
        register(elbv2, network_group, "10.0.0.5", "10.0.1.5")
        with pytest.raises(ClientError, match="TooManyTargets"):
            register(elbv2, network_group, "10.0.1.6")

    def test_limits_follow_the_quotas(self, cloud: Cloud, elbv2: Any) -> None:
        cloud.quotas.apply("L-A0D0B863", 1500)
        limits = {item["Name"]: item["Max"] for item in elbv2.describe_account_limits()["Limits"]}
        assert limits["targets-per-target-group"] == "1500"
        assert limits["targets-per-availability-zone-per-network-load-balancer"] == "500"
        quota = cloud.client("service-quotas").get_service_quota(
            ServiceCode="elasticloadbalancing", QuotaCode="L-A0D0B863"
        )["Quota"]
        assert (quota["QuotaName"], quota["Value"]) == ("Targets per Target Group per Region", 1500)


class TestDescriptions:
    def test_groups_are_found_by_arn_name_and_in_pages(self, elbv2: Any, vpc_id: str) -> None:
        arns = {name: make_group(elbv2, vpc_id, name) for name in ("c", "a", "b")}
        first = elbv2.describe_target_groups(PageSize=2)
        assert [item["TargetGroupName"] for item in first["TargetGroups"]] == ["a", "b"]
        rest = elbv2.describe_target_groups(PageSize=2, Marker=first["NextMarker"])
        assert [item["TargetGroupName"] for item in rest["TargetGroups"]] == ["c"]
        assert "NextMarker" not in rest
        pages = elbv2.get_paginator("describe_target_groups").paginate(PaginationConfig={"PageSize": 1})
        assert [item["TargetGroupArn"] for page in pages for item in page["TargetGroups"]] == [arns[n] for n in "abc"]
        (found,) = elbv2.describe_target_groups(TargetGroupArns=[arns["b"]])["TargetGroups"]
        assert found == elbv2.describe_target_groups(Names=["b"])["TargetGroups"][0]
        assert (found["TargetType"], found["Port"], found["IpAddressType"]) == ("ip", 80, "ipv4")
        for unknown in ({"Names": ["b", "d"]}, {"TargetGroupArns": [f"{arns['a']}0"]}):
            with pytest.raises(elbv2.exceptions.TargetGroupNotFoundException):
                elbv2.describe_target_groups(**unknown)

    def test_attributes_are_those_of_the_protocol_and_what_was_set(
        self, elbv2: Any, group: str, network_group: str
    ) -> None:
        set_attribute(elbv2, group, "deregistration_delay.timeout_seconds", "20")
        seen = [
            {
                item["Key"]: item["Value"]
                for item in elbv2.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]
            }
            for arn in (group, network_group)
        ]
        assert [one["deregistration_delay.timeout_seconds"] for one in seen] == ["20", "300"]
        assert {one["load_balancing.cross_zone.enabled"] for one in seen} == {"use_load_balancer_configuration"}
        assert "preserve_client_ip.enabled" not in seen[0]
        assert seen[1]["preserve_client_ip.enabled"] == "false"

    def test_load_balancers_have_the_arn_and_attributes_of_their_type(self, elbv2: Any, subnets: list[str]) -> None:
        cross_zone = {}
        for kind, short in (("application", "app"), ("network", "net")):
            arn = make_load_balancer(elbv2, subnets, kind)
            assert f":loadbalancer/{short}/" in arn
            assert elbv2.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"][0]["Type"] == kind
            attributes = elbv2.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
            cross_zone[kind] = {item["Key"]: item["Value"] for item in attributes}["load_balancing.cross_zone.enabled"]
        assert cross_zone == {"application": "true", "network": "false"}

    def test_tags_are_described_for_twenty_at_most(self, elbv2: Any, group: str) -> None:
        elbv2.add_tags(ResourceArns=[group], Tags=[{"Key": "team", "Value": "web"}])
        (described,) = elbv2.describe_tags(ResourceArns=[group])["TagDescriptions"]
        assert described["Tags"] == [{"Key": "team", "Value": "web"}]
        with pytest.raises(ClientError, match="ValidationError"):
            elbv2.describe_tags(ResourceArns=[group] * 21)


class TestThrottling:
    def test_changes_of_targets_share_a_bucket_and_botocore_waits_for_it(
        self, cloud: Cloud, elbv2: Any, group: str, function: None
    ) -> None:
        cloud.call_latency = 0.0
        began = time.time()
        for index in range(10):
            register(elbv2, group, f"10.0.0.{10 + index}")
            deregister(elbv2, group, f"10.0.0.{10 + index}")
        assert time.time() == began
        register(elbv2, group, "10.0.0.5")
        last = cloud.calls.all[-1]
        assert (last.outcome, last.attempts > 1) == ("ok", True)
        assert time.time() > began
        assert len(cloud.calls.named("elbv2:RegisterTargets")) == 11
        assert ("10.0.0.5", 80) in cloud.targets.routable(group)

    def test_reads_have_a_bucket_of_their_own(self, cloud: Cloud, elbv2: Any, group: str, function: None) -> None:
        cloud.call_latency = 0.0
        for _ in range(20):
            elbv2.describe_target_health(TargetGroupArn=group)
            elbv2.describe_target_groups()
        register(elbv2, group, "10.0.0.5")
        assert {call.attempts for call in cloud.calls.of("TargetsFunction")} == {1}
        elbv2.describe_target_group_attributes(TargetGroupArn=group)
        assert cloud.calls.all[-1].attempts > 1

    def test_only_functions_are_throttled_and_throttling_can_be_off(self, cloud: Cloud, elbv2: Any, group: str) -> None:
        cloud.call_latency = 0.0
        for _ in range(50):
            register(elbv2, group, "10.0.0.5")
        cloud.targets.throttles = False
        with calling_as("TargetsFunction"):
            for _ in range(50):
                register(elbv2, group, "10.0.0.5")
        assert {call.attempts for call in cloud.calls} == {1}

    def test_a_call_throttled_for_too_long_fails(self, cloud: Cloud, elbv2: Any, group: str, function: None) -> None:
        cloud.targets.changes.rate = 0.0
        for _ in range(20):
            register(elbv2, group, "10.0.0.5")
        with pytest.raises(ClientError, match="Throttling"):
            register(elbv2, group, "10.0.0.6")
        assert cloud.targets.routable(group) == {("10.0.0.5", 80)}

    def test_faults_and_throttling_go_together(self, cloud: Cloud, elbv2: Any, group: str, function: None) -> None:
        cloud.faults.plan = FaultPlan(seed=3, throttled=0.1, lost_response=0.1)
        for index in range(40):
            register(elbv2, group, f"10.0.0.{10 + index}")
        assert len(cloud.targets.routable(group)) == 40


class TestTagged:
    def test_resources_are_found_by_tag_and_type_in_pages(self, cloud: Cloud, elbv2: Any, vpc_id: str) -> None:
        tagging, discovery = cloud.client("resourcegroupstaggingapi"), cloud.client("servicediscovery")
        managed = {"Key": "berthmaster:targets", "Value": "managed"}
        arns = []
        for index in range(120):
            arns.append(make_group(elbv2, vpc_id, f"g{index}"))
            elbv2.add_tags(ResourceArns=arns[-1:], Tags=[managed])
        make_group(elbv2, vpc_id, "untagged")
        other = make_group(elbv2, vpc_id, "other")
        elbv2.add_tags(ResourceArns=[other], Tags=[{"Key": "berthmaster:targets", "Value": "ignored"}])
        service = discovery.create_service(Name="web", NamespaceId="ns-1", Tags=[managed])["Service"]["Arn"]

        def found(**more: Any) -> list[str]:
            pages = tagging.get_paginator("get_resources").paginate(**more)
            return [item["ResourceARN"] for page in pages for item in page["ResourceTagMappingList"]]

        key = [{"Key": "berthmaster:targets"}]
        groups = ["elasticloadbalancing:targetgroup"]
        assert len(tagging.get_resources(TagFilters=key)["ResourceTagMappingList"]) == 50
        assert found(TagFilters=[managed_filter(managed)], ResourceTypeFilters=groups) == arns
        assert found(TagFilters=key, ResourceTypeFilters=groups, PaginationConfig={"PageSize": 100}) == [*arns, other]
        assert found(TagFilters=key, ResourceTypeFilters=["servicediscovery:service"]) == [service]
        assert found(TagFilters=[*key, {"Key": "team"}]) == []
        assert found(ResourceARNList=[other, service]) == [other, service]
        with pytest.raises(ClientError, match="InvalidParameterException"):
            tagging.get_resources(ResourcesPerPage=101)


def managed_filter(tag: dict[str, str]) -> dict[str, Any]:
    return {"Key": tag["Key"], "Values": [tag["Value"]]}
