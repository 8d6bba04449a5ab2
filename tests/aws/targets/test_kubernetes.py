"""What is read from EKS's API servers: a real HTTPS server, and the cluster as the simulated AWS describes it."""

import json
import re
import socket
import ssl
from base64 import b64encode, urlsafe_b64decode
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
import urllib3
import yaml
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.errors import InvalidInput, MissingEvidence
from berthmaster.targets.observe import eks_server, kubernetes
from berthmaster.targets.observe.eks_token import Tokens
from berthmaster.targets.observe.kubernetes import Kubernetes, PodEndpoint, Port
from simulator.cloud import REGION, Cloud
from simulator.errors import AwsError
from tests.support.kubernetes.server import ApiServer, Reply, an_identity, recorded, reply

SLICES = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices"
MANUAL = Path(__file__).parents[3] / "docs/eks.md"
POD = "web-6d4cf56db6-aaaaa"
POD_PATH = f"/api/v1/namespaces/shop/pods/{POD}"
UID = recorded("pod")["metadata"]["uid"]
HTTP, METRICS = Port(name="http", number=8080, protocol="TCP"), Port(name="metrics", number=9102, protocol="TCP")
TOO_MANY = "too_many_requests"


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud() as cloud:
        yield cloud


@pytest.fixture
def server(cloud: Cloud) -> Iterator[ApiServer]:
    with ApiServer() as server:
        a_cluster(cloud, "blue", server)
        yield server


@pytest.fixture
def api(server: ApiServer) -> Kubernetes:  # noqa: ARG001 - it has to be there
    return Kubernetes(Clients(), Clock())


def a_cluster(cloud: Cloud, name: str, server: ApiServer, *, public: bool = True) -> Any:
    cloud.client("eks").create_cluster(
        name=name,
        roleArn=f"arn:aws:iam::{cloud.account}:role/eks",
        resourcesVpcConfig={"subnetIds": ["subnet-0a1b2c3d"], "endpointPublicAccess": public},
    )
    cluster = cloud.backend("eks").clusters[name]
    cluster.endpoint = server.url
    cluster.certificate_authority = {"data": b64encode(server.identity.authority.encode()).decode()}
    return cluster


def names(endpoints: tuple[PodEndpoint, ...]) -> list[str]:
    return [endpoint.pod[-5:] for endpoint in endpoints]


def described(cloud: Cloud) -> int:
    return sum(call.operation == "DescribeCluster" for call in cloud.calls)


def test_an_endpoint_says_whose_it_is_where_and_in_what_state(server: ApiServer, api: Kubernetes) -> None:
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


def test_what_the_cluster_does_not_say_has_the_apis_own_defaults(server: ApiServer, api: Kubernetes) -> None:
    server.answers[SLICES] = [reply("slices_without_conditions")]
    (endpoint,) = api.endpoints("blue", "shop", "web")
    assert (endpoint.ready, endpoint.serving, endpoint.terminating) == (True, True, False)
    assert (endpoint.node, endpoint.zone) == ("", "")
    assert endpoint.ports == (Port(name="", number=8080, protocol="TCP"),)


@pytest.mark.parametrize("name", ["slices_of_a_service_without_pods", "slices_of_no_service"])
def test_a_service_without_pods_and_no_service_look_alike(name: str, server: ApiServer, api: Kubernetes) -> None:
    server.answers[SLICES] = [reply(name)]
    assert api.endpoints("blue", "shop", "web") == ()


def test_an_endpoint_that_moves_between_slices_counts_once_and_as_ready(server: ApiServer, api: Kubernetes) -> None:
    server.answers[SLICES] = [reply("slices_during_a_move")]
    endpoints = api.endpoints("blue", "shop", "web")
    assert [(endpoint.address, endpoint.ready) for endpoint in endpoints] == [("10.0.1.21", True), ("10.0.2.34", True)]


def test_only_pods_of_the_namespace_are_endpoints(server: ApiServer, api: Kubernetes) -> None:
    server.answers[SLICES] = [reply("slices_not_of_pods")]
    assert names(api.endpoints("blue", "shop", "web")) == ["aaaaa"]


def test_all_pages_are_read(server: ApiServer, api: Kubernetes) -> None:
    server.answers[SLICES] = [reply(f"slices_page_{number}") for number in (1, 2, 3)]
    assert names(api.endpoints("blue", "shop", "web")) == ["aaaaa", "bbbbb", "ccccc"]
    first, second, third = (asked.query for asked in server.asked)
    assert first == {"labelSelector": "kubernetes.io/service-name=web", "limit": "500"}
    assert second == {**first, "continue": recorded("slices_page_1")["metadata"]["continue"]}
    assert third == {**first, "continue": recorded("slices_page_2")["metadata"]["continue"]}


