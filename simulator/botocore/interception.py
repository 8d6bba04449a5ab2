"""Between botocore and moto: every call passes faults and the record, then this simulator's answers, then moto.

A call without faults is answered at `before-call`, before anything is signed or serialised. A call that a fault or
throttling hits takes botocore's whole way to `before-send`, so that botocore's own retries see each error and wait, in
virtual time.
"""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.handlers import BUILTIN_HANDLERS
from moto.core.botocore_stubber import MockRawResponse
from moto.core.exceptions import JsonRESTError, ServiceException
from moto.core.models import botocore_stubber

from simulator.aws.ec2.filtered import FILTERED, apply_filters
from simulator.aws.pages import paginate
from simulator.botocore.short_cut import short_cut
from simulator.errors import AwsError, FunctionDied, Throttled, error_body

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from botocore.awsrequest import AWSPreparedRequest
    from botocore.model import OperationModel

    from simulator.calls import Call
    from simulator.cloud import Cloud

type Parsed = dict[str, Any]

PARAMS = "simulator.params"
CALL = "simulator.call"
MOTO = ("before-send", botocore_stubber)

_request_ids = itertools.count(1)
_open: list[Interception] = []


@contextmanager
def intercepting(cloud: Cloud) -> Iterator[None]:
    """Stand between botocore and moto, in every client made meanwhile."""
    interception = Interception(cloud)
    place = BUILTIN_HANDLERS.index(MOTO)
    BUILTIN_HANDLERS[place : place + 1] = HANDLERS
    _open.append(interception)
    try:
        with short_cut(interception):
            yield
    finally:
        _open.remove(interception)
        BUILTIN_HANDLERS[place : place + len(HANDLERS)] = [MOTO]


class Interception:
    """What one cloud does with each call; one call at a time."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._current: tuple[Call, OperationModel] | None = None
        self._first_fault = ""
        self._throttled: Throttled | None = None
        self._resumed: Call | None = None
        self._attempts = 0
        self._parsed: Parsed | None = None

    def may_answer_at_once(self, operation: str) -> bool:
        """Whether an operation is answered here; one that a fault hits goes the whole way all the same."""
        return operation in self._cloud.answers

    def answer_at_once(self, client: Any, model: OperationModel, params: Parsed) -> Parsed | None:
        """Answer a call as botocore would return or raise it; None lets the same call go botocore's whole way.

        It does when a fault hits it, when it is throttled, or when moto is to have it.
        """
        context: dict[str, Any] = {PARAMS: params}
        answer = self.before_call(model, context)
        if answer is None:
            self._resumed = context[CALL]
            return None
        http_response, parsed = answer
        self.after_call(http_response, parsed, context)
        if http_response.status_code >= 300:  # noqa: PLR2004 - where botocore draws the line, too
            raise client.exceptions.from_code(parsed["Error"]["Code"])(parsed, model.name)
        return parsed

    def before_call(self, model: OperationModel, context: dict[str, Any]) -> tuple[AWSResponse, Parsed] | None:
        """Record the call; answer it here unless a fault or moto is to have it."""
        if self._resumed is not None:
            context[CALL], self._resumed = self._resumed, None
            # With what botocore adds on the way: a token, by which a repeated call is known.
            context[CALL].params = context.get(PARAMS, context[CALL].params)
            return None
        cloud = self._cloud
        call = cloud.calls.record(
            model.service_model.service_name, model.name, context.get(PARAMS, {}), cloud.clock.timestamp()
        )
        call.outcome = "Crashed"
        self._let_die(self._begin, call)
        context[CALL] = call
        self._current, self._attempts, self._throttled = (call, model), 0, None
        self._first_fault = cloud.faults.next_answer(call, cloud.clock.timestamp())
        if self._first_fault:
            return None
        try:
            parsed = self._answer(call)
        except Throttled as error:
            self._throttled = error
            return None
        except AwsError as error:
            return _refused(error)
        return None if parsed is None else _accepted(parsed)

    def before_send(self, event_name: str, request: AWSPreparedRequest) -> AWSResponse | None:
        """One attempt of a call on the wire: a fault, this simulator's answer, or moto's."""
        if self._current is None:
            return botocore_stubber(event_name, request)
        call, model = self._current
        self._attempts += 1
        now = self._cloud.clock.timestamp()
        fault = self._first_fault if self._attempts == 1 else self._cloud.faults.next_answer(call, now)
        protocol = model.service_model.protocol
        if self._throttled is not None:
            throttled, self._throttled = self._throttled, None
            return _on_the_wire(request, protocol, throttled)
        if fault in ("throttled", "server_error"):
            return _on_the_wire(request, protocol, _fault_error(fault, call.service))
        try:
            parsed = self._answer(call)
        except AwsError as error:
            return _on_the_wire(request, protocol, error)
        if parsed is None:
            response = botocore_stubber(event_name, request)
        else:
            self._parsed = parsed
            response = _blank(request, model)
        if fault == "lost_answer":
            self._parsed = None
            return _on_the_wire(request, protocol, _fault_error(fault, call.service))
        return response

    def before_parse(self, customized_response_dict: Parsed) -> None:
        """Give botocore the answer that the blank response stands for."""
        if self._parsed is not None:
            customized_response_dict.update(self._parsed)
            self._parsed = None

    def after_call(self, http_response: AWSResponse, parsed: Parsed, context: dict[str, Any]) -> None:
        """Mend and page moto's answer, note the outcome, and let the function die if that was its call."""
        call: Call = context[CALL]
        cloud = self._cloud
        self._forget_descriptions(call)
        self._current = None
        call.attempts = parsed.get("ResponseMetadata", {}).get("RetryAttempts", 0) + 1
        if http_response.status_code >= 300:  # noqa: PLR2004 - where botocore draws the line, too
            call.outcome = parsed.get("Error", {}).get("Code", "Unknown")
        else:
            call.outcome = "ok"
            try:
                if mend := cloud.mends.get(call.name):
                    mend(cloud, call.params, parsed)
                apply_filters(call.name, call.params.get("Filters", []), parsed)
                paginate(call.name, call.params, parsed)
            except AwsError as error:
                http_response.status_code, parsed["Error"] = error.status, _error(error)
                call.outcome = error.code
        self._let_die(cloud.faults.after_call, call)

    def after_call_error(self, exception: BaseException, context: dict[str, Any]) -> None:
        """Note a call that ended without any answer."""
        self._current = None
        if CALL in context:
            self._forget_descriptions(context[CALL])
            context[CALL].outcome = type(exception).__name__

    def _begin(self, call: Call) -> None:
        self._cloud.clock.advance(self._cloud.call_latency if call.is_by_function else 0.0)
        self._cloud.faults.before_call(call)

    def _forget_descriptions(self, call: Call) -> None:
        if call.service == "ec2" and not call.is_read:
            self._cloud.described_interfaces.clear()

    def _let_die(self, fault: Callable[[Call], None], call: Call) -> None:
        cloud = self._cloud
        if cloud.dead is not None:
            # A dead process makes no calls, whatever its `finally` blocks try.
            raise cloud.dead
        try:
            fault(call)
        except FunctionDied as death:
            cloud.dead = death
            raise

    def _answer(self, call: Call) -> Parsed | None:
        cloud = self._cloud
        cloud.settle()
        answer = cloud.answers.get(call.name)
        try:
            parsed = answer(cloud, call.params) if answer else None
            if parsed is None and call.service == "ec2":
                cloud.stop_dry_run(call.params)
        except ServiceException as error:
            raise AwsError(error.code.split("#")[-1], error.message) from error
        except JsonRESTError as error:
            raise AwsError(error.error_type.split("#")[-1], error.message, error.code) from error
        return parsed


