"""Tags select tasks and ports; a tag that is wrong is named."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from berthmaster.targets.model import (
    Container,
    Declaration,
    Definition,
    EcsSelector,
    EksSelector,
    Finding,
)
from berthmaster.targets.plan.mapping import Unclear, declaration, endpoint, matches, selects
from tests.support.targets.builders import a_cloud_map_service, a_target_group, a_task, target_group_arn

ARN = target_group_arn("front")
MANAGED = {"berthmaster:targets": "managed"}
SHOP = MANAGED | {"berthmaster:cluster": "web", "berthmaster:service": "shop"}
PODS = MANAGED | {
    "berthmaster:eks-cluster": "Blue_1",
    "berthmaster:namespace": "shop",
    "berthmaster:k8s-service": "cart",
}


def test_tags_select_a_service_a_family_or_a_kubernetes_service() -> None:
    family = MANAGED | {"berthmaster:cluster": "web", "berthmaster:family": "job"}
    assert declaration(ARN, SHOP) == Declaration(arn=ARN, selector=EcsSelector("web", services=("shop",)))
    assert declaration(ARN, family) == Declaration(arn=ARN, selector=EcsSelector("web", families=("job",)))
    assert declaration(ARN, PODS) == Declaration(arn=ARN, selector=EksSelector("Blue_1", "shop", "cart"))


def test_several_names_have_spaces_between_and_count_once() -> None:
    services = SHOP | {"berthmaster:service": " shop  cart shop"}
    families = MANAGED | {"berthmaster:cluster": "web", "berthmaster:family": "job night-job"}
    assert declaration(ARN, services) == Declaration(arn=ARN, selector=EcsSelector("web", services=("cart", "shop")))
    assert declaration(ARN, families) == Declaration(
        arn=ARN, selector=EcsSelector("web", families=("job", "night-job"))
    )


def test_one_wrong_name_among_several_is_named() -> None:
    read = declaration(ARN, SHOP | {"berthmaster:service": "shop cart,tea"})
    assert isinstance(read, Finding)
    assert read.text == "berthmaster:service='cart,tea' is not a name that AWS accepts"


def test_container_and_port_are_read_without_spaces_around_them() -> None:
    tags = SHOP | {"berthmaster:container": " app", "berthmaster:port": "http "}
    read = declaration(ARN, tags)
    assert isinstance(read, Declaration)
    assert (read.container, read.port) == ("app", "http")


def test_a_detached_destination_keeps_its_selector() -> None:
    read = declaration(ARN, SHOP | {"berthmaster:targets": "detached"})
    assert isinstance(read, Declaration)
    assert read.detached
    assert read.selector == EcsSelector("web", services=("shop",))


@pytest.mark.parametrize("tags", [{}, {"berthmaster:cluster": "web"}, SHOP | {"berthmaster:targets": " "}])
def test_a_destination_without_the_tag_is_not_managed(tags: dict[str, str]) -> None:
    assert declaration(ARN, tags) is None


def test_similar_tags_of_others_are_ignored() -> None:
    others = {"targets": "managed", "cluster": "blue", "service": "billing", "family": "job", "port": "0"}
    assert declaration(ARN, others) is None
    assert declaration(ARN, others | SHOP) == declaration(ARN, SHOP | others) == declaration(ARN, SHOP)


@pytest.mark.parametrize(
    ("change", "tag"),
    [
        ({"berthmaster:targets": "yes"}, "berthmaster:targets"),
        ({"berthmaster:cluster": ""}, "berthmaster:cluster"),
        ({"berthmaster:cluster": "arn:aws:ecs:x"}, "berthmaster:cluster"),
        ({"berthmaster:cluster": "wéb"}, "berthmaster:cluster"),
        ({"berthmaster:service": ""}, "berthmaster:service"),
        ({"berthmaster:service": "*"}, "berthmaster:service"),
        ({"berthmaster:service": "s" * 256}, "berthmaster:service"),
        ({"berthmaster:family": "job"}, "berthmaster:family"),
        ({"berthmaster:service": "", "berthmaster:family": "job:7"}, "berthmaster:family"),
        ({"berthmaster:port": "0"}, "berthmaster:port"),
        ({"berthmaster:port": "65536"}, "berthmaster:port"),
        ({"berthmaster:namespace": "shop"}, "berthmaster:namespace"),
    ],
)
def test_wrong_tags_for_ecs_are_named(change: dict[str, str], tag: str) -> None:
    read = declaration(ARN, SHOP | change)
    assert isinstance(read, Finding)
    assert (read.destination, read.code) == (ARN, "tags")
    assert tag in read.text


@pytest.mark.parametrize(
    ("change", "tag"),
    [
        ({"berthmaster:eks-cluster": ""}, "berthmaster:eks-cluster"),
        ({"berthmaster:eks-cluster": "a/b"}, "berthmaster:eks-cluster"),
        ({"berthmaster:namespace": ""}, "berthmaster:namespace"),
        ({"berthmaster:namespace": "Shop"}, "berthmaster:namespace"),
        ({"berthmaster:k8s-service": "-cart"}, "berthmaster:k8s-service"),
        ({"berthmaster:k8s-service": "../pods"}, "berthmaster:k8s-service"),
        ({"berthmaster:container": "app"}, "berthmaster:container"),
    ],
)
def test_wrong_tags_for_eks_are_named(change: dict[str, str], tag: str) -> None:
    read = declaration(ARN, PODS | change)
    assert isinstance(read, Finding)
    assert tag in read.text


NAMES = ("targets", "cluster", "service", "family", "container", "port", "eks-cluster", "namespace", "k8s-service")


@given(
    tags=st.dictionaries(
        st.sampled_from([f"berthmaster:{name}" for name in NAMES]),
        st.sampled_from(["managed", "detached", "web", "8080", "http", ""]) | st.text(max_size=20),
    )
)
def test_any_tags_give_a_declaration_nothing_or_a_finding_that_names_a_tag(tags: dict[str, str]) -> None:
    read = declaration(ARN, tags)
    if isinstance(read, Finding):
        assert any(f"berthmaster:{name}" in read.text for name in NAMES)
    elif isinstance(read, Declaration):
        assert tags["berthmaster:targets"].strip() in {"managed", "detached"}


# Which tasks


def test_a_service_selects_its_own_tasks_and_a_family_all_tasks_that_run_it() -> None:
    by_service, by_family = a_target_group(), a_target_group(selector=EcsSelector("web", families=("shop",)))
    mine, alone = a_task(1), a_task(2, service="")
    assert selects(by_service, mine)
    assert not selects(by_service, alone)
    assert selects(by_family, mine)
    assert selects(by_family, alone)
    assert not selects(by_family, a_task(3, family="shop-admin"))


def test_each_of_several_services_and_families_is_selected() -> None:
    by_service = a_target_group(selector=EcsSelector("web", services=("cart", "shop")))
    by_family = a_target_group(selector=EcsSelector("web", families=("job", "shop")))
    for group in (by_service, by_family):
        assert selects(group, a_task(1))
        assert not selects(group, a_task(2, service="tea", family="tea"))
    assert selects(by_service, a_task(3, service="cart", family="job"))
    assert selects(by_family, a_task(3, service="cart", family="job"))


@pytest.mark.parametrize("change", [{"cluster": "blue"}, {"service": "shop-admin"}, {"service": ""}])
def test_tasks_of_other_clusters_and_services_are_not_selected(change: dict[str, Any]) -> None:
    assert not selects(a_target_group(), a_task(1, **change))


def test_a_destination_for_pods_selects_no_tasks() -> None:
    assert not selects(a_target_group(selector=EksSelector("web", "default", "shop")), a_task(1))


def test_tasks_that_ecs_itself_registers_are_not_selected() -> None:
    assert not selects(a_target_group(registered_by_ecs=["web/shop"]), a_task(1))
    assert selects(a_target_group(registered_by_ecs=["web/other", "blue/shop"]), a_task(1))


def test_a_detached_destination_matches_its_tasks_and_selects_none() -> None:
    detached = a_target_group(declared={"detached": True})
    assert matches(detached.declaration, a_task(1))
    assert not selects(detached, a_task(1))


# Which port

WEB = Container("web", {"http": 8080, "admin": 9090})
PROXY = Container("proxy", {"8443": 8443})


@pytest.mark.parametrize(
    ("declared", "containers", "port"),
    [
        ({}, [PROXY], 8443),
        ({}, [PROXY, Container("log")], 8443),
        ({"port": "http"}, [WEB, PROXY], 8080),
        ({"port": "9090"}, [WEB, PROXY], 9090),
        ({"port": "8443"}, [WEB, PROXY], 8443),
        ({"container": "proxy"}, [WEB, PROXY], 8443),
        ({"container": "web", "port": "admin"}, [WEB, PROXY], 9090),
        ({"port": "7000"}, [WEB], 7000),
        ({"port": "7000"}, [Container("log")], 7000),
        ({"port": "http"}, [WEB, Container("twin", {"http": 8080})], 8080),
    ],
)
def test_a_port_is_chosen_by_number_name_or_container(
    declared: dict[str, str], containers: list[Container], port: int
) -> None:
    assert endpoint(a_target_group(declared=declared), a_task(1), Definition(tuple(containers))).port == port


@pytest.mark.parametrize(
    ("declared", "containers", "word"),
    [
        ({}, [WEB], "berthmaster:port"),
        ({}, [WEB, PROXY], "berthmaster:container"),
        ({}, [Container("log")], "berthmaster:port"),
        ({"port": "grpc"}, [WEB], "'grpc'"),
        ({"container": "app"}, [WEB], "'app'"),
        ({"port": "http"}, [WEB, Container("twin", {"http": 80})], "80, 8080"),
    ],
)
def test_an_ambiguous_port_names_the_tag_to_set(
    declared: dict[str, str], containers: list[Container], word: str
) -> None:
    with pytest.raises(Unclear, match=word):
        endpoint(a_target_group(declared=declared), a_task(1), Definition(tuple(containers)))


def test_a_task_without_its_own_address_cannot_be_registered() -> None:
    with pytest.raises(Unclear, match="awsvpc"):
        endpoint(a_target_group(), a_task(1, ip=""), Definition((PROXY,)))


def test_a_cloud_map_instance_has_the_attributes_that_ecs_writes() -> None:
    attributes = endpoint(a_cloud_map_service(), a_task(1), Definition((PROXY,))).attributes
    assert attributes == {
        "AVAILABILITY_ZONE": "eu-central-1a",
        "REGION": "eu-central-1",
        "ECS_CLUSTER_NAME": "web",
        "ECS_SERVICE_NAME": "shop",
        "ECS_TASK_DEFINITION_FAMILY": "shop",
    }
    alone = endpoint(a_cloud_map_service(), a_task(1, service=""), Definition((PROXY,))).attributes
    assert "ECS_SERVICE_NAME" not in alone
    assert endpoint(a_target_group(), a_task(1), Definition((PROXY,))).attributes == {}
