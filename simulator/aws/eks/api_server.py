"""The API server of a cluster: the pods behind its Services, read as EndpointSlices and as pods.

What it knows of a pod follows from the time alone: it becomes ready, is deleted, and is gone when its grace period is
over. Sources: the API reference of discovery.k8s.io/v1, and "Pod Lifecycle" in the Kubernetes documentation.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode, urlsafe_b64decode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from simulator.account import Account

AUTHORITY = """\
-----BEGIN CERTIFICATE-----
MIIBPjCB5aADAgECAhRH8UejLeHFFIg6NmNFqDB61SvMsDAKBggqhkjOPQQDAjAV
MRMwEQYDVQQDDAprdWJlcm5ldGVzMB4XDTIwMDEwMTAwMDAwMFoXDTQ5MDEwMTAw
MDAwMFowFTETMBEGA1UEAwwKa3ViZXJuZXRlczBZMBMGByqGSM49AgEGCCqGSM49
AwEHA0IABB2/Oe0AieQhKjQ08niISYPKqDLZhUCOI/8KEvTAc4Ed8HBJSctPAOeD
qfhME5WlhfuDndKXpZemouptaczpX8OjEzARMA8GA1UdEwEB/wQFMAMBAf8wCgYI
KoZIzj0EAwIDSAAwRQIgb6HB6K1fyJ9+b+dNk24srCDjou5pUzrw5IkaQ5Xp9YEC
IQCKKBDJDWm3hYP5WR2sSRPFbtqQrVAkyiLlHD7b0ZGGAw==
-----END CERTIFICATE-----
"""
"""A certificate authority as EKS makes them. TLS itself is not simulated."""
SLICES = re.compile(r"/apis/discovery\.k8s\.io/v1/namespaces/([^/]+)/endpointslices")
SELECTOR = re.compile(r"kubernetes\.io/service-name in \(([a-z0-9,-]+)\)")
POD = re.compile(r"/api/v1/namespaces/([^/]+)/pods/([^/]+)")
PUBLISHED_AFTER = 0.5
"""Seconds until the controller has written a change of a pod into the EndpointSlices of its Service."""


@dataclass
class Pod:
    """A pod behind a Service; times in seconds since the epoch, None for never. ports: by name."""

    name: str
    uid: str
    namespace: str
    service: str
    address: str
    zone: str
    ports: dict[str, int]
    ready_at: float
    deleted_at: float | None = None
    gone_at: float | None = None


@dataclass
class ApiServer:
    """The API server of one cluster.

    is_private: only functions in a VPC reach it. admits: the callers, as in `calls.caller`, with an access entry. down:
    nobody gets an answer. refuses: the HTTP status of every answer, 0 for none. asked: caller and path of each request,
    and when it came.
    """

    account: Account
    cluster: str
    is_private: bool = False
    admits: set[str] = field(default_factory=set)
    down: bool = False
    refuses: int = 0
    pods: dict[str, Pod] = field(default_factory=dict)
    asked: list[tuple[str, str, float]] = field(default_factory=list)

    @property
    def host(self) -> str:
        """Its name in DNS."""
        return f"{self.cluster}.gr7.{self.account.region}.eks.amazonaws.com"

    @property
    def now(self) -> float:
        """Virtual time."""
        return self.account.clock.timestamp()

    def run(
        self, number: int, *, address: str = "", service: str = "web", ports: Mapping[str, int] | None = None
    ) -> Pod:
        """Run a pod that is ready at once."""
        pod = Pod(
            name=f"{service}-6d4cf56db6-{number:05}",
            uid=f"0f3c2a9e-5b1d-4c8e-9a77-{number:012}",
            namespace="shop",
            service=service,
            address=address or f"10.0.0.{20 + number}",
            zone=f"{self.account.region}a",
            ports=dict(ports or {"http": 8080}),
            ready_at=self.now,
        )
        self.pods[pod.name] = pod
        return pod

    def delete(self, pod: Pod, *, grace: float = 30.0) -> None:
        """Delete a pod: it terminates, and is gone after its grace period."""
        pod.deleted_at = self.now
        pod.gone_at = self.now + grace

    def respond(self, caller: str, path: str, query: Mapping[str, str], token: str) -> tuple[int, dict[str, Any]]:
        """The status and body of the answer to a GET request."""
        self.asked.append((caller, path, self.now))
        if self.refuses:
            return self.refuses, _status(self.refuses, "refused")
        if caller not in self.admits or not self._is_valid(token):
            return 401, _status(401, "Unauthorized")
        selected = SELECTOR.fullmatch(query.get("labelSelector", ""))
        if (found := SLICES.fullmatch(path)) and selected:
            return 200, self._slices(found[1], selected[1].split(","))
        if found := POD.fullmatch(path):
            return self._pod(found[2])
        return 404, _status(404, "the server could not find the requested resource")

    def _is_valid(self, token: str) -> bool:
        encoded = token.removeprefix("k8s-aws-v1.")
        query = parse_qs(urlsplit(urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()).query)
        return "x-k8s-aws-id" in query["X-Amz-SignedHeaders"][0]

    def _slices(self, namespace: str, services: Iterable[str]) -> dict[str, Any]:
        """One slice for each Service and set of ports."""
        endpoints: dict[tuple[str, str], list[dict[str, Any]]] = {}
        seen_at = self.now - PUBLISHED_AFTER
        for pod in self.pods.values():
            is_gone = pod.gone_at is not None and pod.gone_at <= seen_at
            if pod.namespace == namespace and pod.service in services and not is_gone:
                endpoints.setdefault((pod.service, json.dumps(pod.ports)), []).append(_endpoint(pod, seen_at))
        items = [
            {
                "metadata": {"labels": {"kubernetes.io/service-name": service}},
                "addressType": "IPv4",
                "endpoints": own,
                "ports": _ports(ports),
            }
            for (service, ports), own in endpoints.items()
        ]
        return {"kind": "EndpointSliceList", "metadata": {"resourceVersion": "1"}, "items": items}

    def _pod(self, name: str) -> tuple[int, dict[str, Any]]:
        pod = self.pods.get(name)
        if pod is None or (pod.gone_at is not None and pod.gone_at <= self.now):
            return 404, _status(404, f'pods "{name}" not found') | {"details": {"name": name, "kind": "pods"}}
        metadata = {"name": name, "uid": pod.uid}
        if pod.deleted_at is not None:
            metadata["deletionTimestamp"] = "2026-03-02T06:00:00Z"
        return 200, {"kind": "Pod", "metadata": metadata, "status": {"phase": "Running"}}


class ApiServers:
    """The API servers of an account's clusters, and the functions that are in a VPC without a way out of it."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._by_host: dict[str, ApiServer] = {}
        self.in_vpc: set[str] = set()

    def create(self, cluster: str, *, public: bool = True) -> ApiServer:
        """Create a cluster; returns its API server."""
        server = ApiServer(self._account, cluster, is_private=not public)
        self._account.client("eks").create_cluster(
            name=cluster,
            roleArn=f"arn:aws:iam::{self._account.account_id}:role/eks",
            resourcesVpcConfig={
                "subnetIds": ["subnet-0a1b2c3d"],
                "endpointPublicAccess": public,
                "endpointPrivateAccess": not public,
            },
        )
        made = self._account.backend("eks").clusters[cluster]
        made.endpoint = f"https://{server.host}"
        made.certificate_authority = {"data": b64encode(AUTHORITY.encode()).decode()}
        self._by_host[server.host] = server
        return server

    def at(self, host: str) -> ApiServer | None:
        """The API server with that name; None if it is not simulated."""
        return self._by_host.get(host)

    def reaches(self, caller: str, server: ApiServer) -> bool:
        """Whether a caller gets an answer: a private endpoint answers in its VPC only, a public one outside it."""
        return not server.down and (caller in self.in_vpc) is server.is_private


def _endpoint(pod: Pod, at: float) -> dict[str, Any]:
    terminating = pod.deleted_at is not None and pod.deleted_at <= at
    is_ready = pod.ready_at <= at
    return {
        "addresses": [pod.address],
        "conditions": {"ready": is_ready and not terminating, "serving": is_ready, "terminating": terminating},
        "targetRef": {"kind": "Pod", "namespace": pod.namespace, "name": pod.name, "uid": pod.uid},
        "zone": pod.zone,
    }


def _ports(ports: str) -> list[dict[str, Any]]:
    return [{"name": name, "port": number, "protocol": "TCP"} for name, number in json.loads(ports).items()]


def _status(code: int, message: str) -> dict[str, Any]:
    return {"kind": "Status", "code": code, "message": message}