def test_a_list_that_expires_under_way_is_begun_anew(server: ApiServer, api: Kubernetes) -> None:
    pages = [reply(f"slices_page_{number}") for number in (1, 2, 3)]
    server.answers[SLICES] = [pages[0], reply("gone"), *pages]
    assert names(api.endpoints("blue", "shop", "web")) == ["aaaaa", "bbbbb", "ccccc"]
    assert "continue" not in server.asked[2].query


def test_a_list_that_expires_each_time_is_no_list(server: ApiServer, api: Kubernetes) -> None:
    server.answers[SLICES] = [reply("gone")]
    with pytest.raises(MissingEvidence, match=r"EKS cluster blue: .* shop/web expired 3 times"):
        api.endpoints("blue", "shop", "web")


def test_a_list_without_end_is_no_list(server: ApiServer, api: Kubernetes, monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_a_refusal_is_told_and_never_taken_for_an_empty_list(
    answer: Reply, words: str, server: ApiServer, api: Kubernetes
) -> None:
    server.answers[SLICES] = server.answers[POD_PATH] = [answer]
    with pytest.raises(MissingEvidence, match=f"EKS cluster blue: {words}"):
        api.endpoints("blue", "shop", "web")
    assert len(server.asked) == 1
    with pytest.raises(MissingEvidence, match="EKS cluster blue: HTTP"):
        api.is_gone("blue", "shop", POD, UID)


def test_an_api_server_that_asks_for_patience_gets_it_once(cloud: Cloud, server: ApiServer, api: Kubernetes) -> None:
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
def test_an_answer_that_is_not_whole_is_none(answer: Reply, server: ApiServer, api: Kubernetes) -> None:
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
def test_a_pod_is_gone_when_the_cluster_says_so(
    answer: Reply, uid: str, *, gone: bool, server: ApiServer, api: Kubernetes
) -> None:
    server.answers[POD_PATH] = [answer]
    assert api.is_gone("blue", "shop", POD, uid) is gone


@pytest.mark.parametrize(
    "answer", [Reply(404, b"no such page"), reply("no_such_path"), Reply(body=b'{"kind": "Pod", "metadata": {}}')]
)
def test_a_pod_is_not_gone_because_an_answer_does_not_speak_of_it(
    answer: Reply, server: ApiServer, api: Kubernetes
) -> None:
    server.answers[POD_PATH] = [answer]
    with pytest.raises(MissingEvidence, match="EKS cluster blue: "):
        api.is_gone("blue", "shop", POD, UID)


HOSTILE = ["", "..", "a/b", "Web", "web?limit=1", "web,tier=db", "web\n", "-web", "web-", "wéb", "w" * 64, "%2e%2e"]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_hostile_name_gets_into_a_url(name: str, cloud: Cloud, server: ApiServer, api: Kubernetes) -> None:
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
def test_no_hostile_name_of_a_cluster_is_asked_for(name: str, cloud: Cloud, api: Kubernetes) -> None:
    with pytest.raises(InvalidInput, match="cluster: "):
        api.endpoints(name, "shop", "web")
    assert not described(cloud)


def test_a_pod_without_a_uid_is_not_asked_for(api: Kubernetes) -> None:
    with pytest.raises(InvalidInput, match="uid: "):
        api.is_gone("blue", "shop", POD, "")


def url_in(token: str) -> str:
    encoded = token.removeprefix("k8s-aws-v1.")
    assert encoded != token
    assert "=" not in encoded
    return urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()


def test_the_token_is_a_presigned_identity_that_only_its_cluster_can_use(server: ApiServer, api: Kubernetes) -> None:
    server.answers[SLICES] = [reply("slices_of_no_service")]
    api.endpoints("blue", "shop", "web")
    url = urlsplit(url_in(server.asked[0].token))
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    assert (url.scheme, url.netloc) == ("https", f"sts.{REGION}.amazonaws.com")
    assert query["Action"] == "GetCallerIdentity"
    assert query["X-Amz-Expires"] == "60"
    assert query["X-Amz-SignedHeaders"] == "host;x-k8s-aws-id"
    assert f"/{REGION}/sts/aws4_request" in query["X-Amz-Credential"]
    assert "EksCluster" not in query

    # As EKS does it: the cluster adds its own name, and STS finds the signature right or wrong.
    def signature(cluster: str) -> str:
        request = AWSRequest(
            "GET",
            f"https://{url.netloc}/",
            headers={"x-k8s-aws-id": cluster},
            params={name: query[name] for name in ("Action", "Version")},
        )
        SigV4QueryAuth(boto3.Session().get_credentials(), "sts", REGION, expires=60).add_auth(request)
        return parse_qs(urlsplit(request.url).query)["X-Amz-Signature"][0]

    assert query["X-Amz-Signature"] == signature("blue")
    assert query["X-Amz-Signature"] != signature("green")


def test_signing_for_a_cluster_leaves_other_uses_of_sts_alone(cloud: Cloud) -> None:
    clients = Clients()
    Tokens(clients, Clock()).token("blue")
    assert "x-k8s-aws-id" not in clients.sts.generate_presigned_url("get_caller_identity")
    assert clients.sts.get_caller_identity()["Account"] == cloud.account


def test_a_token_is_kept_while_it_is_good_and_is_one_clusters_own(cloud: Cloud) -> None:
    tokens = Tokens(Clients(), Clock())
    first = tokens.token("blue")
    assert tokens.token("green") != first
    cloud.clock.advance(12 * 60)
    assert tokens.token("blue") == first
    cloud.clock.advance(2 * 60)
    assert tokens.token("blue") != first


def test_a_refused_token_is_not_used_again(cloud: Cloud, server: ApiServer, api: Kubernetes) -> None:
    server.answers[SLICES] = [reply("unauthorized"), reply("slices_of_no_service")]
    with pytest.raises(MissingEvidence, match="HTTP 401"):
        api.endpoints("blue", "shop", "web")
    cloud.clock.advance(1)
    api.endpoints("blue", "shop", "web")
    refused, taken = (asked.token for asked in server.asked)
    assert refused != taken


def test_a_cluster_is_described_once_in_a_quarter_of_an_hour(cloud: Cloud, server: ApiServer, api: Kubernetes) -> None:
    server.answers[SLICES] = [reply("slices_of_no_service")]
    server.answers[POD_PATH] = [reply("pod")]
    api.endpoints("blue", "shop", "web")
    cloud.clock.advance(14 * 60)
    api.is_gone("blue", "shop", POD, UID)
    assert described(cloud) == 1
    cloud.clock.advance(2 * 60)
    api.endpoints("blue", "shop", "web")
    assert described(cloud) == 2


def test_a_cluster_that_does_not_exist_says_nothing(api: Kubernetes) -> None:
    with pytest.raises(MissingEvidence, match=r"^EKS cluster green does not exist$"):
        api.endpoints("green", "shop", "web")


def test_a_cluster_that_may_not_be_described_says_nothing(cloud: Cloud, api: Kubernetes) -> None:
    def refuse(*_: Any) -> Any:
        raise AwsError("AccessDeniedException", "not authorized to perform: eks:DescribeCluster", 403)

    cloud.answers["eks:DescribeCluster"] = refuse
    with pytest.raises(MissingEvidence, match=r"EKS cluster blue: .*eks:DescribeCluster"):
        api.endpoints("blue", "shop", "web")


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("endpoint", None, "no endpoint and is ACTIVE"),
        ("endpoint", "http://127.0.0.1", "no endpoint"),
        ("certificate_authority", {"data": ""}, "no endpoint"),
        ("certificate_authority", {"data": "not base64"}, "authority cannot be read"),
        ("certificate_authority", {"data": b64encode(b"no certificate").decode()}, "authority cannot be read"),
        ("certificate_authority", {"data": b64encode(b"\xff").decode()}, "authority cannot be read"),
    ],
)
def test_a_cluster_without_address_or_authority_is_not_asked(
    field: str, value: object, words: str, *, cloud: Cloud, server: ApiServer, api: Kubernetes
) -> None:
    setattr(cloud.backend("eks").clusters["blue"], field, value)
    with pytest.raises(MissingEvidence, match=f"EKS cluster blue: .*{words}"):
        api.endpoints("blue", "shop", "web")
    assert not server.asked


