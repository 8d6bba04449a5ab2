"""Cloud Map: operations that take time, exclude one another and fail, and what discovery sees of them."""

from __future__ import annotations

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from simulator.aws.cloud_map.instance_rules import ServiceShape, refusal
from simulator.aws.throttling import TokenBucket
from simulator.calls import calling_as
from simulator.cloud import Cloud

WEB = {"AWS_INSTANCE_IPV4": "10.0.0.4"}
CUSTOM = {"HealthCheckCustomConfig": {"FailureThreshold": 1}}
A_RECORD = {"DnsConfig": {"DnsRecords": [{"Type": "A", "TTL": 10}]}}


@pytest.fixture
def cloud_map(cloud: Cloud) -> Any:
    return cloud.client("servicediscovery")


@pytest.fixture
def namespace(cloud_map: Any, vpc_id: str) -> str:
    operation = cloud_map.create_private_dns_namespace(Name="internal", Vpc=vpc_id)["OperationId"]
    identifier: str = cloud_map.get_operation(OperationId=operation)["Operation"]["Targets"]["NAMESPACE"]
    return identifier


def make_service(cloud_map: Any, namespace: str, name: str = "web", **config: Any) -> str:
    service: str = cloud_map.create_service(Name=name, NamespaceId=namespace, **config)["Service"]["Id"]
    return service


@pytest.fixture
def service(cloud_map: Any, namespace: str) -> str:
    return make_service(cloud_map, namespace, **A_RECORD, **CUSTOM)


def register(cloud_map: Any, service: str, instance: str = "one", **attributes: str) -> str:
    operation: str = cloud_map.register_instance(ServiceId=service, InstanceId=instance, Attributes=WEB | attributes)[
        "OperationId"
    ]
    return operation


def status(cloud_map: Any, operation: str) -> str:
    found: str = cloud_map.get_operation(OperationId=operation)["Operation"]["Status"]
    return found


def discovered(cloud_map: Any, **asked: Any) -> set[str]:
    answer = cloud_map.discover_instances(NamespaceName="internal", ServiceName="web", **asked)
    return {item["InstanceId"] for item in answer["Instances"]}


def refused(code: str) -> Any:
    return pytest.raises(ClientError, match=rf"\({code}\)")


def test_a_service_is_shown_as_aws_shows_it(cloud_map: Any, namespace: str, service: str) -> None:
    shown = cloud_map.get_service(Id=service)["Service"]
    assert shown["Arn"] == f"arn:aws:servicediscovery:eu-central-1:123456789012:service/{service}"
    assert shown["DnsConfig"]["DnsRecords"] == [{"Type": "A", "TTL": 10}]
    assert shown["DnsConfig"]["RoutingPolicy"] == "MULTIVALUE"
    assert shown["HealthCheckCustomConfig"] == {"FailureThreshold": 1}
    assert (shown["NamespaceId"], shown["Type"], shown["InstanceCount"]) == (namespace, "DNS_HTTP", 0)
    assert cloud_map.get_service(Id=shown["Arn"])["Service"] == shown
    other = cloud_map.create_http_namespace(Name="http")["OperationId"]
    elsewhere = cloud_map.get_operation(OperationId=other)["Operation"]["Targets"]["NAMESPACE"]
    bare = cloud_map.create_service(Name="bare", NamespaceId=elsewhere)["Service"]
    assert bare["Type"] == "HTTP"
    assert "DnsConfig" not in bare
    only = [{"Name": "NAMESPACE_ID", "Values": [elsewhere], "Condition": "EQ"}]
    assert [item["Id"] for item in cloud_map.list_services(Filters=only)["Services"]] == [bare["Id"]]
    with refused("ServiceNotFound"):
        cloud_map.get_service(Id="srv-gone")


def test_a_registration_takes_effect_when_its_operation_succeeds(cloud: Cloud, cloud_map: Any, service: str) -> None:
    with calling_as("TargetsFunction"):
        operation = register(cloud_map, service, AVAILABILITY_ZONE="a")
    assert status(cloud_map, operation) == "SUBMITTED"
    time.sleep(2)
    assert status(cloud_map, operation) == "PENDING"
    assert cloud.discovery.instances(service) == {}
    assert cloud_map.list_instances(ServiceId=service)["Instances"] == []
    time.sleep(3)
    assert cloud.discovery.instances(service) == {"one": WEB | {"AVAILABILITY_ZONE": "a"}}
    done = cloud_map.get_operation(OperationId=operation)["Operation"]
    assert (done["Status"], done["Type"]) == ("SUCCESS", "REGISTER_INSTANCE")
    assert done["Targets"] == {"SERVICE": service, "INSTANCE": "one"}
    assert (done["UpdateDate"] - done["CreateDate"]).total_seconds() == 5
    assert cloud.discovery.registered_by(service, "one") == "TargetsFunction"
    assert cloud_map.get_instance(ServiceId=service, InstanceId="one")["Instance"]["Attributes"] == WEB | {
        "AVAILABILITY_ZONE": "a"
    }
    assert cloud_map.get_service(Id=service)["Service"]["InstanceCount"] == 1


