"""What happens to each call: it is recorded, a fault may hit it, then a handler of the account does it, or moto.

A call without faults ends at `before-call`, before anything is signed or serialised. A call that a fault or
throttling hits goes through all of botocore up to `before-send`: botocore's own retries see each error and wait, in
virtual time.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from moto.core.botocore_stubber import MockRawResponse
from moto.core.exceptions import JsonRESTError, ServiceException

from simulator.botocore.dispatch import respond_by_moto
from simulator.errors import AwsError, FunctionDied, Throttled, error_body, stop_dry_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.awsrequest import AWSPreparedRequest
    from botocore.model import OperationModel

    from simulator.account import Account, Parsed
    from simulator.calls import Call

PARAMS = "simulator.params"
CALL = "simulator.call"
_request_ids = itertools.count(1)


class Interception:
    """What one account does with each call; one call at a time."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._current: tuple[Call, OperationModel] | None = None
        self._first_fault = ""
        self._throttled: Throttled | None = None
        self._resumed: Call | None = None
        self._attempts = 0
        self._parsed: Parsed | None = None

    def withheld(self, operation: str) -> str:
        """The parameter of an operation that moto must not see; empty for none."""
        return self._account.withheld.get(operation, "")

    def has_handler(self, operation: str) -> bool:
        """Whether an operation has a handler; it may leave a call to moto all the same."""
        return operation in self._account.handlers

    def answer_at_once(self, client: Any, model: OperationModel, params: Parsed) -> Parsed | None:
        """Return or raise the response of a call as botocore would.

        None lets the same call go through all of botocore: a fault hits it, it is throttled, or moto is to have it.
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
        """Record the call. Returns the response, or None if a fault hits the call or moto is to have it."""
        if self._resumed is not None:
            context[CALL], self._resumed = self._resumed, None
            # With what botocore adds before it serialises the call.
            context[CALL].params = context.get(PARAMS, context[CALL].params)
            return None
        account = self._account
        call = account.calls.record(
            model.service_model.service_name, model.name, context.get(PARAMS, {}), account.clock.timestamp()
        )
        call.outcome = "Crashed"
        self._inject(self._begin, call)
        context[CALL] = call
        self._current, self._attempts, self._throttled = (call, model), 0, None
        self._first_fault = account.faults.next_fault(call, account.clock.timestamp())
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

    def before_send(self, request: AWSPreparedRequest) -> AWSResponse | None:
        """The response to one attempt: a fault, a handler's, or moto's."""
        if self._current is None:
            return respond_by_moto(request)
        call, model = self._current
        self._attempts += 1
        now = self._account.clock.timestamp()
        fault = self._first_fault if self._attempts == 1 else self._account.faults.next_fault(call, now)
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
            response = respond_by_moto(request)
        else:
            self._parsed = parsed
            response = _blank(request, model)
        if fault == "lost_response":
            self._parsed = None
            return _on_the_wire(request, protocol, _fault_error(fault, call.service))
        return response

    def before_parse(self, customized_response_dict: Parsed) -> None:
        """Give botocore the content that the blank response stands for."""
        if self._parsed is not None:
            customized_response_dict.update(self._parsed)
            self._parsed = None

    def after_call(self, http_response: AWSResponse, parsed: Parsed, context: dict[str, Any]) -> None:
        """Patch the response, record the outcome, and let the function crash if that was its call."""
        call: Call = context[CALL]
        account = self._account
        self._count_write(call)
        self._current = None
        call.attempts = parsed.get("ResponseMetadata", {}).get("RetryAttempts", 0) + 1
        if http_response.status_code >= 300:  # noqa: PLR2004 - where botocore draws the line, too
            call.outcome = parsed.get("Error", {}).get("Code", "Unknown")
        else:
            call.outcome = "ok"
            try:
                for patch in account.patches.get(call.name, ()):
                    patch(account, call.params, parsed)
            except AwsError as error:
                http_response.status_code, parsed["Error"] = error.status, _error(error)
                call.outcome = error.code
        self._inject(account.faults.after_call, call)

    def after_call_error(self, exception: BaseException, context: dict[str, Any]) -> None:
        """Record a call that ended without any response."""
        self._current = None
        if CALL in context:
            self._count_write(context[CALL])
            context[CALL].outcome = type(exception).__name__

    def _begin(self, call: Call) -> None:
        self._account.clock.advance(self._account.call_latency if call.is_by_function else 0.0)
        self._account.faults.before_call(call)

    def _count_write(self, call: Call) -> None:
        if not call.is_read:
            self._account.writes[call.service] += 1

    def _inject(self, fault: Callable[[Call], None], call: Call) -> None:
        account = self._account
        if account.dead is not None:
            # A process that has ended makes no calls, whatever its `finally` blocks try.
            raise account.dead
        try:
            fault(call)
        except FunctionDied as death:
            account.dead = death
            raise

    def _answer(self, call: Call) -> Parsed | None:
        account = self._account
        account.settle()
        handler = account.handlers.get(call.name)
        try:
            parsed = handler(account, call.params) if handler else None
            if parsed is None:
                stop_dry_run(call.params)
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
