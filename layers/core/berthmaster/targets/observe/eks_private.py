"""Requests to API servers that only a VPC reaches: a function in the VPC sends them, with its own role's token.

That function needs no AWS API: it receives the endpoint and the certificate authority, and makes the token without a
call. Both sides of its invocation are here.
"""

import gzip
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any, Self

import msgspec
from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.errors import InvalidEvent
from berthmaster.targets.observe.eks_https import Answer, ApiServer, Https, Unreachable

READABLE = re.compile(
    r"/apis/discovery\.k8s\.io/v1/namespaces/[a-z0-9-]+/endpointslices|/api/v1/namespaces/[a-z0-9-]+/pods/[a-z0-9.-]+"
)
"""The only paths that are read: the EndpointSlices of a namespace, and one pod."""


class PrivateRequest(Struct, frozen=True, kw_only=True):
    """The payload of an invocation."""

    server: ApiServer
    path: str
    query: dict[str, str]


class PrivateAnswer(Struct, frozen=True, kw_only=True):
    """Its result. body: gzip in Base64, since Lambda returns 6 MB at most. silence: why there is no answer, else ""."""

    status: int = 0
    body: str = ""
    retry_after: float = 0.0
    silence: str = ""
    is_timeout: bool = False

    @classmethod
    def of(cls, answer: Answer) -> Self:
        """An answer that was received."""
        body = b64encode(gzip.compress(answer.body, mtime=0)).decode()
        return cls(status=answer.status, body=body, retry_after=answer.retry_after)

    @property
    def answer(self) -> Answer:
        """The answer; Unreachable if there was none."""
        if self.silence:
            raise Unreachable(self.silence, is_timeout=self.is_timeout)
        return Answer(self.status, gzip.decompress(b64decode(self.body)), self.retry_after)


class PrivateEndpoints:
    """The caller's side. function: the name of the function in the VPC, empty if there is none."""

    def __init__(self, clients: Clients, function: str) -> None:
        self._clients = clients
        self.function = function

    def get(self, server: ApiServer, path: str, query: Mapping[str, str]) -> Answer:
        """As `Https.get`, from within the VPC."""
        request = PrivateRequest(server=server, path=path, query=dict(query))
        try:
            response = self._clients.functions.invoke(FunctionName=self.function, Payload=msgspec.json.encode(request))
            payload = response["Payload"].read()
        except (ClientError, BotoCoreError) as error:
            raise Unreachable(f"{self.function} cannot be invoked: {error}") from error
        if "FunctionError" in response:
            raise Unreachable(f"{self.function} failed: {payload[:300].decode(errors='replace')}")
        return msgspec.json.decode(payload, type=PrivateAnswer).answer


class PrivateReader:
    """The function's side."""

    def __init__(self, clients: Clients, clock: Clock) -> None:
        self._https = Https(clients, clock)

    def respond(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Send the request of an event; InvalidEvent if it is for anything else than EndpointSlices or a pod."""
        try:
            request = msgspec.convert(event, PrivateRequest)
        except msgspec.ValidationError as error:
            raise InvalidEvent("event", str(error)) from error
        if not READABLE.fullmatch(request.path):
            raise InvalidEvent("path", f"{request.path[:200]!r} is neither of EndpointSlices nor of a pod")
        try:
            answer = PrivateAnswer.of(self._https.get(request.server, request.path, request.query))
        except Unreachable as silence:
            answer = PrivateAnswer(silence=str(silence), is_timeout=silence.is_timeout)
        result: dict[str, Any] = msgspec.to_builtins(answer)
        return result
