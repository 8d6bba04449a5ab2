"""API servers of clusters: how they are found and verified, and when they are asked."""

import re
import socket
import ssl
from base64 import b64encode
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import urllib3
import yaml

from berthmaster.errors import MissingEvidence
from berthmaster.targets.observe import eks_https, eks_server
from berthmaster.targets.observe.kubernetes import Kubernetes
from simulator.cloud import Cloud
from simulator.errors import AwsError
from tests.support.kubernetes.clusters import POD, POD_PATH, SLICES, UID, a_cluster, described, names
from tests.support.kubernetes.server import ApiServer, Reply, an_identity, reply

MANUAL = Path(__file__).parents[4] / "docs/eks.md"


def test_a_cluster_is_described_every_15_minutes(cloud: Cloud, server: ApiServer, api: Kubernetes) -> None:
    server.answers[SLICES] = [reply("slices_of_no_service")]
    server.answers[POD_PATH] = [reply("pod")]
    api.endpoints("blue", "shop", "web")
    cloud.clock.advance(14 * 60)
    api.is_gone("blue", "shop", POD, UID)
    assert described(cloud) == 1
    cloud.clock.advance(2 * 60)
    api.endpoints("blue", "shop", "web")
    assert described(cloud) == 2


def test_a_cluster_that_does_not_exist_is_missing_evidence(api: Kubernetes) -> None:
    with pytest.raises(MissingEvidence, match=r"^EKS cluster green does not exist$"):
        api.endpoints("green", "shop", "web")


def test_a_cluster_that_may_not_be_described_is_missing_evidence(cloud: Cloud, api: Kubernetes) -> None:
    def refuse(*_: Any) -> Any:
        raise AwsError("AccessDeniedException", "not authorized to perform: eks:DescribeCluster", 403)

    cloud.handlers["eks:DescribeCluster"] = refuse
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
def test_a_cluster_without_endpoint_or_authority_is_not_asked(
    field: str, value: object, words: str, *, cloud: Cloud, server: ApiServer, api: Kubernetes
) -> None:
    setattr(cloud.backend("eks").clusters["blue"], field, value)
    with pytest.raises(MissingEvidence, match=f"EKS cluster blue: .*{words}"):
        api.endpoints("blue", "shop", "web")
    assert not server.asked


@pytest.mark.usefixtures("cloud")
def test_strict_verification_would_refuse_an_eks_authority(server: ApiServer) -> None:
    context = ssl.create_default_context(cadata=server.identity.authority)
    address = urlsplit(server.url)
    with (
        socket.create_connection((address.hostname, address.port)) as connection,
        pytest.raises(ssl.SSLCertVerificationError, match="Key Identifier"),
    ):
        context.wrap_socket(connection, server_hostname=address.hostname)


@pytest.mark.parametrize("mistake", ["another authority's", "another address's"])
def test_no_token_is_sent_to_a_server_with_another_certificate(mistake: str, cloud: Cloud, api: Kubernetes) -> None:
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


def test_a_recreated_cluster_is_found_at_its_new_endpoint_at_once(
    cloud: Cloud, server: ApiServer, api: Kubernetes
) -> None:
    with ApiServer() as old:
        old.answers[SLICES] = [reply("slices_page_3")]
        cluster = cloud.backend("eks").clusters["blue"]
        cluster.endpoint = old.url
        api.endpoints("blue", "shop", "web")
    cluster.endpoint = server.url
    server.answers[SLICES] = [reply("slices_page_3")]
    cloud.clock.advance(eks_server.RECENT.total_seconds())
    assert names(api.endpoints("blue", "shop", "web")) == ["ccccc"]


def test_a_rotated_certificate_authority_is_read_at_once(cloud: Cloud, server: ApiServer, api: Kubernetes) -> None:
    server.answers[SLICES] = [reply("slices_page_3")]
    api.endpoints("blue", "shop", "web")
    with ApiServer(an_identity.__wrapped__("127.0.0.1")) as rotated:
        rotated.answers[SLICES] = [reply("slices_page_3")]
        a_cluster(cloud, "green", rotated)
        cluster, new = (cloud.backend("eks").clusters[name] for name in ("blue", "green"))
        cluster.endpoint, authority = rotated.url, cluster.certificate_authority
        cloud.clock.advance(eks_server.VALID_FOR.total_seconds())
        with pytest.raises(MissingEvidence, match="CERTIFICATE_VERIFY_FAILED"):
            api.endpoints("blue", "shop", "web")
        assert cluster.certificate_authority == authority != new.certificate_authority
        cluster.certificate_authority = new.certificate_authority
        cloud.clock.advance(eks_server.RECENT.total_seconds())
        assert names(api.endpoints("blue", "shop", "web")) == ["ccccc"]


def test_a_cluster_that_refuses_is_described_again_at_most_once_a_minute(
    cloud: Cloud, server: ApiServer, api: Kubernetes
) -> None:
    server.answers[SLICES] = [reply("unauthorized")]
    for _ in range(12):
        with pytest.raises(MissingEvidence, match="HTTP 401"):
            api.endpoints("blue", "shop", "web")
        cloud.clock.advance(10)
    assert described(cloud) == 2


def test_a_request_whose_connection_breaks_is_tried_twice(server: ApiServer, api: Kubernetes) -> None:
    broken = Reply(breaks=True)
    server.answers[SLICES] = [broken, reply("slices_page_3"), broken]
    assert names(api.endpoints("blue", "shop", "web")) == ["ccccc"]
    assert len(server.asked) == 2
    with pytest.raises(MissingEvidence, match=f"EKS cluster blue: {server.url}"):
        api.endpoints("blue", "shop", "web")
    assert len(server.asked) == 4


@pytest.mark.parametrize(("public", "words"), [(True, "may allow certain addresses"), (False, "its private endpoint")])
def test_a_timeout_names_the_endpoint(
    *, public: bool, words: str, cloud: Cloud, server: ApiServer, api: Kubernetes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eks_https, "_TIMEOUT", urllib3.Timeout(connect=1, read=0.1))
    a_cluster(cloud, "quiet", server, public=public)
    server.answers[SLICES] = [Reply(hangs=True)]
    with pytest.raises(MissingEvidence, match=f"EKS cluster quiet: .*{words}") as caught:
        api.endpoints("quiet", "shop", "web")
    assert server.url in str(caught.value)
    assert len(server.asked) == 2


def test_a_cluster_that_does_not_answer_is_not_asked_again_for_some_seconds(
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
        cloud.clock.advance(eks_server.RECENT.total_seconds())
    api.begin(cloud.clock.now() + timedelta(seconds=45))
    server.answers[SLICES] = [reply("slices_page_3")]
    assert names(api.endpoints("blue", "shop", "web")) == ["ccccc"]


def test_no_request_is_made_that_may_outlast_the_deadline(cloud: Cloud, server: ApiServer, api: Kubernetes) -> None:
    server.answers[SLICES] = [reply("slices_page_3")]
    api.begin(cloud.clock.now() + eks_https.LONGEST - timedelta(seconds=1))
    with pytest.raises(TimeoutError, match="no time left to ask EKS cluster blue"):
        api.endpoints("blue", "shop", "web")
    assert server.asked == []
    timeout = eks_https._TIMEOUT
    assert eks_https.LONGEST.total_seconds() > 2 * (timeout.connect_timeout + timeout.read_timeout)


def test_the_documentation_grants_the_requests_that_are_made() -> None:
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
