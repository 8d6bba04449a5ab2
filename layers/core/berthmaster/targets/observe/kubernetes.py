"""The endpoints of Kubernetes Services and the state of single pods, in EKS clusters."""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.errors import InvalidInput
from berthmaster.targets.observe.eks_server import ApiServers, Status, missing

PAGE = 500
"""EndpointSlices per page; a slice has 100 endpoints unless the cluster is configured otherwise, 1,000 at most."""
MAX_PAGES = 100
LISTS = 3
"""How often a list is started that expires before its last page: a continue token lives as long as etcd's history."""

SERVICE = "kubernetes.io/service-name"
"""The label of an EndpointSlice that names its Service."""
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(rf"(?=.{{1,253}}\Z){_LABEL.pattern}(\.{_LABEL.pattern})*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """One port of a Service as its pods listen on it; `name` is "" if it has none, `protocol` TCP, UDP or SCTP."""

    name: str
    number: int
    protocol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PodEndpoint:
    """A pod behind a Service.

    serving: it passes its readiness probe, terminating or not. ready: serving and not terminating, or the Service
    publishes pods that are not ready. node, zone: "" if unknown.
    """

    uid: str
    pod: str
    namespace: str
    address: str
    node: str
    zone: str
    ports: tuple[Port, ...]
    ready: bool
    serving: bool
    terminating: bool


class Kubernetes:
    """The API servers of EKS clusters, read over HTTPS; one of these per container, which threads may share.

    reader: the name of the function that reads private endpoints, empty for none.

    Anything but a clear answer raises MissingEvidence with the cluster and the reason. A name that Kubernetes does not
    allow raises InvalidInput before a request is made, and TimeoutError means that no time is left for a request.
    """

    def __init__(self, clients: Clients, clock: Clock, *, reader: str = "") -> None:
        self._servers = ApiServers(clients, clock, reader=reader)

    def begin(self, deadline: datetime) -> None:
        """Begin a run: no cluster is asked that may answer after the deadline."""
        self._servers.begin(deadline)

    def endpoints(self, cluster: str, namespace: str, service: str) -> tuple[PodEndpoint, ...]:
        """The IPv4 pods behind a Service, each once, sorted by name.

        Empty if the Service has none or does not exist: that alone does not prove that a pod is gone (`is_gone` does).
        Endpoints that are not pods of the namespace are left out, since nothing shows when their address is reused.
        """
        return self.endpoints_of(cluster, namespace, [service])[service]

    def endpoints_of(
        self, cluster: str, namespace: str, services: Collection[str]
    ) -> dict[str, tuple[PodEndpoint, ...]]:
        """As `endpoints`, of several Services of a namespace at once."""
        _check("namespace", namespace, _LABEL)
        for service in services:
            _check("service", service, _LABEL)
        named = f"{namespace}/{','.join(services)}"[:200]
        for _ in range(LISTS):
            slices = self._list(cluster, namespace, services, named)
            if slices is not None:
                return {service: _endpoints(slices, namespace, service) for service in services}
        raise missing(cluster, f"the list of endpoint slices of {named} expired {LISTS} times")

    def is_gone(self, cluster: str, namespace: str, pod: str, uid: str) -> bool:
        """Whether that very pod has ended or is being deleted, or its name is unused or that of another pod now."""
        _check("namespace", namespace, _LABEL)
        _check("pod", pod, _SUBDOMAIN)
        if not uid:
            raise InvalidInput("uid", "is empty, and no pod would match it")
        answer = self._servers.get(cluster, f"/api/v1/namespaces/{namespace}/pods/{pod}", {}, also=HTTPStatus.NOT_FOUND)
        if answer.status == HTTPStatus.NOT_FOUND:
            refusal = _decoded(cluster, answer.body, Status)
            # Not every 404 is about the pod: a proxy, or an API server that starts, may not know the path.
            if (refusal.details.kind, refusal.details.name) != ("pods", pod):
                raise missing(cluster, f"HTTP 404 that is not about the pod {namespace}/{pod}")
            return True
        found = _decoded(cluster, answer.body, _Pod)
        return (
            found.metadata.uid != uid
            or found.metadata.deletion_timestamp is not None
            or found.status.phase in ("Succeeded", "Failed")
        )

    def _list(self, cluster: str, namespace: str, services: Iterable[str], named: str) -> "list[_Slice] | None":
        """All pages; None if the list expired meanwhile. Without a resourceVersion the newest state is read."""
        path = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
        query = {"labelSelector": f"{SERVICE} in ({','.join(services)})", "limit": str(PAGE)}
        slices: list[_Slice] = []
        for _ in range(MAX_PAGES):
            answer = self._servers.get(cluster, path, query, also=HTTPStatus.GONE)
            if answer.status == HTTPStatus.GONE:
                return None
            page = _decoded(cluster, answer.body, _SliceList)
            slices += page.items or ()
            if not page.metadata.continue_:
                return slices
            query["continue"] = page.metadata.continue_
        raise missing(cluster, f"the list of endpoint slices of {named} does not end")


class _List(Struct):
    continue_: str = msgspec.field(name="continue", default="")


class _Conditions(Struct):
    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class _Reference(Struct):
    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""


class _SliceEndpoint(Struct, rename="camel"):
    addresses: Annotated[list[str], Meta(min_length=1)]
    conditions: _Conditions = msgspec.field(default_factory=_Conditions)
    target_ref: _Reference | None = None
    node_name: str | None = None
    zone: str | None = None


class _SlicePort(Struct):
    name: str | None = None
    port: int | None = None
    protocol: str | None = None


class _SliceMetadata(Struct):
    labels: dict[str, str] = msgspec.field(default_factory=dict)


class _Slice(Struct, rename="camel"):
    address_type: str
    metadata: _SliceMetadata = msgspec.field(default_factory=_SliceMetadata)
    endpoints: list[_SliceEndpoint] | None = None
    ports: list[_SlicePort] | None = None


class _SliceList(Struct):
    kind: Literal["EndpointSliceList"]
    metadata: _List
    items: list[_Slice] | None


class _PodMetadata(Struct, rename="camel"):
    uid: str
    deletion_timestamp: str | None = None


class _PodStatus(Struct):
    phase: str = ""


class _Pod(Struct):
    kind: Literal["Pod"]
    metadata: _PodMetadata
    status: _PodStatus = msgspec.field(default_factory=_PodStatus)


def _endpoints(slices: Iterable[_Slice], namespace: str, service: str) -> tuple[PodEndpoint, ...]:
    found: dict[tuple[str, str], PodEndpoint] = {}
    for endpoint in _pods((one for one in slices if one.metadata.labels.get(SERVICE) == service), namespace):
        other = found.get((endpoint.uid, endpoint.address))
        found[endpoint.uid, endpoint.address] = endpoint if other is None else _merged(other, endpoint)
    return tuple(sorted(found.values(), key=lambda endpoint: (endpoint.pod, endpoint.uid, endpoint.address)))


def _merged(one: PodEndpoint, other: PodEndpoint) -> PodEndpoint:
    """An endpoint that is in two slices: while it is moved, when one may be out of date, or with some ports in each."""
    newer = max(one, other, key=lambda endpoint: (endpoint.ready, endpoint.serving))
    ports = sorted({*one.ports, *other.ports}, key=lambda port: (port.name, port.number, port.protocol))
    # No pod returns from terminating.
    return replace(newer, ports=tuple(ports), terminating=one.terminating or other.terminating)


def _pods(slices: Iterable[_Slice], namespace: str) -> Iterator[PodEndpoint]:
    for slice_ in slices:
        if slice_.address_type != "IPv4":
            continue
        # A port without a number means all ports, which a target group cannot express.
        ports = tuple(
            Port(name=port.name or "", number=port.port, protocol=port.protocol or "TCP")
            for port in slice_.ports or ()
            if port.port is not None
        )
        for endpoint in slice_.endpoints or ():
            pod, conditions = endpoint.target_ref, endpoint.conditions
            if pod is None or pod.kind != "Pod" or not pod.uid or pod.namespace != namespace:
                continue
            ready = conditions.ready is not False
            yield PodEndpoint(
                uid=pod.uid,
                pod=pod.name,
                namespace=namespace,
                # The API says that further addresses are interchangeable with the first.
                address=endpoint.addresses[0],
                node=endpoint.node_name or "",
                zone=endpoint.zone or "",
                ports=ports,
                ready=ready,
                serving=ready if conditions.serving is None else conditions.serving,
                terminating=conditions.terminating is True,
            )


def _decoded[Value](cluster: str, body: bytes, kind: type[Value]) -> Value:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise missing(cluster, f"its answer cannot be read: {error}") from error


def _check(field: str, value: str, pattern: re.Pattern[str]) -> None:
    if not pattern.fullmatch(value):
        raise InvalidInput(field, f"{value[:64]!r} is not a Kubernetes name")