def test_registering_again_replaces_the_attributes(cloud: Cloud, cloud_map: Any, service: str) -> None:
    register(cloud_map, service, old="x")
    time.sleep(5)
    register(cloud_map, service, new="y")
    time.sleep(5)
    assert cloud.discovery.instances(service) == {"one": WEB | {"new": "y"}}


def test_deregistration_takes_its_time_too(cloud: Cloud, cloud_map: Any, service: str) -> None:
    register(cloud_map, service)
    time.sleep(5)
    operation = cloud_map.deregister_instance(ServiceId=service, InstanceId="one")["OperationId"]
    assert discovered(cloud_map) == {"one"}
    with refused("ResourceInUse"):
        cloud_map.delete_service(Id=service)
    time.sleep(5)
    assert status(cloud_map, operation) == "SUCCESS"
    assert cloud.discovery.instances(service) == {}
    with refused("InstanceNotFound"):
        cloud_map.deregister_instance(ServiceId=service, InstanceId="one")
    with refused("InstanceNotFound"):
        cloud_map.get_instance(ServiceId=service, InstanceId="one")
    with refused("OperationNotFound"):
        cloud_map.get_operation(OperationId="gone")
    cloud_map.delete_service(Id=service)
    with refused("ServiceNotFound"):
        register(cloud_map, service)


def test_one_operation_at_a_time_for_each_instance(cloud_map: Any, service: str) -> None:
    operation = register(cloud_map, service)
    for attempt in (
        lambda: register(cloud_map, service, other="content"),
        lambda: cloud_map.deregister_instance(ServiceId=service, InstanceId="one"),
    ):
        with pytest.raises(ClientError, match=f"type RegisterInstance and id {operation} is in progress") as busy:
            attempt()
        assert busy.value.response["Error"]["Code"] == "DuplicateRequest"
        assert busy.value.response["DuplicateOperationId"] == operation
    register(cloud_map, service, "two")
    time.sleep(5)
    assert cloud_map.deregister_instance(ServiceId=service, InstanceId="one")["OperationId"] != operation
    with pytest.raises(ClientError, match="type DeregisterInstance"):
        register(cloud_map, service)


def test_the_same_request_is_the_same_operation(cloud: Cloud, cloud_map: Any, service: str) -> None:
    request: dict[str, Any] = {"ServiceId": service, "InstanceId": "one", "CreatorRequestId": "r", "Attributes": WEB}
    operation = cloud_map.register_instance(**request)["OperationId"]
    assert cloud_map.register_instance(**request)["OperationId"] == operation
    time.sleep(5)
    assert cloud_map.register_instance(**request)["OperationId"] == operation
    with pytest.raises(ClientError, match=f"{operation} has completed"):
        cloud_map.register_instance(**request | {"InstanceId": "two"})
    assert list(cloud.discovery.instances(service)) == ["one"]


def test_an_operation_that_fails_changes_nothing(cloud: Cloud, cloud_map: Any, service: str) -> None:
    cloud.discovery.fail_next("THROTTLED_REQUEST")
    failed = register(cloud_map, service)
    time.sleep(5)
    shown = cloud_map.get_operation(OperationId=failed)["Operation"]
    assert (shown["Status"], shown["ErrorCode"]) == ("FAIL", "THROTTLED_REQUEST")
    assert shown["ErrorMessage"]
    assert cloud.discovery.instances(service) == {}
    register(cloud_map, service)
    time.sleep(5)
    cloud.discovery.fail_next("INTERNAL_FAILURE")
    failed = cloud_map.deregister_instance(ServiceId=service, InstanceId="one")["OperationId"]
    time.sleep(5)
    assert status(cloud_map, failed) == "FAIL"
    assert list(cloud.discovery.instances(service)) == ["one"]