@pytest.mark.usefixtures("cloud")
def test_pythons_own_strictness_would_refuse_an_eks_authority(server: ApiServer) -> None:
    context = ssl.create_default_context(cadata=server.identity.authority)
    address = urlsplit(server.url)
    with (
        socket.create_connection((address.hostname, address.port)) as connection,
        pytest.raises(ssl.SSLCertVerificationError, match="Key Identifier"),
    ):
        context.wrap_socket(connection, server_hostname=address.hostname)


@pytest.mark.parametrize("mistake", ["another authority's", "another address's"])
def test_no_token_goes_to_a_server_that_is_not_the_clusters(mistake: str, cloud: Cloud, api: Kubernetes) -> None:
    identity = an_identity("192.0.2.1")
    with ApiServer(identity) as impostor:
        cluster = cloud.backend("eks").clusters["blue"]
        cluster.endpoint = impostor.url
        if mistake == "another address's":
            cluster.certificate_authority = {"data": b64encode(identity.authority.encode()).decode()}
        with pytest.raises(
            MissingEvidence, match=r"EKS cluster blue: https://127\.0\.0\.1:.*CERTIFICATE_VERIFY_FAILED"
        ):
            api.endpoints("blue", "shop", "web")
        assert not impostor.asked


def test_a_cluster_made_anew_is_found_where_it_is_now(cloud: Cloud, server: ApiServer, api: Kubernetes) -> None:
    with ApiServer() as old:
        old.answers[SLICES] = [reply("slices_page_3")]
        cluster = cloud.backend("eks").clusters["blue"]
        cluster.endpoint = old.url
        api.endpoints("blue", "shop", "web")
    cluster.endpoint = server.url
    server.answers[SLICES] = [reply("slices_page_3")]
    with pytest.raises(MissingEvidence, match=f"EKS cluster blue: .*{old.url}"):
        api.endpoints("blue", "shop", "web")
    api.begin(cloud.clock.now() + timedelta(seconds=45))
    assert names(api.endpoints("blue", "shop", "web")) == ["ccccc"]


