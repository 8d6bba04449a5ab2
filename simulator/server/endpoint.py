"""The simulated AWS behind HTTP: each request becomes a boto3 call in this process, so that every rule holds."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from botocore import xform_name
from botocore.exceptions import ClientError, ParamValidationError
from botocore.response import StreamingBody
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.serialize import get_serializer_class
from moto.core.utils import get_service_model
from werkzeug.wrappers import Request, Response

from simulator.errors import AwsError, error_body
from simulator.server.routing import route

if TYPE_CHECKING:
    from collections.abc import Iterable

    from moto.core.model import OperationModel

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
    "s3",
    "scheduler",
    "service-quotas",
    "servicediscovery",
    "sns",
    "sqs",
    "ssm",
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
        operation, in_path = route(model, request)
        if operation is None:
            return _refusal(protocol, AwsError("UnknownOperationException", request.path, status=404))
        try:
            answer = getattr(client, xform_name(operation.name))(**_parameters(operation, protocol, request, in_path))
        except ClientError as error:
            return _refusal(protocol, _aws_error(error))
        except ParamValidationError as error:
            return _refusal(protocol, AwsError("ValidationException", str(error)))
        answer.pop("ResponseMetadata", None)
        if isinstance(answer.get("Body"), StreamingBody):
            answer["Body"] = answer["Body"].read()
        serializer = get_serializer_class(model.service_name, protocol)(operation_model=operation)
        serialized: Any = serializer.serialize(answer)
        return Response(serialized["body"], status=serialized["status_code"], headers=serialized["headers"])


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