def test_an_operation_that_is_lost_succeeds_and_changes_nothing(cloud: Cloud, cloud_map: Any, service: str) -> None:
    revision = {"NamespaceName": "internal", "ServiceName": "web"}
    before = cloud_map.discover_instances_revision(**revision)["InstancesRevision"]
    cloud.discovery.lose_next()
    lost = register(cloud_map, service)
    assert status(cloud_map, lost) == "SUBMITTED"
    time.sleep(5)
    assert status(cloud_map, lost) == "SUCCESS"
    assert cloud.discovery.instances(service) == {}
    assert cloud_map.discover_instances_revision(**revision)["InstancesRevision"] == before
    register(cloud_map, service)
    time.sleep(5)
    cloud.discovery.lose_next()
    lost = cloud_map.deregister_instance(ServiceId=service, InstanceId="one")["OperationId"]
    time.sleep(5)
    assert status(cloud_map, lost) == "SUCCESS"
    assert list(cloud.discovery.instances(service)) == ["one"]
    cloud_map.deregister_instance(ServiceId=service, InstanceId="one")
    time.sleep(5)
    assert cloud.discovery.instances(service) == {}


def endings(seed: int, *, caller: str = "TargetsFunction", **probabilities: float) -> list[tuple[str, bool]]:
    """Of twenty registrations: the status of the operation, and whether the instance is there."""
    with Cloud(seed=seed) as cloud:
        cloud_map = cloud.client("servicediscovery")
        service = make_service(cloud_map, cloud_map.create_http_namespace(Name="n")["OperationId"])
        for name, probability in probabilities.items():
            setattr(cloud.discovery.endings, name, probability)
        with calling_as(caller):
            operations = [register(cloud_map, service, f"i{number}") for number in range(20)]
        time.sleep(5)
        there = cloud.discovery.instances(service)
        return [(status(cloud_map, one), f"i{number}" in there) for number, one in enumerate(operations)]


def test_operations_of_functions_end_by_seed() -> None:
    drawn = endings(1, failed=0.3, lost=0.3)
    assert set(drawn) == {("FAIL", False), ("SUCCESS", False), ("SUCCESS", True)}
    assert endings(1, failed=0.3, lost=0.3) == drawn
    assert endings(2, failed=0.3, lost=0.3) != drawn
    assert set(endings(1, caller="workload", failed=0.3, lost=0.3)) == {("SUCCESS", True)}


def test_quotas_count_what_is_under_way(cloud: Cloud, cloud_map: Any, namespace: str, service: str) -> None:
    cloud.discovery.instances_per_service = 2
    cloud.discovery.instances_per_namespace = 3
    register(cloud_map, service, "one")
    register(cloud_map, service, "two")
    with refused("ResourceLimitExceeded"):
        register(cloud_map, service, "three")
    time.sleep(5)
    register(cloud_map, service, "one")
    other = make_service(cloud_map, namespace, "other", **A_RECORD)
    register(cloud_map, other, "one")
    with refused("ResourceLimitExceeded"):
        register(cloud_map, other, "two")


def test_custom_health_takes_effect_half_a_minute_later(cloud_map: Any, service: str) -> None:
    register(cloud_map, service, "well")
    register(cloud_map, service, "ill", AWS_INIT_HEALTH_STATUS="UNHEALTHY")
    time.sleep(5)
    assert discovered(cloud_map, HealthStatus="HEALTHY") == {"well"}
    assert discovered(cloud_map, HealthStatus="UNHEALTHY") == {"ill"}
    cloud_map.update_instance_custom_health_status(ServiceId=service, InstanceId="well", Status="UNHEALTHY")
    time.sleep(29)
    cloud_map.update_instance_custom_health_status(ServiceId=service, InstanceId="well", Status="UNHEALTHY")
    assert discovered(cloud_map, HealthStatus="HEALTHY") == {"well"}
    time.sleep(1)
    assert discovered(cloud_map, HealthStatus="HEALTHY") == set()
    assert discovered(cloud_map, HealthStatus="HEALTHY_OR_ELSE_ALL") == {"well", "ill"}
    shown = cloud_map.get_instances_health_status(ServiceId=service, Instances=["well", "ill"], MaxResults=1)
    assert shown["Status"] == {"well": "UNHEALTHY"}
    assert cloud_map.get_instances_health_status(ServiceId=service, NextToken=shown["NextToken"])["Status"] == {
        "ill": "UNHEALTHY"
    }


def test_without_a_health_check_health_is_unknown(cloud_map: Any, namespace: str) -> None:
    service = make_service(cloud_map, namespace, **A_RECORD)
    register(cloud_map, service)
    time.sleep(5)
    for asked in ("HEALTHY", "UNHEALTHY", "ALL", "HEALTHY_OR_ELSE_ALL"):
        assert discovered(cloud_map, HealthStatus=asked) == {"one"}
    with refused("CustomHealthNotFound"):
        cloud_map.update_instance_custom_health_status(ServiceId=service, InstanceId="one", Status="HEALTHY")


