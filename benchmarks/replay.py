"""AWS's answers, recorded and played back over the wire: what remains is the CPU of the function and of botocore."""

from __future__ import annotations

import copy
import json
import os
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import botocore.session
from botocore.awsrequest import AWSResponse
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from moto.core.model import ServiceModel
from moto.core.serialize import get_serializer_class

from berthmaster.clients import Clients
from simulator.cloud import ENVIRONMENT, REGION

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from botocore.awsrequest import AWSPreparedRequest

SERVICES = ("ec2", "ecs", "elbv2", "discovery", "tagging", "dynamodb", "events", "quotas", "sns")


@dataclass(frozen=True)
class Answer:
    """The answer to an operation; `body` is how AWS sends it."""

    operation: str
    parsed: Any
    body: bytes
    status: HTTPStatus = HTTPStatus.OK


@contextmanager
def recorded() -> Iterator[list[Answer]]:
    """Record every answer that a client gets in this block."""
    answers: list[Answer] = []
    call = BaseClient._make_api_call  # type: ignore[attr-defined]  # noqa: SLF001 - where every call passes

    def make_api_call(client: Any, operation: str, params: Any) -> Any:
        try:
            parsed = call(client, operation, params)
        except ClientError as error:
            answers.append(_refusal(operation, error.response))
            raise
        kept = copy.deepcopy({name: value for name, value in parsed.items() if name != "ResponseMetadata"})
        answers.append(Answer(operation, kept, _body(client.meta.service_model, operation, kept)))
        return parsed

    with patch.object(BaseClient, "_make_api_call", make_api_call):
        yield answers


@dataclass
class Tape:
    """Recorded answers in order, for clients without a network."""

    answers: deque[Answer] = field(default_factory=deque)

    def put(self, answers: Sequence[Answer]) -> None:
        """The next answers."""
        self.answers = deque(answers)

    def answer(self, request: AWSPreparedRequest, event_name: str, **_: object) -> AWSResponse:
        """One answer as it comes over the wire."""
        answer, operation = self.answers.popleft(), event_name.rpartition(".")[2]
        if answer.operation != operation:
            raise LookupError(f"{operation} is called where {answer.operation} was before")
        return AWSResponse(request.url, answer.status, {}, _Raw(answer.body))  # type: ignore[arg-type]


@contextmanager
def played_back() -> Iterator[tuple[Clients, Tape]]:
    """Clients that get their answers from a tape."""
    with patch.dict(os.environ, {**ENVIRONMENT, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}):
        clients, tape = Clients(), Tape()
        for name in SERVICES:
            getattr(clients, name).meta.events.register_first("before-send", tape.answer)
        yield clients, tape


class _Raw(BytesIO):
    """A body as urllib3 returns it."""

    def stream(self, *_: object, **__: object) -> Iterator[bytes]:
        yield self.getvalue()


def _refusal(operation: str, response: Any) -> Answer:
    """An error of DynamoDB, the only one that occurs in a normal run."""
    error = {"__type": response["Error"]["Code"], "message": response["Error"]["Message"]}
    error |= {name: response[name] for name in ("Item",) if name in response}
    return Answer(operation, error, json.dumps(error).encode(), HTTPStatus.BAD_REQUEST)


def _body(model: Any, operation: str, parsed: Any) -> bytes:
    name, protocol = model.service_name, model.resolved_protocol
    serializer = get_serializer_class(name, protocol)(_model(name).operation_model(operation))
    body = serializer.serialize(parsed)["body"]
    return body.encode() if isinstance(body, str) else body


@cache
def _model(service: str) -> ServiceModel:
    description = botocore.session.Session().get_component("data_loader").load_service_model(service, "service-2")
    return ServiceModel(description, service)
