"""The simulated AWS behind HTTP: each request becomes a boto3 call in this process, so that every rule holds."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from botocore import xform_name
from botocore.exceptions import ClientError, ParamValidationError
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.serialize import get_serializer_class
from moto.core.utils import get_service_model
from werkzeug.wrappers import Request, Response

from simulator.errors import AwsError, error_body

if TYPE_CHECKING:
    from collections.abc import Iterable

    from moto.core.model import OperationModel, ServiceModel

    from simulator.cloud import Cloud

SERVICES = (
    "cloudformation",
    "dynamodb",
    "ec2",
    "ecs",
    "eks",
    "elbv2",
    "events",
    "resourcegroupstaggingapi",
    "scheduler",
    "service-quotas",
    "servicediscovery",
    "sns",
    "sqs",
    "sts",
)
# Under which names errors repeat their message.
MESSAGE = {"message", "Message"}
CREDENTIAL = re.compile(r"Credential=[^/]+/\d+/[^/]+/(?P<service>[^/]+)/aws4_request")


class Endpoint:
    """A WSGI application that answers AWS API requests for the services of `SERVICES`."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._services = {cloud.client(name).meta.service_model.signing_name: name for name in SERVICES}

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        """Answer one request."""
        return self.answer(Request(environ))(environ, start_response)

    def answer(self, request: Request) -> Response:
        """Answer one request; whom it is for is in its signature, as AWS's own front end reads it."""
        scope = CREDENTIAL.search(request.headers.get("Authorization", ""))
        if scope is None or scope["service"] not in self._services:
            return Response("this AWS has no such service", status=404)
        client = self._cloud.client(self._services[scope["service"]])
        # moto's models are botocore's with what its parsers and serialisers need.
        model = get_service_model(client.meta.service_model.service_name)
        protocol = model.resolved_protocol
        operation, in_path = _operation(model, request)
        if operation is None:
            return _refusal(protocol, AwsError("UnknownOperationException", request.path, status=404))
        try:
            answer = getattr(client, xform_name(operation.name))(**_parameters(operation, protocol, request, in_path))
        except ClientError as error:
            return _refusal(protocol, _aws_error(error))
        except ParamValidationError as error:
            return _refusal(protocol, AwsError("ValidationException", str(error)))
        answer.pop("ResponseMetadata", None)
        serializer = get_serializer_class(model.service_name, protocol)(operation_model=operation)
        serialized: Any = serializer.serialize(answer)
        return Response(serialized["body"], status=serialized["status_code"], headers=serialized["headers"])


def _operation(model: ServiceModel, request: Request) -> tuple[OperationModel | None, dict[str, str]]:
    name = request.headers.get("X-Amz-Target", "").rpartition(".")[2] or request.form.get("Action", "")
    if name:
        return (model.operation_model(name) if name in model.operation_names else None), {}
    # As it was sent: an ARN in the path has its slashes escaped.
    path = request.environ.get("REQUEST_URI", request.path).partition("?")[0]
    for candidate in model.operation_names:
        operation = model.operation_model(candidate)
        pattern = re.sub(r"\{(\w+)\+?\}", r"(?P<\1>[^/]+)", operation.http["requestUri"].partition("?")[0])
        match = re.fullmatch(pattern, path)
        if match and operation.http["method"] == request.method:
            return operation, {key: unquote(value) for key, value in match.groupdict().items()}
    return None, {}


def _parameters(operation: OperationModel, protocol: str, request: Request, in_path: dict[str, str]) -> dict[str, Any]:
    parser = PROTOCOL_PARSERS[protocol](operation)
    parsed = parser.parse(
        {
            "method": request.method,
            "values": request.values,
            "headers": request.headers,
            "body": request.get_data(),
            "url_path": request.path,
            "url_params": in_path,
        }
    )
    # moto's parsers show an absent parameter as nothing or as an empty list.
    return {name: value for name, value in parsed.items() if value not in (None, [], {})}


def _aws_error(error: ClientError) -> AwsError:
    response: dict[str, Any] = {**error.response}
    status = response.pop("ResponseMetadata")["HTTPStatusCode"]
    code, message = response["Error"]["Code"], response.pop("Error")["Message"]
    return AwsError(code, message, status, **{name: value for name, value in response.items() if name not in MESSAGE})


def _refusal(protocol: str, error: AwsError) -> Response:
    return Response(error_body(protocol, error), status=error.status, headers={"x-amzn-errortype": error.code})
