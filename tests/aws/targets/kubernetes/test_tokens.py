"""Tokens for EKS clusters: what they contain, and for how long they are used."""

from base64 import urlsafe_b64decode
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.errors import MissingEvidence
from berthmaster.targets.observe.eks_token import Tokens
from berthmaster.targets.observe.kubernetes import Kubernetes, Port
from simulator.cloud import REGION, Cloud
from tests.support.kubernetes.clusters import SLICES
from tests.support.kubernetes.server import ApiServer, reply

HTTP, METRICS = Port(name="http", number=8080, protocol="TCP"), Port(name="metrics", number=9102, protocol="TCP")


def url_in(token: str) -> str:
    encoded = token.removeprefix("k8s-aws-v1.")
    assert encoded != token
    assert "=" not in encoded
    return urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()


def test_a_token_is_a_presigned_request_that_is_valid_for_one_cluster(server: ApiServer, api: Kubernetes) -> None:
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

    # EKS adds the name of the cluster, and STS verifies the signature with it.
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


def test_other_uses_of_sts_are_not_signed_for_a_cluster(cloud: Cloud) -> None:
    clients = Clients()
    Tokens(clients, Clock()).token("blue")
    assert "x-k8s-aws-id" not in clients.sts.generate_presigned_url("get_caller_identity")
    assert clients.sts.get_caller_identity()["Account"] == cloud.account_id


def test_a_token_is_kept_while_it_is_valid_and_each_cluster_has_its_own(cloud: Cloud) -> None:
    tokens = Tokens(Clients(), Clock())
    first = tokens.token("blue")
    assert tokens.token("green") != first
    cloud.clock.advance(12 * 60)
    assert tokens.token("blue") == first
    cloud.clock.advance(2 * 60)
    assert tokens.token("blue") != first


def test_a_refused_token_is_replaced_at_once(server: ApiServer, api: Kubernetes, cloud: Cloud) -> None:
    server.answers[SLICES] = [reply("slices_of_no_service"), reply("unauthorized"), reply("slices_of_no_service")]
    api.endpoints("blue", "shop", "web")
    cloud.clock.advance(1)
    api.endpoints("blue", "shop", "web")
    first, refused, taken = (asked.token for asked in server.asked)
    assert first == refused != taken


def test_a_new_token_that_is_refused_too_is_missing_evidence(server: ApiServer, api: Kubernetes) -> None:
    server.answers[SLICES] = [reply("unauthorized")]
    with pytest.raises(MissingEvidence, match="HTTP 401"):
        api.endpoints("blue", "shop", "web")
    assert len(server.asked) == 2
