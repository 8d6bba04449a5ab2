"""Requests to API servers of simulated clusters: they take virtual time, and some of them are never answered.

Requests to other hosts are real: tests of TLS, of certificates and of connections that break have servers of their own.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch
from urllib.parse import parse_qsl, urlsplit

import urllib3
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError

from simulator.aws.eks.api_server import ApiServers
from simulator.calls import Call, caller, is_function

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from simulator.account import Account

_urlopen = urllib3.HTTPConnectionPool.urlopen


@contextmanager
def answering(account: Account) -> Iterator[None]:
    """Let urllib3 reach the API servers of the account's clusters."""

    def urlopen(
        pool: urllib3.HTTPConnectionPool, method: str, url: str, *args: Any, **kwargs: Any
    ) -> urllib3.BaseHTTPResponse:
        servers = account.state(ApiServers)
        server = servers.at(pool.host)
        if server is None:
            return _urlopen(pool, method, url, *args, **kwargs)
        if not servers.reaches(caller(), server):
            _wait(account, _seconds_until_given_up(pool))
            timeout = ConnectTimeoutError(pool.host, f"Connection to {pool.host} timed out.")
            raise MaxRetryError(pool, url, timeout)
        delay = account.latency.of_call(Call(0, caller(), "", "kubernetes", method, {}, account.clock.timestamp()))
        _wait(account, delay.before)
        parts = urlsplit(url)
        headers: Mapping[str, str] = kwargs["headers"]
        token = headers["Authorization"].removeprefix("Bearer ")
        status, body = server.respond(caller(), parts.path, dict(parse_qsl(parts.query)), token)
        _wait(account, delay.after)
        return urllib3.HTTPResponse(json.dumps(body).encode(), status=status)

    with patch.object(urllib3.HTTPConnectionPool, "urlopen", urlopen):
        yield


def _seconds_until_given_up(pool: urllib3.HTTPConnectionPool) -> float:
    tries = 1 + int(pool.retries.total or 0) if isinstance(pool.retries, urllib3.Retry) else 1
    return tries * float(pool.timeout.connect_timeout or 0)  # type: ignore[arg-type]


def _wait(account: Account, seconds: float) -> None:
    if is_function():
        account.clock.advance(seconds)