def test_a_connection_that_breaks_is_tried_twice(server: ApiServer, api: Kubernetes) -> None:
    broken = Reply(breaks=True)
    server.answers[SLICES] = [broken, reply("slices_page_3"), broken]
    assert names(api.endpoints("blue", "shop", "web")) == ["ccccc"]
    assert len(server.asked) == 2
    with pytest.raises(MissingEvidence, match=f"EKS cluster blue: {server.url}"):
        api.endpoints("blue", "shop", "web")
    assert len(server.asked) == 4


@pytest.mark.parametrize(("public", "words"), [(True, "a function in a VPC needs"), (False, "its private endpoint")])
def test_silence_names_the_endpoint(
    *, public: bool, words: str, cloud: Cloud, server: ApiServer, api: Kubernetes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eks_server, "_TIMEOUT", urllib3.Timeout(connect=1, read=0.1))
    a_cluster(cloud, "quiet", server, public=public)
    server.answers[SLICES] = [Reply(hangs=True)]
    with pytest.raises(MissingEvidence, match=f"EKS cluster quiet: .*{words}") as caught:
        api.endpoints("quiet", "shop", "web")
    assert server.url in str(caught.value)
    assert len(server.asked) == 2


def test_a_cluster_that_does_not_answer_is_asked_once_in_a_pass(
    cloud: Cloud, server: ApiServer, api: Kubernetes
) -> None:
    with ApiServer() as dead:
        a_cluster(cloud, "dead", dead)
    for _ in range(2):
        api.begin(cloud.clock.now() + timedelta(seconds=45))
        seq = len(cloud.calls)
        for service in ("web", "api"):
            with pytest.raises(MissingEvidence, match=r"EKS cluster dead: .*refused"):
                api.endpoints("dead", "shop", service)
            with pytest.raises(MissingEvidence, match=r"EKS cluster dead: .*refused"):
                api.is_gone("dead", "shop", POD, UID)
        assert len(cloud.calls.since(seq).named("eks:DescribeCluster")) == 1
    server.answers[SLICES] = [reply("slices_page_3")]
    assert names(api.endpoints("blue", "shop", "web")) == ["ccccc"]


def test_nothing_is_asked_that_may_outlast_the_turn(cloud: Cloud, server: ApiServer, api: Kubernetes) -> None:
    server.answers[SLICES] = [reply("slices_page_3")]
    api.begin(cloud.clock.now() + eks_server.LONGEST - timedelta(seconds=1))
    with pytest.raises(TimeoutError, match="no time left to ask EKS cluster blue"):
        api.endpoints("blue", "shop", "web")
    assert server.asked == []
    timeout = eks_server._TIMEOUT
    assert eks_server.LONGEST.total_seconds() > 2 * (timeout.connect_timeout + timeout.read_timeout)


def test_the_manual_grants_what_is_asked_for() -> None:
    manifest = re.search(r"```yaml\n(.*?)```", MANUAL.read_text(), re.DOTALL)
    assert manifest
    role, binding = yaml.safe_load_all(manifest[1])
    granted = {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    listing = ("discovery.k8s.io", "endpointslices", "list")
    assert granted == {listing, ("discovery.k8s.io", "endpointslices", "get"), ("", "pods", "get")}
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert f"--kubernetes-groups {binding['subjects'][0]['name']} " in MANUAL.read_text()
