"""Endpoints of Services and the state of pods, read from a real HTTPS server on this machine."""

import json
from datetime import timedelta

import pytest

from berthmaster.errors import InvalidInput, MissingEvidence
from berthmaster.targets.observe import kubernetes
from berthmaster.targets.observe.kubernetes import Kubernetes, PodEndpoint, Port
from simulator.cloud import Cloud
from tests.support.kubernetes.clusters import POD, POD_PATH, SLICES, UID, described, names
from tests.support.kubernetes.server import ApiServer, Reply, recorded, reply

HTTP, METRICS = Port(name="http", number=8080, protocol="TCP"), Port(name="metrics", number=9102, protocol="TCP")
TOO_MANY = "too_many_requests"


def test_an_endpoint_has_its_pod_address_and_state(server: ApiServer, api: Kubernetes) -> None:
    server.answers[SLICES] = [reply("slices_in_every_state")]
    ready, starting, leaving, left = api.endpoints("blue", "shop", "web")
    assert ready == PodEndpoint(
        uid=UID,
        pod=POD,
        namespace="shop",
        address="10.0.1.21",
        node="ip-10-0-1-17.eu-central-1.compute.internal",
        zone="eu-central-1a",
        ports=(HTTP, METRICS),
        ready=True,
        serving=True,
        terminating=False,
    )
    states = [(endpoint.ready, endpoint.serving, endpoint.terminating) for endpoint in (starting, leaving, left)]
    assert states == [(False, False, False), (False, True, True), (False, False, True)]
    assert starting.zone == "eu-central-1b"


def test_missing_conditions_have_the_defaults_of_the_api(server: ApiServer, api: Kubernetes) -> None:
    server.answers[SLICES] = [reply("slices_without_conditions")]
    (endpoint,) = api.endpoints("blue", "shop", "web")
    assert (endpoint.ready, endpoint.serving, endpoint.terminating) == (True, True, False)
    assert (endpoint.node, endpoint.zone) == ("", "")
    assert endpoint.ports == (Port(name="", number=8080, protocol="TCP"),)


@pytest.mark.parametrize("name", ["slices_of_a_service_without_pods", "slices_of_no_service"])
def test_a_service_without_pods_and_a_missing_service_have_no_endpoints(
    name: str, server: ApiServer, api: Kubernetes
) -> None:
    server.answers[SLICES] = [reply(name)]
    assert api.endpoints("blue", "shop", "web") == ()


def test_an_endpoint_in_two_slices_counts_once_and_as_ready(server: ApiServer, api: Kubernetes) -> None:
    server.answers[SLICES] = [reply("slices_during_a_move")]
    endpoints = api.endpoints("blue", "shop", "web")
    assert [(endpoint.address, endpoint.ready) for endpoint in endpoints] == [("10.0.1.21", True), ("10.0.2.34", True)]


def test_an_endpoint_has_the_ports_of_all_slices_that_list_it(server: ApiServer, api: Kubernetes) -> None:
    answer = recorded("slices_during_a_move")
    answer["items"][0]["ports"] = [{"name": "metrics", "port": 9102, "protocol": "TCP"}]
    del answer["items"][2:]
    answer["items"][1]["ports"] = [{"name": "http", "port": 8080, "protocol": "TCP"}]
    server.answers[SLICES] = [Reply(body=json.dumps(answer).encode())]
    first, second = api.endpoints("blue", "shop", "web")
    assert (first.ports, first.ready) == ((HTTP, METRICS), True)
    assert second.ports == (HTTP,)


def test_an_endpoint_that_terminates_in_one_slice_does_so(server: ApiServer, api: Kubernetes) -> None:
    answer = recorded("slices_during_a_move")
    answer["items"][0]["endpoints"][0]["conditions"]["terminating"] = True
    server.answers[SLICES] = [Reply(body=json.dumps(answer).encode())]
    assert [one.terminating for one in api.endpoints("blue", "shop", "web")] == [True, False]


def test_only_pods_of_the_namespace_are_endpoints(server: ApiServer, api: Kubernetes) -> None:
    server.answers[SLICES] = [reply("slices_not_of_pods")]
    assert names(api.endpoints("blue", "shop", "web")) == ["aaaaa"]


