"""From a request to moto's code for it, and what moto looks up anew for each request."""

from __future__ import annotations

import functools
import re
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import moto.core.responses
import moto.sqs.models
from botocore.awsrequest import AWSResponse
from moto import backend_index
from moto.backends import get_backend
from moto.core.base_backend import AccountSpecificBackend
from moto.core.botocore_stubber import MockRawResponse
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.core.request import normalize_request
from moto.ec2.models.subnets import Subnet
from werkzeug.exceptions import HTTPException

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from botocore.awsrequest import AWSPreparedRequest

_generate_regions = AccountSpecificBackend._generate_regions
_regions_of: dict[str, list[str]] = {}

KINDS = 1024
"""More than there are URLs without names in them, which are those that come again."""


def answer_of_moto(request: AWSPreparedRequest) -> AWSResponse:
    """Let moto answer a request, as its own stubber does."""
    normalized = normalize_request(request)
    try:
        answer = _responder(request.url.partition("?")[0])(normalized, normalized.raw_url, normalized.headers)
    except HTTPException as error:
        answer = error.code, error.get_headers(), error.get_body()
    status, headers, body = answer
    return AWSResponse(request.url, status, headers, MockRawResponse(body))


@functools.lru_cache(maxsize=KINDS)
def _responder(url: str) -> Callable[..., Any]:
    for service, pattern in backend_index.backend_url_patterns:
        if pattern.match(url):
            kind = get_backend(service)[DEFAULT_ACCOUNT_ID].backend  # type: ignore[call-overload]
            # A blank one will do: to make a region's state would draw from the seed, in the first account only.
            for known, respond in kind.__new__(kind).urls.items():
                if re.match(known, url):
                    found: Callable[..., Any] = respond
                    return found
    raise NotImplementedError(f"moto has nothing at {url}")


def _regions(backend: AccountSpecificBackend[Any], service_name: str) -> list[str]:
    if service_name not in _regions_of:
        _regions_of[service_name] = _generate_regions.__wrapped__(backend, service_name)
    return _regions_of[service_name]


@contextmanager
def remembering() -> Iterator[None]:
    """Let moto remember names and methods that it looks up for each request, and forget the account when it closes."""
    with ExitStack() as stack:
        # Two caches of moto know all subnets and backends that ever were, and with them all state.
        stack.callback(Subnet._base_avail_ip_iterator.cache_clear)
        stack.enter_context(patch.object(AccountSpecificBackend, "_generate_regions", _regions))
        for module, name in (
            (moto.core.responses, "camelcase_to_underscores"),
            (moto.core.responses, "method_names_from_class"),
            (moto.sqs.models, "camelcase_to_underscores"),
        ):
            stack.enter_context(patch.object(module, name, functools.cache(getattr(module, name))))
        yield
