"""The API servers of EKS clusters: their endpoints and certificate authorities, and one GET request at a time."""

import binascii
import re
import ssl
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec
import urllib3
from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.errors import InvalidInput, MissingEvidence, code_of
from berthmaster.targets.observe.eks_token import Tokens

if TYPE_CHECKING:
    from mypy_boto3_eks.type_defs import ClusterTypeDef

VALID_FOR = timedelta(minutes=15)
"""For how long the endpoint and the certificate authority of a cluster are kept."""
MAX_WAIT = 5
"""Seconds to wait at most when the API server asks to retry later; it mostly asks for one second."""

_TIMEOUT = urllib3.Timeout(connect=2, read=5)
# All requests are reads, so one that broke off may be sent again.
_TRIES = urllib3.Retry(total=1, respect_retry_after_header=False)
LONGEST = timedelta(seconds=2 * (2 + 5) + 1)
"""How long a request may take until both tries have failed."""
_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,99}")


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; `retry_after` in seconds."""

    status: int
    body: bytes
    retry_after: float


class ApiServers:
    """The API servers of all clusters; endpoints, connections and tokens are kept for the next request."""

    def __init__(self, clients: Clients, clock: Clock) -> None:
        self._clients = clients
        self._clock = clock
        self._tokens = Tokens(clients, clock)
        self._servers: dict[str, _Server] = {}
        self._silent: dict[str, MissingEvidence] = {}
        self._deadline: datetime | None = None

    def begin(self, deadline: datetime) -> None:
        """Begin a run that ends at the deadline; each cluster gets another chance to answer."""
        self._silent, self._deadline = {}, deadline

    def get(self, cluster: str, path: str, query: Mapping[str, str], *, also: HTTPStatus) -> Answer:
        """An answer with status 200 or with the status `also`; MissingEvidence for all others.

        A cluster that did not answer at all is not asked again in the same run: that would take the time of others.
        """
        answer = self._ask(cluster, path, query)
        if answer.status == HTTPStatus.TOO_MANY_REQUESTS and answer.retry_after <= MAX_WAIT:
            self._clock.sleep(answer.retry_after)
            answer = self._ask(cluster, path, query)
        if answer.status in (HTTPStatus.OK, also):
            return answer
        if answer.status == HTTPStatus.UNAUTHORIZED:
            self._tokens.forget(cluster)
        raise missing(cluster, _refusal(answer))

    def _ask(self, cluster: str, path: str, query: Mapping[str, str]) -> Answer:
        if cluster in self._silent:
            raise self._silent[cluster]
        if self._deadline is not None and self._deadline - self._clock.now() < LONGEST:
            raise TimeoutError(f"no time left to ask EKS cluster {cluster}")
        server = self._server(cluster)
        try:
            response = server.pool.request(
                "GET",
                path,
                fields=dict(query),
                headers={"Authorization": f"Bearer {self._tokens.token(cluster)}", "Accept": "application/json"},
                redirect=False,
            )
        except urllib3.exceptions.HTTPError as error:
            # A cluster that was created again under the same name has another endpoint and authority.
            self._servers.pop(cluster).pool.close()
            self._silent[cluster] = missing(cluster, _silence(server, error))
            raise self._silent[cluster] from error
        return Answer(response.status, response.data, _seconds(response.headers.get("Retry-After", "")))

    def _server(self, cluster: str) -> "_Server":
        kept = self._servers.get(cluster)
        if kept is not None and kept.until > self._clock.now():
            return kept
        server = _server_of(cluster, self._describe(cluster), self._clock.now() + VALID_FOR)
        if kept is not None:
            kept.pool.close()
        self._servers[cluster] = server
        return server

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
class _Server:
    url: str
    is_private: bool
    pool: urllib3.HTTPSConnectionPool
    until: datetime


def _server_of(cluster: str, description: "ClusterTypeDef", until: datetime) -> _Server:
    url = description.get("endpoint", "")
    authority = description.get("certificateAuthority", {}).get("data", "")
    address = urlsplit(url)
    if address.scheme != "https" or not address.hostname or not authority:
        raise missing(cluster, f"it has no endpoint and is {description.get('status', 'in an unknown state')}")
    try:
        context = ssl.create_default_context(cadata=b64decode(authority, validate=True).decode("ascii"))
    except (binascii.Error, UnicodeDecodeError, ssl.SSLError) as error:
        raise missing(cluster, f"its certificate authority cannot be read: {error}") from error
    # Python 3.13 requires key identifiers that an EKS authority need not have (kubernetes-client/python#2394).
    # Chain, dates and host name are still verified.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    pool = urllib3.HTTPSConnectionPool(
        address.hostname, address.port, ssl_context=context, timeout=_TIMEOUT, retries=_TRIES
    )
    is_private = not description.get("resourcesVpcConfig", {}).get("endpointPublicAccess", True)
    return _Server(url, is_private, pool, until)


def _silence(server: _Server, error: urllib3.exceptions.HTTPError) -> str:
    reason = error.reason if isinstance(error, urllib3.exceptions.MaxRetryError) and error.reason else error
    if not isinstance(reason, urllib3.exceptions.TimeoutError):
        return f"{server.url}: {reason}"
    if server.is_private:
        return (
            f"no answer from its private endpoint {server.url}: clusters without a public endpoint are not supported "
            f"(docs/eks.md; {reason})"
        )
    return (
        f"no answer from {server.url}: its public endpoint may allow certain addresses only, which is not supported "
        f"(docs/eks.md; {reason})"
    )


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


def _seconds(retry_after: str) -> float:
    return float(retry_after) if retry_after.isdecimal() else 1.0
