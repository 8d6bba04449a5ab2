"""Bearer tokens for EKS clusters: a presigned sts:GetCallerIdentity, as `aws eks get-token` makes it."""

from base64 import urlsafe_b64encode
from datetime import timedelta
from typing import Any

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.expiring import Expiring

PREFIX = "k8s-aws-v1."
CLUSTER_HEADER = "x-k8s-aws-id"
"""Signed, so that a token is valid for one cluster only."""
URL_EXPIRES = 60
VALID_FOR = timedelta(minutes=13)
"""EKS accepts a token for 15 minutes; the AWS CLI allows one minute less, and a request takes time too."""

_CLUSTER = "EksCluster"


class Tokens:
    """The tokens of this function's role, one per cluster, renewed before they expire."""

    def __init__(self, clients: Clients, clock: Clock) -> None:
        self._clients = clients
        self._clock = clock
        self._kept: Expiring[str] = Expiring()

    def token(self, cluster: str) -> str:
        """A token that the cluster's API server accepts; made without a call."""
        now = self._clock.now()
        return self._kept.get(cluster, now) or self._kept.put(cluster, self._make(cluster), now, VALID_FOR)

    def forget(self, cluster: str) -> None:
        """Make a new token next time, since this one was refused."""
        self._kept.forget(cluster)

    def _make(self, cluster: str) -> str:
        sts = self._clients.sts
        # botocore signs no headers of its caller, so the name is passed as a parameter that never reaches the URL.
        events = sts.meta.events
        events.register("provide-client-params.sts.GetCallerIdentity", _take_cluster, unique_id="eks-token-take")
        events.register("before-sign.sts.GetCallerIdentity", _sign_cluster, unique_id="eks-token-sign")
        url = sts.generate_presigned_url(
            "get_caller_identity", Params={_CLUSTER: cluster}, ExpiresIn=URL_EXPIRES, HttpMethod="GET"
        )
        return PREFIX + urlsafe_b64encode(url.encode()).rstrip(b"=").decode()


def _take_cluster(params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
    if _CLUSTER in params:
        context[_CLUSTER] = params.pop(_CLUSTER)


def _sign_cluster(request: Any, **_: object) -> None:
    if _CLUSTER in request.context:
        request.headers[CLUSTER_HEADER] = request.context[_CLUSTER]
