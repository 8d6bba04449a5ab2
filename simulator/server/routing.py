"""Which operation an HTTP request is, by the service's model."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote

if TYPE_CHECKING:
    from moto.core.model import OperationModel, ServiceModel
    from werkzeug.wrappers import Request

VARIABLE = re.compile(r"\{(\w+)(\+?)\}")
BUCKET_HOST = re.compile(r"(?P<bucket>[\w.-]+)\.host\.docker\.internal(:\d+)?")
"""How a container names a bucket: as a host below this machine's."""


def route(model: ServiceModel, request: Request) -> tuple[OperationModel | None, dict[str, str]]:
    """The operation, None if there is none, and the parameters in its path."""
    name = request.headers.get("X-Amz-Target", "").rpartition(".")[2] or request.form.get("Action", "")
    if name:
        return (model.operation_model(name) if name in model.operation_names else None), {}
    path = _path(request)
    found: tuple[OperationModel | None, dict[str, str]] = (None, {})
    closest = -1
    for candidate in model.operation_names:
        operation = model.operation_model(candidate)
        uri, _, fixed = operation.http["requestUri"].partition("?")
        match = re.fullmatch(VARIABLE.sub(_group, uri), path)
        if match is None or operation.http["method"] != request.method:
            continue
        # Many operations of S3 have one path: what else they require tells them apart.
        required = [*parse_qsl(fixed, keep_blank_values=True), *_required(operation)]
        given = {**request.args, **{name.lower(): value for name, value in request.headers.items()}}
        if len(required) > closest and all(name in given and value in ("", given[name]) for name, value in required):
            closest = len(required)
            found = operation, {key: unquote(value) for key, value in match.groupdict().items()}
    return found


def _path(request: Request) -> str:
    """The path as it was sent, since an ARN in it has its slashes escaped; with the bucket that the host names."""
    path: str = request.environ.get("REQUEST_URI", request.path).partition("?")[0]
    of_bucket = BUCKET_HOST.fullmatch(request.host)
    return f"/{of_bucket['bucket']}{path if path != '/' else ''}" if of_bucket else path


def _group(variable: re.Match[str]) -> str:
    return f"(?P<{variable[1]}>{'.+' if variable[2] else '[^/]+'})"


def _required(operation: OperationModel) -> list[tuple[str, str]]:
    """Headers and parts of the query that an operation cannot do without; any value will do."""
    shape = operation.input_shape
    members = [shape.members[name] for name in shape.required_members] if shape else []
    located = [member.serialization for member in members]
    return [
        (one["name"].lower() if one["location"] == "header" else one["name"], "")
        for one in located
        if one.get("location") in ("header", "querystring")
    ]
