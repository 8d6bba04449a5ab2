"""Finds moto's code for a request, and caches what moto would look up again for each request."""

from __future__ import annotations

import functools
import re
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import moto.core.base_backend
import moto.core.models
import moto.core.responses
import moto.sqs.models
from botocore.awsrequest import AWSResponse
from moto import backend_index, mock_aws
from moto.backends import get_backend
from moto.core.base_backend import AccountSpecificBackend
from moto.core.botocore_stubber import MockRawResponse
from moto.core.custom_responses_mock import CallbackResponse
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.core.request import normalize_request
from moto.ec2.models.subnets import Subnet
from werkzeug.exceptions import HTTPException

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from botocore.awsrequest import AWSPreparedRequest

_generate_regions = AccountSpecificBackend._generate_regions
_regions_of: dict[str, list[str]] = {}
_intercepted = functools.cache(CallbackResponse)
_backend_ids = count()

KINDS = 1024
"""URLs whose code is cached; most requests of a service have the same URL."""


def respond_by_moto(request: AWSPreparedRequest) -> AWSResponse:
    """Moto's response to a request, as its own stubber gives it."""
    normalized = normalize_request(request)
    try:
        result = _responder(request.url.partition("?")[0])(normalized, normalized.raw_url, normalized.headers)
    except HTTPException as error:
        result = error.code, error.get_headers(), error.get_body()
    status, headers, body = result
    return AWSResponse(request.url, status, headers, MockRawResponse(body))


@functools.lru_cache(maxsize=KINDS)
def _responder(url: str) -> Callable[..., Any]:
    for service, pattern in backend_index.backend_url_patterns:
        if pattern.match(url):
            kind = get_backend(service)[DEFAULT_ACCOUNT_ID].backend  # type: ignore[call-overload]
            # Without state: to create that would draw ids from the seed, and only in the first account of a process.
            for known, respond in kind.__new__(kind).urls.items():
                if re.match(known, url):
                    found: Callable[..., Any] = respond
                    return found
    raise NotImplementedError(f"moto has nothing at {url}")


def _regions(backend: AccountSpecificBackend[Any], service_name: str) -> list[str]:
    if service_name not in _regions_of:
        _regions_of[service_name] = _generate_regions.__wrapped__(backend, service_name)
    return _regions_of[service_name]


def _backend_id() -> str:
    """What moto tells services apart by. It loads some when they are used first, and would draw it from the seed.

    Two services with the same id are one for moto, which then does not reset the other.
    """
    return f"backend {next(_backend_ids)}"


@contextmanager
def mocking() -> Iterator[None]:
    """Have moto in the place of AWS; for `requests`, which nobody uses, it would make a thousand objects each time."""
    with patch.object(moto.core.models, "CallbackResponse", _intercepted), mock_aws():
        yield


@contextmanager
def caching() -> Iterator[None]:
    """Cache names and methods that moto looks up for each request; clear moto's caches of state at the end."""
    with ExitStack() as stack:
        stack.enter_context(patch.object(moto.core.base_backend, "uuid4", _backend_id))
        # Two caches of moto keep every subnet and backend, and with them the state of every account.
        stack.callback(Subnet._base_avail_ip_iterator.cache_clear)
        stack.enter_context(patch.object(AccountSpecificBackend, "_generate_regions", _regions))
        for module, name in (
            (moto.core.responses, "camelcase_to_underscores"),
            (moto.core.responses, "method_names_from_class"),
            (moto.sqs.models, "camelcase_to_underscores"),
        ):
            stack.enter_context(patch.object(module, name, functools.cache(getattr(module, name))))
        yield