def test_several_services_of_a_namespace_are_listed_at_once(server: ApiServer, api: Kubernetes) -> None:
    answer = recorded("slices_page_1")
    others = recorded("slices_page_3")["items"]
    for one in others:
        one["metadata"]["labels"]["kubernetes.io/service-name"] = "api"
    answer["items"] += others
    answer["metadata"] = {}
    server.answers[SLICES] = [Reply(body=json.dumps(answer).encode())]
    found = api.endpoints_of("blue", "shop", ["web", "api", "none"])
    assert {service: names(endpoints) for service, endpoints in found.items()} == {
        "web": ["aaaaa"],
        "api": ["ccccc"],
        "none": [],
    }
    assert [asked.query["labelSelector"] for asked in server.asked] == ["kubernetes.io/service-name in (web,api,none)"]


def test_all_pages_are_read(server: ApiServer, api: Kubernetes) -> None:
    server.answers[SLICES] = [reply(f"slices_page_{number}") for number in (1, 2, 3)]
    assert names(api.endpoints("blue", "shop", "web")) == ["aaaaa", "bbbbb", "ccccc"]
    first, second, third = (asked.query for asked in server.asked)
    assert first == {"labelSelector": "kubernetes.io/service-name in (web)", "limit": "500"}
    assert second == {**first, "continue": recorded("slices_page_1")["metadata"]["continue"]}
    assert third == {**first, "continue": recorded("slices_page_2")["metadata"]["continue"]}


def test_a_list_that_expires_is_started_again(server: ApiServer, api: Kubernetes) -> None:
    pages = [reply(f"slices_page_{number}") for number in (1, 2, 3)]
    server.answers[SLICES] = [pages[0], reply("gone"), *pages]
    assert names(api.endpoints("blue", "shop", "web")) == ["aaaaa", "bbbbb", "ccccc"]
    assert "continue" not in server.asked[2].query


def test_a_list_that_always_expires_is_missing_evidence(server: ApiServer, api: Kubernetes) -> None:
    server.answers[SLICES] = [reply("gone")]
    with pytest.raises(MissingEvidence, match=r"EKS cluster blue: .* shop/web expired 3 times"):
        api.endpoints("blue", "shop", "web")


def test_a_list_without_end_is_missing_evidence(
    server: ApiServer, api: Kubernetes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubernetes, "MAX_PAGES", 4)
    server.answers[SLICES] = [reply("slices_page_1")]
    with pytest.raises(MissingEvidence, match="does not end"):
        api.endpoints("blue", "shop", "web")
    assert len(server.asked) == 4


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (reply("unauthorized"), "HTTP 401 .* access entry"),
        (reply("forbidden"), "HTTP 403 .*cannot list resource.* get and list endpointslices.* and get pods"),
        (reply("no_such_path"), "HTTP 404 .*could not find"),
        (reply("internal_error"), "HTTP 500 .*etcdserver"),
        (reply(TOO_MANY, Retry_After="600"), "HTTP 429 .*try again later"),
        (Reply(302, headers={"Location": "/elsewhere"}), "HTTP 302"),
        (Reply(503, b"<html>upstream \xff"), "HTTP 503 .*upstream"),
    ],
)
def test_an_error_is_missing_evidence_and_never_an_empty_list(
    answer: Reply, words: str, server: ApiServer, api: Kubernetes
) -> None:
    server.answers[SLICES] = server.answers[POD_PATH] = [answer]
    with pytest.raises(MissingEvidence, match=f"EKS cluster blue: {words}"):
        api.endpoints("blue", "shop", "web")
    # A token that is refused is replaced, and the request repeated.
    assert len(server.asked) == (2 if answer.status == 401 else 1)
    with pytest.raises(MissingEvidence, match="EKS cluster blue: HTTP"):
        api.is_gone("blue", "shop", POD, UID)


def test_a_throttled_request_is_repeated_once(cloud: Cloud, server: ApiServer, api: Kubernetes) -> None:
    before = cloud.clock.now()
    busy = reply(TOO_MANY, Retry_After="3")
    server.answers[SLICES] = [busy, reply("slices_page_3"), busy]
    assert names(api.endpoints("blue", "shop", "web")) == ["ccccc"]
    assert timedelta(seconds=3) <= cloud.clock.now() - before < timedelta(seconds=4)
    with pytest.raises(MissingEvidence, match="HTTP 429"):
        api.endpoints("blue", "shop", "web")


