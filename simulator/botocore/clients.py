"""What clients share while an account is open: without it, to make a client takes longer than most invocations.

Each container of a function has a session and clients of its own, as on Lambda. They share what holds no state: parsed
service models, client classes, and what botocore computes anew for each session, client or request.
"""

from __future__ import annotations

import copy
import functools
import inspect
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import botocore.session
from botocore import hooks, regions
from botocore.client import BaseClient, ClientCreator
from botocore.endpoint_provider import EndpointProvider
from botocore.httpsession import URLLib3Session
from botocore.loaders import create_loader
from botocore.signers import RequestSigner
from botocore.useragent import UserAgentString

from simulator.botocore.handlers import shared_handlers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from botocore.awsrequest import AWSRequest
    from botocore.model import ServiceModel

_loader = functools.cache(create_loader)
_make_model = ClientCreator._load_service_model  # type: ignore[attr-defined]
_make_class = ClientCreator._create_client_class  # type: ignore[attr-defined]
_make_alias = hooks.EventAliaser._alias_event_name  # type: ignore[attr-defined]
_make_paginator = BaseClient.get_paginator
_takes_kwargs = hooks.accepts_kwargs
_models: dict[tuple[str, str | None], ServiceModel] = {}
_classes: dict[str, type[BaseClient]] = {}
_aliases: dict[str, str] = {}
_paginators: dict[tuple[str, str], Any] = {}
_providers: dict[int, tuple[object, EndpointProvider]] = {}


def _model(creator: ClientCreator, service_name: str, api_version: str | None = None) -> ServiceModel:
    key = (service_name, api_version)
    if key not in _models:
        _models[key] = _make_model(creator, service_name, api_version)
    return _models[key]


def _class(creator: ClientCreator, service_name: str, service_model: ServiceModel) -> type[BaseClient]:
    if service_name not in _classes:
        _classes[service_name] = _make_class(creator, service_name, service_model)
    return _classes[service_name]


def _alias(aliaser: hooks.EventAliaser, event_name: str) -> str:
    # Aliases are the same in every session.
    if event_name not in _aliases:
        _aliases[event_name] = _make_alias(aliaser, event_name)
    return _aliases[event_name]


def _paginator(client: BaseClient, operation_name: str) -> Any:
    # Each is of a class of its own, for the sake of documentation.
    key = (client.meta.service_model.service_name, operation_name)
    if key not in _paginators:
        _paginators[key] = _make_paginator(client, operation_name)
        # It would keep the client.
        _paginators[key]._method = None
    paginator = copy.copy(_paginators[key])
    paginator._method = getattr(client, operation_name)
    return paginator


def _provider(*, ruleset_data: dict[str, Any], **arguments: Any) -> EndpointProvider:
    # The loader reads each file once, so the rules of a service are one object as long as it is kept here.
    if id(ruleset_data) not in _providers:
        _providers[id(ruleset_data)] = ruleset_data, EndpointProvider(ruleset_data=ruleset_data, **arguments)
    return _providers[id(ruleset_data)][1]


def _accepts_kwargs(function: Callable[..., Any]) -> Any:
    code = getattr(function, "__code__", None)
    return _takes_kwargs(function) if code is None else bool(code.co_flags & inspect.CO_VARKEYWORDS)


def _claim(signer: RequestSigner, request: AWSRequest, **_: object) -> None:
    # moto reads the caller and the region from the signature, and checks nothing.
    scope = f"testing/20260101/{signer.region_name}/{signer.signing_name}/aws4_request"
    request.headers["Authorization"] = f"AWS4-HMAC-SHA256 Credential={scope}"


@contextmanager
def sharing_models() -> Iterator[None]:
    """Let all clients made meanwhile share what holds no state, and leave out what only a real network needs."""
    with ExitStack() as stack:
        stack.enter_context(shared_handlers())
        for owner, name, substitute in (
            (botocore.session, "create_loader", _loader),
            (ClientCreator, "_load_service_model", _model),
            (ClientCreator, "_create_client_class", _class),
            (BaseClient, "get_paginator", _paginator),
            (hooks.EventAliaser, "_alias_event_name", _alias),
            (hooks, "accepts_kwargs", _accepts_kwargs),
            (regions, "EndpointProvider", _provider),
            # Nothing is sent over a network, and nobody checks a signature or reads a User-Agent.
            (URLLib3Session, "_get_ssl_context", lambda _: None),
            (RequestSigner, "handler", _claim),
            (UserAgentString, "to_string", lambda _: "simulated"),
        ):
            stack.enter_context(patch.object(owner, name, substitute))
        yield