def _metadata(status: int) -> Parsed:
    request_id = f"00000000-0000-0000-0000-{next(_request_ids):012d}"
    return {"RequestId": request_id, "HTTPStatusCode": status, "HTTPHeaders": {}, "RetryAttempts": 0}


def _accepted(parsed: Parsed) -> tuple[AWSResponse, Parsed]:
    return AWSResponse("", 200, HTTPHeaders(), None), {**parsed, "ResponseMetadata": _metadata(200)}


def _refused(error: AwsError) -> tuple[AWSResponse, Parsed]:
    return AWSResponse("", error.status, HTTPHeaders(), None), {
        **error.members,
        "Error": _error(error),
        "ResponseMetadata": _metadata(error.status),
    }


def _error(error: AwsError) -> Parsed:
    return {"Code": error.code, "Message": error.message}


def _fault_error(kind: str, service: str) -> AwsError:
    if kind == "throttled":
        if service == "ec2":
            return AwsError("RequestLimitExceeded", "Request limit exceeded.", status=503)
        return AwsError("ThrottlingException", "Rate exceeded")
    code = "InternalError" if service == "ec2" else "InternalFailure"
    return AwsError(code, "An internal error has occurred", status=500)


def _on_the_wire(request: AWSPreparedRequest, protocol: str, error: AwsError) -> AWSResponse:
    headers = {"x-amzn-errortype": error.code}
    return AWSResponse(request.url, error.status, headers, MockRawResponse(error_body(protocol, error)))  # type: ignore[arg-type]


def _blank(request: AWSPreparedRequest, model: OperationModel) -> AWSResponse:
    body = "{}"
    if model.service_model.protocol in ("ec2", "query"):
        wrapper = model.output_shape.serialization.get("resultWrapper", "") if model.output_shape else ""
        inner = f"<{wrapper}/>" if wrapper else ""
        body = f"<Response>{inner}<requestId>sim</requestId></Response>"
    return AWSResponse(request.url, 200, {}, MockRawResponse(body))  # type: ignore[arg-type]


def _keep_params(params: Parsed, model: OperationModel, context: dict[str, Any], **_: object) -> None:
    if not _open:
        return
    context[PARAMS] = params
    if "Filters" in params and f"{model.service_model.service_name}:{model.name}" in FILTERED:
        context[PARAMS] = dict(params)
        del params["Filters"]


def _before_call(model: OperationModel, context: dict[str, Any], **_: object) -> tuple[AWSResponse, Parsed] | None:
    return _open[-1].before_call(model, context) if _open else None


def _before_send(event_name: str, request: AWSPreparedRequest, **_: object) -> AWSResponse | None:
    return _open[-1].before_send(event_name, request) if _open else botocore_stubber(event_name, request)


def _before_parse(customized_response_dict: Parsed, **_: object) -> None:
    if _open:
        _open[-1].before_parse(customized_response_dict)


def _after_call(http_response: AWSResponse, parsed: Parsed, context: dict[str, Any], **_: object) -> None:
    if _open and CALL in context:
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