def test_discovery_returns_a_sample_and_lists_have_pages(cloud: Cloud, cloud_map: Any, service: str) -> None:
    for index in range(150):
        register(cloud_map, service, f"task-{index}", parity=str(index % 2))
    time.sleep(5)
    assert len(discovered(cloud_map)) == 100
    assert len(discovered(cloud_map, MaxResults=1000)) == 150
    assert len(discovered(cloud_map, QueryParameters={"parity": "1"})) == 75
    assert len(discovered(cloud_map, MaxResults=1000, OptionalParameters={"parity": "2"})) == 150
    page = cloud_map.list_instances(ServiceId=service)
    assert len(page["Instances"]) == 100
    rest = cloud_map.list_instances(ServiceId=service, NextToken=page["NextToken"])
    listed = [item["Id"] for item in page["Instances"] + rest["Instances"]]
    assert listed == list(cloud.discovery.instances(service))


def test_the_revision_changes_with_each_operation(cloud_map: Any, service: str) -> None:
    def revision() -> int:
        found: int = cloud_map.discover_instances_revision(NamespaceName="internal", ServiceName="web")[
            "InstancesRevision"
        ]
        return found

    before = revision()
    register(cloud_map, service)
    assert revision() == before
    time.sleep(5)
    assert revision() > before
    with refused("NamespaceNotFound"):
        cloud_map.discover_instances(NamespaceName="sea.local", ServiceName="web")
    with refused("ServiceNotFound"):
        cloud_map.discover_instances(NamespaceName="internal", ServiceName="gone")


def test_functions_are_throttled_and_botocore_waits(cloud: Cloud, cloud_map: Any, service: str) -> None:
    cloud.discovery.registrations = TokenBucket(rate=1, burst=2)
    for index in range(3):
        register(cloud_map, service, f"operators-{index}")
    began = time.time()
    with calling_as("TargetsFunction"):
        for index in range(4):
            register(cloud_map, service, f"functions-{index}")
    assert time.time() - began >= 1
    assert max(call.attempts for call in cloud.calls) > 1
    time.sleep(5)
    assert len(cloud.discovery.instances(service)) == 7


@pytest.mark.parametrize(
    ("records", "attributes", "accepted"),
    [
        ("A", WEB, True),
        ("A", {}, False),
        ("A", {"AWS_INSTANCE_IPV4": "10.0.0.256"}, False),
        ("A", {"AWS_INSTANCE_IPV4": "2001:db8::1"}, False),
        ("AAAA", WEB, False),
        ("AAAA", {"AWS_INSTANCE_IPV6": "2001:db8::1"}, True),
        ("SRV", WEB, False),
        ("SRV", WEB | {"AWS_INSTANCE_PORT": "8080"}, True),
        ("SRV", WEB | {"AWS_INSTANCE_PORT": "0"}, False),
        ("SRV", {"AWS_INSTANCE_PORT": "8080"}, False),
        ("CNAME", {"AWS_INSTANCE_CNAME": "example.com"}, True),
        ("CNAME", {}, False),
        ("A", WEB | {"AWS_INIT_HEALTH_STATUS": "HEALTHY"}, True),
        ("A", WEB | {"AWS_INIT_HEALTH_STATUS": "FINE"}, False),
        ("A", {"AWS_ALIAS_DNS_NAME": "lb.example.com"}, False),
        ("A", WEB | {"AWS_EC2_INSTANCE_ID": "i-1"}, False),
        ("", {}, True),
        ("", {"AWS_EC2_INSTANCE_ID": "i-1"}, True),
        ("", {f"key-{index}": "" for index in range(30)}, True),
        ("", {f"key-{index}": "" for index in range(31)}, False),
        ("", {"k" * 255: "v" * 1024}, True),
        ("", {"k" * 256: ""}, False),
        ("", {"k": "v" * 1025}, False),
        ("", {str(index): "v" * 999 for index in range(5)}, True),
        ("", {str(index): "v" * 1000 for index in range(5)}, False),
    ],
)
def test_attributes_must_fit_the_service(records: str, attributes: dict[str, str], accepted: bool) -> None:  # noqa: FBT001 - parametrized
    shape = ServiceShape(records=frozenset(records.split()), custom_check=True)
    assert (refusal("one", attributes, shape) == "") is accepted


@given(st.text(st.sampled_from("aZ9_/:.@-"), min_size=1, max_size=64))
def test_instance_ids_may_be_anything_of_sixty_four_characters(instance_id: str) -> None:
    assert refusal(instance_id, {}, ServiceShape()) == ""


@pytest.mark.parametrize("instance_id", ["", "a" * 65, "a b", "ä", "a\n", "task#1"])
def test_other_instance_ids_are_refused(cloud_map: Any, service: str, instance_id: str) -> None:
    with refused("InvalidInput"):
        register(cloud_map, service, instance_id)
