"""The API servers of EKS clusters: where they are, from where they are read, and one GET request at a time."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec
from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.errors import InvalidInput, MissingEvidence, code_of
from berthmaster.expiring import Expiring
from berthmaster.targets.observe.eks_https import LONGEST, Answer, ApiServer, Https, Unreachable
from berthmaster.targets.observe.eks_private import PrivateEndpoints

if TYPE_CHECKING:
    from mypy_boto3_eks.type_defs import ClusterTypeDef

VALID_FOR = timedelta(minutes=15)
"""For how long the endpoint and the certificate authority of a cluster are kept."""
RECENT = timedelta(minutes=1)
"""What was read no longer ago is not read again when the API server refuses it."""
QUIET = timedelta(seconds=20)
"""For how long a cluster that did not answer is not asked again: that would take the time of others."""
MAX_WAIT = 5
"""Seconds to wait at most when the API server asks to retry later; it mostly asks for one second."""
ANYWHERE = "0.0.0.0/0"

_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,99}")


class ApiServers:
    """The API servers of all clusters. reader: the name of the function that reads private endpoints, empty for none.

    Threads may share it, each for clusters of its own.
    """

    def __init__(self, clients: Clients, clock: Clock, *, reader: str = "") -> None:
        self._clients = clients
        self._clock = clock
        self._https = Https(clients, clock)
        self._private = PrivateEndpoints(clients, reader)
        self._known: dict[str, _Known] = {}
        self._silent: Expiring[MissingEvidence] = Expiring()
        self._deadline: datetime | None = None

    def begin(self, deadline: datetime) -> None:
        """Begin a run: no request may outlast the deadline."""
        self._deadline = deadline

    def get(self, cluster: str, path: str, query: Mapping[str, str], *, also: HTTPStatus) -> Answer:
        """An answer with status 200 or with the status `also`; MissingEvidence for all others.

        A cluster that does not answer is asked again only after a while. If the API server refuses what was remembered
        (a token, an endpoint, a certificate authority), that is read again, and the request is repeated at once.
        """
        answer = self._ask(cluster, path, query)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            self._renew(cluster, self._known[cluster])
            answer = self._ask(cluster, path, query)
        elif answer.status == HTTPStatus.TOO_MANY_REQUESTS and answer.retry_after <= MAX_WAIT:
            self._clock.sleep(answer.retry_after)
            answer = self._ask(cluster, path, query)
        if answer.status in (HTTPStatus.OK, also):
            return answer
        raise missing(cluster, _refusal(answer))

    def _ask(self, cluster: str, path: str, query: Mapping[str, str]) -> Answer:
        if (failed := self._silent.get(cluster, self._clock.now())) is not None:
            raise failed
        known = self._known.get(cluster)
        if known is None or known.read_at + VALID_FOR <= self._clock.now():
            known = self._read(cluster)
        try:
            return self._send(known, path, query)
        except Unreachable as unreachable:
            silence = unreachable
        try:
            # A cluster that was created again under the same name has another endpoint and authority.
            if (renewed := self._renew(cluster, known)) is not None:
                return self._send(renewed, path, query)
            failure = missing(cluster, _in_words(known, silence, self._private.function))
        except Unreachable as unreachable:
            failure = missing(cluster, _in_words(self._known[cluster], unreachable, self._private.function))
        except MissingEvidence as refused:
            failure = refused
        raise self._silent.put(cluster, failure, self._clock.now(), QUIET) from silence

    def _send(self, known: "_Known", path: str, query: Mapping[str, str]) -> Answer:
        if self._deadline is not None and self._deadline - self._clock.now() < LONGEST:
            raise TimeoutError(f"no time left to ask EKS cluster {known.server.cluster}")
        through = self._private if known.is_private and self._private.function else self._https
        return through.get(known.server, path, query)

    def _renew(self, cluster: str, known: "_Known") -> "_Known | None":
        """Read again what is remembered of a cluster; None if that is recent, or still the same."""
        if self._clock.now() - known.read_at < RECENT:
            return None
        renewed = self._read(cluster)
        if renewed.server == known.server and renewed.is_private == known.is_private:
            return None
        self._https.forget(known.server)
        return renewed

    def _read(self, cluster: str) -> "_Known":
        description = self._describe(cluster)
        server = ApiServer(
            cluster=cluster,
            url=description.get("endpoint", ""),
            authority=description.get("certificateAuthority", {}).get("data", ""),
        )
        if not server.url.startswith("https://") or not server.authority:
            raise missing(cluster, f"it has no endpoint and is {description.get('status', 'in an unknown state')}")
        access = description.get("resourcesVpcConfig", {})
        is_public = access.get("endpointPublicAccess", True)
        is_limited = ANYWHERE not in access.get("publicAccessCidrs", [ANYWHERE])
        # The functions outside the VPC have no fixed addresses, so a list of allowed ones excludes them.
        is_private = not is_public or (is_limited and access.get("endpointPrivateAccess", False))
        self._known[cluster] = _Known(server, is_public, is_private, self._clock.now())
        return self._known[cluster]

    def _describe(self, cluster: str) -> "ClusterTypeDef":
        if not _NAME.fullmatch(cluster):
            raise InvalidInput("cluster", f"{cluster[:64]!r} is not a name of an EKS cluster")
        try:
            return self._clients.eks.describe_cluster(name=cluster)["cluster"]
        except ClientError as error:
            if code_of(error) == "ResourceNotFoundException":
                raise MissingEvidence(f"EKS cluster {cluster} does not exist") from error
            raise missing(cluster, str(error)) from error
        except BotoCoreError as error:
            raise missing(cluster, str(error)) from error


class Status(Struct):
    """The body of an error of the Kubernetes API."""

    class Details(Struct):
        """What the error is about; `kind` is the resource in the plural."""

        kind: str = ""
        name: str = ""

    message: str = ""
    details: Details = msgspec.field(default_factory=Details)


def missing(cluster: str, reason: str) -> MissingEvidence:
    """The error for a cluster that gives no clear answer."""
    return MissingEvidence(f"EKS cluster {cluster}: {reason}")


@dataclass(frozen=True, slots=True)
class _Known:
    """What is remembered of a cluster. is_private: it is to be read from within its VPC."""

    server: ApiServer
    is_public: bool
    is_private: bool
    read_at: datetime


def _in_words(known: _Known, silence: Unreachable, reader: str) -> str:
    url = known.server.url
    if known.is_private and reader:
        return f"no answer from its private endpoint {url} by way of {reader} (docs/eks.md; {silence})"
    if not silence.is_timeout:
        return str(silence)
    if not known.is_public:
        return (
            f"no answer from its private endpoint {url}: set TargetsPodSubnets and TargetsPodSecurityGroups, so that a "
            f"function in the VPC reads it (docs/eks.md; {silence})"
        )
    return f"no answer from {url}: its public endpoint may allow certain addresses only (docs/eks.md; {silence})"


def _refusal(answer: Answer) -> str:
    try:
        message = msgspec.json.decode(answer.body, type=Status).message[:300]
    except (msgspec.DecodeError, UnicodeDecodeError):
        message = answer.body[:100].decode(errors="replace")
    text = f"HTTP {answer.status} {message!r}"
    if answer.status == HTTPStatus.UNAUTHORIZED:
        return f"{text}: the function's role needs an access entry (docs/eks.md)"
    if answer.status == HTTPStatus.FORBIDDEN:
        return (
            f"{text}: the access entry of the function's role needs a Kubernetes group that may get and list "
            "endpointslices.discovery.k8s.io and get pods (docs/eks.md)"
        )
    return text
