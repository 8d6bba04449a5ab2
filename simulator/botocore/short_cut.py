"""A call that has a handler goes to it at once: botocore's serialiser, endpoint rules and hooks cost more than that.

Parameters are still validated against the service model, and a fault still sends a call through all of botocore.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from botocore.client import BaseClient
from botocore.exceptions import ParamValidationError
from botocore.handlers import handle_copy_source_param
from botocore.validate import ParamValidator
from moto.moto_api._internal import mock_random

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.botocore.interception import Interception

_validator = ParamValidator()
_through_botocore = BaseClient._make_api_call  # type: ignore[attr-defined]


@contextmanager
def short_cut(interception: Interception) -> Iterator[None]:
    """Take calls to their handlers at once, in every client."""

    def make_api_call(client: Any, operation_name: str, api_params: dict[str, Any]) -> Any:
        model = client._service_model.operation_model(operation_name)
        # botocore would fill in tokens that no seed repeats.
        tokens = {name: str(mock_random.uuid4()) for name in model.idempotent_members if name not in api_params}
        params = api_params | tokens
        if not interception.has_handler(f"{model.service_model.service_name}:{operation_name}"):
            return _through_botocore(client, operation_name, params)
        # botocore quotes the source of a copy, which may be a dict, before it validates.
        quoted = dict(params)
        handle_copy_source_param(quoted)
        report = _validator.validate(quoted, model.input_shape)
        if report.has_errors():
            raise ParamValidationError(report=report.generate_report())
        answer = interception.answer_at_once(client, model, quoted)
        return _through_botocore(client, operation_name, params) if answer is None else answer

    with patch.object(BaseClient, "_make_api_call", make_api_call):
        yield
