"""GET requests to API servers of EKS clusters over HTTPS, with the token of the role that sends them."""

import binascii
import ssl
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from urllib.parse import urlsplit

import urllib3
from msgspec import Struct

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.errors import BerthmasterError
from berthmaster.targets.observe.eks_token import Tokens

AT_ONCE = 4
"""Requests to one API server that may be under way at the same time."""
_TIMEOUT = urllib3.Timeout(connect=2, read=5)
# All requests are reads, so one that broke off may be sent again.
_TRIES = urllib3.Retry(total=1, respect_retry_after_header=False)
LONGEST = timedelta(seconds=2 * (2 + 5) + 1)
"""How long a request may take until both tries have failed."""


class Unreachable(BerthmasterError):
    """An API server gave no answer. is_timeout: it was not refused, but nothing came back."""

    def __init__(self, reason: str, *, is_timeout: bool = False) -> None:
        super().__init__(reason)
        self.is_timeout = is_timeout


class ApiServer(Struct, frozen=True, kw_only=True):
    """Where the API server of a cluster is; authority: its certificate authority as DescribeCluster returns it."""

    cluster: str
    url: str
    authority: str


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; `retry_after` in seconds."""

    status: int
    body: bytes
    retry_after: float


class Https:
    """Sends requests; connections and tokens are kept for the next one. Threads may share it."""

    def __init__(self, clients: Clients, clock: Clock) -> None:
        self._tokens = Tokens(clients, clock)
        self._pools: dict[ApiServer, urllib3.HTTPSConnectionPool] = {}

    def get(self, server: ApiServer, path: str, query: Mapping[str, str]) -> Answer:
        """The answer, whatever its status; Unreachable if there is none. A token that is refused is not used again."""
        pool = self._pools.get(server) or self._pools.setdefault(server, _pool(server))
        try:
            response = pool.request(
                "GET",
                path,
                fields=dict(query),
                headers={
                    "Authorization": f"Bearer {self._tokens.token(server.cluster)}",
                    "Accept": "application/json",
                },
                redirect=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise _unreachable(server, error) from error
        if response.status == HTTPStatus.UNAUTHORIZED:
            self._tokens.forget(server.cluster)
        return Answer(response.status, response.data, _seconds(response.headers.get("Retry-After", "")))

    def forget(self, server: ApiServer) -> None:
        """Drop the connections to an API server that is not where it was; requests under way keep theirs."""
        self._pools.pop(server, None)


def _pool(server: ApiServer) -> urllib3.HTTPSConnectionPool:
    address = urlsplit(server.url)
    if address.scheme != "https" or not address.hostname:
        raise Unreachable(f"{server.url!r} is not an HTTPS endpoint")
    try:
        context = ssl.create_default_context(cadata=b64decode(server.authority, validate=True).decode("ascii"))
    except (binascii.Error, UnicodeDecodeError, ssl.SSLError) as error:
        raise Unreachable(f"its certificate authority cannot be read: {error}") from error
    # Python 3.13 requires key identifiers that an EKS authority need not have (kubernetes-client/python#2394).
    # Chain, dates and host name are still verified.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return urllib3.HTTPSConnectionPool(
        address.hostname, address.port, ssl_context=context, timeout=_TIMEOUT, retries=_TRIES, maxsize=AT_ONCE
    )


def _unreachable(server: ApiServer, error: urllib3.exceptions.HTTPError) -> Unreachable:
    reason = error.reason if isinstance(error, urllib3.exceptions.MaxRetryError) and error.reason else error
    if isinstance(reason, urllib3.exceptions.TimeoutError):
        return Unreachable(str(reason), is_timeout=True)
    return Unreachable(f"{server.url}: {reason}")


def _seconds(retry_after: str) -> float:
    return float(retry_after) if retry_after.isdecimal() else 1.0
