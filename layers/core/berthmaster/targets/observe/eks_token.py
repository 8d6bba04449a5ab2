"""How an EKS cluster learns who asks: a presigned sts:GetCallerIdentity, as `aws eks get-token` makes it."""

from base64 import urlsafe_b64encode
from datetime import datetime, timedelta
from typing import Any

from berthmaster.clients import Clients
from berthmaster.clock import Clock

PREFIX = "k8s-aws-v1."
CLUSTER_HEADER = "x-k8s-aws-id"
"""Signed, so that a token is good for one cluster only."""
URL_EXPIRES = 60
MAX_AGE = timedelta(minutes=13)
"""EKS takes a token for 15 minutes; the AWS CLI gives it one minute less, and a request needs its time."""

_CLUSTER = "EksCluster"


class Tokens:
    """Bearer tokens of this container's role, one per cluster and renewed before they expire."""

    def __init__(self, clients: Clients, clock: Clock) -> None:
        self._clients = clients
        self._clock = clock
        self._kept: dict[str, tuple[str, datetime]] = {}

    def token(self, cluster: str) -> str:
        """A token the cluster's API server takes; made without a call."""
        now = self._clock.now()
        token, expires = self._kept.get(cluster, ("", now))
        if expires <= now:
            token = self._make(cluster)
            self._kept[cluster] = token, now + MAX_AGE
        return token

    def forget(self, cluster: str) -> None:
        """Make a new one next time: this one was refused."""
        self._kept.pop(cluster, None)

    def _make(self, cluster: str) -> str:
        sts = self._clients.sts
        # botocore signs no header of the caller's, so the name travels as a parameter that never reaches the URL.
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
