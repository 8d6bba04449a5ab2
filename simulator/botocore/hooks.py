"""How the simulator stands between botocore and moto: hooks in every client, in the place of moto's own."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.handlers import BUILTIN_HANDLERS
from moto.core.models import botocore_stubber

from simulator.botocore.interception import PARAMS, UNDER_WAY, Interception
from simulator.botocore.short_cut import short_cut

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.awsrequest import AWSPreparedRequest, AWSResponse
    from botocore.model import OperationModel

    from simulator.account import Account, Parsed

MOTO = ("before-send", botocore_stubber)

_open: list[Interception] = []


@contextmanager
def intercepting(account: Account) -> Iterator[None]:
    """Stand between botocore and moto, in every client made meanwhile."""
    interception = Interception(account)
    kept = list(BUILTIN_HANDLERS)
    # Handlers that write documentation are a quarter of all, and each client copies them.
    BUILTIN_HANDLERS[:] = [one for one in kept if one != MOTO and not one[0].startswith("docs.")] + HANDLERS
    _open.append(interception)
    try:
        with short_cut(interception):
            yield
    finally:
        _open.remove(interception)
        BUILTIN_HANDLERS[:] = kept


def _keep_params(params: Parsed, model: OperationModel, context: dict[str, Any], **_: object) -> None:
    if not _open:
        return
    context[PARAMS] = params
    withheld = _open[-1].withheld(f"{model.service_model.service_name}:{model.name}")
    if withheld in params:
        context[PARAMS] = dict(params)
        del params[withheld]


def _before_call(model: OperationModel, context: dict[str, Any], **_: object) -> tuple[AWSResponse, Parsed] | None:
    return _open[-1].before_call(model, context) if _open else None


def _before_send(event_name: str, request: AWSPreparedRequest, **_: object) -> AWSResponse | None:
    return _open[-1].before_send(request) if _open else botocore_stubber(event_name, request)


def _before_parse(customized_response_dict: Parsed, **_: object) -> None:
    if _open:
        _open[-1].before_parse(customized_response_dict)


def _after_call(http_response: AWSResponse, parsed: Parsed, context: dict[str, Any], **_: object) -> None:
    if _open and UNDER_WAY in context:
        _open[-1].after_call(http_response, parsed, context)


def _after_call_error(exception: BaseException, context: dict[str, Any], **_: object) -> None:
    if _open:
        _open[-1].after_call_error(exception, context)


HANDLERS: list[Any] = [
    ("before-parameter-build", _keep_params),
    ("before-call", _before_call),
    ("before-send", _before_send),
    ("before-parse", _before_parse),
    ("after-call", _after_call),
    ("after-call-error", _after_call_error),
]