WHOLE = json.dumps(recorded("slices_in_every_state")).encode()


@pytest.mark.parametrize(
    "answer",
    [
        Reply(body=WHOLE[:-200]),
        Reply(body=WHOLE[:-200], promised=len(WHOLE)),
        Reply(body=b""),
        Reply(body=b"{}"),
        Reply(body=b"\xff\xfe"),
        Reply(body=b"<html>OK</html>"),
        Reply(body=b'{"kind": "PodList", "metadata": {}, "items": []}'),
        Reply(body=b'{"kind": "EndpointSliceList", "metadata": {}}'),
        Reply(body=WHOLE.replace(b'["10.0.1.21"]', b"[]")),
    ],
)
def test_an_incomplete_answer_is_missing_evidence(answer: Reply, server: ApiServer, api: Kubernetes) -> None:
    server.answers[SLICES] = [answer]
    with pytest.raises(MissingEvidence, match="EKS cluster blue: "):
        api.endpoints("blue", "shop", "web")


def a_pod(phase: str) -> Reply:
    pod = recorded("pod")
    pod["status"]["phase"] = phase
    return Reply(body=json.dumps(pod).encode())


@pytest.mark.parametrize(
    ("answer", "uid", "gone"),
    [
        (reply("pod"), UID, False),
        (a_pod("Pending"), UID, False),
        (a_pod("Unknown"), UID, False),
        (a_pod("Succeeded"), UID, True),
        (a_pod("Failed"), UID, True),
        (reply("pod_being_deleted"), UID, True),
        (reply("pod"), "0f3c2a9e-5b1d-4c8e-9a77-000000000000", True),
        (reply("no_such_pod"), UID, True),
    ],
)
def test_a_pod_is_gone_if_it_ended_is_deleted_or_was_replaced(
    answer: Reply, uid: str, *, gone: bool, server: ApiServer, api: Kubernetes
) -> None:
    server.answers[POD_PATH] = [answer]
    assert api.is_gone("blue", "shop", POD, uid) is gone


@pytest.mark.parametrize(
    "answer", [Reply(404, b"no such page"), reply("no_such_path"), Reply(body=b'{"kind": "Pod", "metadata": {}}')]
)
def test_an_answer_that_is_not_about_the_pod_is_missing_evidence(
    answer: Reply, server: ApiServer, api: Kubernetes
) -> None:
    server.answers[POD_PATH] = [answer]
    with pytest.raises(MissingEvidence, match="EKS cluster blue: "):
        api.is_gone("blue", "shop", POD, UID)


HOSTILE = ["", "..", "a/b", "Web", "web?limit=1", "web,tier=db", "web\n", "-web", "web-", "wéb", "w" * 64, "%2e%2e"]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_invalid_name_gets_into_a_url(name: str, cloud: Cloud, server: ApiServer, api: Kubernetes) -> None:
    for field, ask in {
        "namespace": lambda: api.endpoints("blue", name, "web"),
        "service": lambda: api.endpoints("blue", "shop", name),
        "pod": lambda: api.is_gone("blue", "shop", name if len(name) < 64 else 4 * name, UID),
    }.items():
        with pytest.raises(InvalidInput) as caught:
            ask()
        assert caught.value.field == field
    with pytest.raises(InvalidInput, match="namespace: "):
        api.is_gone("blue", name, POD, UID)
    assert not server.asked
    assert not described(cloud)


@pytest.mark.parametrize("name", ["", "a/b", "blue\r\nx-amz-security-token: no", "b" * 101, "-blue"])
def test_no_invalid_cluster_name_is_described(name: str, cloud: Cloud, api: Kubernetes) -> None:
    with pytest.raises(InvalidInput, match="cluster: "):
        api.endpoints(name, "shop", "web")
    assert not described(cloud)


def test_a_pod_without_a_uid_is_not_asked_for(api: Kubernetes) -> None:
    with pytest.raises(InvalidInput, match="uid: "):
        api.is_gone("blue", "shop", POD, "")
