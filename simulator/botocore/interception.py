"""What happens to each call: it is recorded, a fault may hit it, then a handler of the account does it, or moto.

A call without faults ends at `before-call`, before anything is signed or serialised. A call that a fault or
throttling hits goes through all of botocore up to `before-send`: botocore's own retries see each error and wait, in
virtual time.
"""

from __future__ import annotations

import itertools
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from moto.core.botocore_stubber import MockRawResponse
from moto.core.exceptions import JsonRESTError, ServiceException

from simulator.botocore.dispatch import respond_by_moto
from simulator.errors import AwsError, FunctionDied, Throttled, error_body, stop_dry_run
from simulator.processes import running_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.awsrequest import AWSPreparedRequest
    from botocore.model import OperationModel

    from simulator.account import Account, Parsed
    from simulator.calls import Call

PARAMS = "simulator.params"
UNDER_WAY = "simulator.under_way"
_request_ids = itertools.count(1)


@dataclass
class _UnderWay:
    """A call that has begun and not ended: how it fares on its way.

    delay_after: seconds until the response arrives. around: the call that is made meanwhile, as a handler's own calls
    are. first_fault, throttled: what the first attempt meets. parsed: the response that a blank one on the wire stands
    for.
    """

    call: Call
    model: OperationModel
    delay_after: float
    around: _UnderWay | None
    first_fault: str = ""
    throttled: Throttled | None = None
    attempts: int = 0
    parsed: Parsed | None = None


# Each thread of a simulated process has a context of its own.
_under_way: ContextVar[_UnderWay | None] = ContextVar("under way", default=None)
_resumed: ContextVar[_UnderWay | None] = ContextVar("resumed", default=None)


class Interception:
    """What one account does with each call."""

    def __init__(self, account: Account) -> None:
        self._account = account

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
            _resumed.set(context[UNDER_WAY])
            return None
        http_response, parsed = answer
        self.after_call(http_response, parsed, context)
        if http_response.status_code >= 300:  # noqa: PLR2004 - where botocore draws the line, too
            raise client.exceptions.from_code(parsed["Error"]["Code"])(parsed, model.name)
        return parsed

    def before_call(self, model: OperationModel, context: dict[str, Any]) -> tuple[AWSResponse, Parsed] | None:
        """Record the call. Returns the response, or None if a fault hits the call or moto is to have it."""
        if (resumed := _resumed.get()) is not None:
            _resumed.set(None)
            context[UNDER_WAY] = resumed
            # With what botocore adds before it serialises the call.
            resumed.call.params = context.get(PARAMS, resumed.call.params)
            return None
        account = self._account
        call = account.calls.record(
            model.service_model.service_name, model.name, context.get(PARAMS, {}), account.clock.timestamp()
        )
        call.outcome = "Crashed"
        under_way = _UnderWay(call, model, self._send(call), _under_way.get())
        self._inject(account.faults.before_call, call)
        context[UNDER_WAY] = under_way
        _under_way.set(under_way)
        under_way.first_fault = account.faults.next_fault(call, account.clock.timestamp())
        if under_way.first_fault:
            return None
        try:
            parsed = self._answer(call)
        except Throttled as error:
            under_way.throttled = error
            return None
        except AwsError as error:
            return _refused(error)
        return None if parsed is None else _accepted(parsed)

    def before_send(self, request: AWSPreparedRequest) -> AWSResponse | None:
        """The response to one attempt: a fault, a handler's, or moto's."""
        under_way = _under_way.get()
        if under_way is None:
            return respond_by_moto(request)
        call, protocol = under_way.call, under_way.model.service_model.protocol
        under_way.attempts += 1
        fault = under_way.first_fault
        if under_way.attempts > 1:
            self._account.clock.advance(under_way.delay_after)
            under_way.delay_after = self._send(call)
            fault = self._account.faults.next_fault(call, self._account.clock.timestamp())
        if under_way.throttled is not None:
            throttled, under_way.throttled = under_way.throttled, None
            return _on_the_wire(request, protocol, throttled)
        if fault in ("throttled", "server_error"):
            return _on_the_wire(request, protocol, _fault_error(fault, call.service))
        try:
            parsed = self._answer(call)
        except AwsError as error:
            return _on_the_wire(request, protocol, error)
        if fault == "lost_response":
            if parsed is None:
                respond_by_moto(request)
            return _on_the_wire(request, protocol, _fault_error(fault, call.service))
        if parsed is None:
            return respond_by_moto(request)
        under_way.parsed = parsed
        return _blank(request, under_way.model)

    def before_parse(self, customized_response_dict: Parsed) -> None:
        """Give botocore the content that the blank response stands for."""
        under_way = _under_way.get()
        if under_way is not None and under_way.parsed is not None:
            customized_response_dict.update(under_way.parsed)
            under_way.parsed = None

    def after_call(self, http_response: AWSResponse, parsed: Parsed, context: dict[str, Any]) -> None:
        """Patch the response, record the outcome, and let the function crash if that was its call."""
        under_way: _UnderWay = context[UNDER_WAY]
        account, call = self._account, under_way.call
        _under_way.set(under_way.around)
        self._count_write(call)
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
        if call.takes_time:
            account.clock.advance(under_way.delay_after)

    def after_call_error(self, exception: BaseException, context: dict[str, Any]) -> None:
        """Record a call that ended without any response."""
        if UNDER_WAY in context:
            under_way: _UnderWay = context[UNDER_WAY]
            _under_way.set(under_way.around)
            self._count_write(under_way.call)
            under_way.call.outcome = type(exception).__name__

    def _send(self, call: Call) -> float:
        """Let time pass until AWS acts; returns how many seconds the response takes after that."""
        if not call.takes_time:
            return 0.0
        delay = self._account.latency.of_call(call)
        self._account.clock.advance(delay.before)
        return delay.after

    def _count_write(self, call: Call) -> None:
        if not call.is_read:
            self._account.writes[call.service] += 1

    def _inject(self, fault: Callable[[Call], None], call: Call) -> None:
        thread = running_thread()
        if thread is not None and thread.process.death is not None:
            # A process that has ended makes no calls, whatever its `finally` blocks try.
            raise thread.process.death
        try:
            fault(call)
        except FunctionDied as death:
            if thread is not None:
                thread.process.death = death
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
        if service == "s3":
            return AwsError("SlowDown", "Please reduce your request rate.", status=503)
        return AwsError("ThrottlingException", "Rate exceeded")
    code = "InternalError" if service in ("ec2", "s3") else "InternalFailure"
    return AwsError(code, "An internal error has occurred", status=500)


def _on_the_wire(request: AWSPreparedRequest, protocol: str, error: AwsError) -> AWSResponse:
    headers = {"x-amzn-errortype": error.code}
    body = "" if request.method == "HEAD" else error_body(protocol, error)
    return AWSResponse(request.url, error.status, headers, MockRawResponse(body))  # type: ignore[arg-type]


def _blank(request: AWSPreparedRequest, model: OperationModel) -> AWSResponse:
    body = "" if model.service_model.protocol == "rest-xml" else "{}"
    if model.service_model.protocol in ("ec2", "query"):
        wrapper = model.output_shape.serialization.get("resultWrapper", "") if model.output_shape else ""
        inner = f"<{wrapper}/>" if wrapper else ""
        body = f"<Response>{inner}<requestId>sim</requestId></Response>"
    return AWSResponse(request.url, 200, {}, MockRawResponse(body))  # type: ignore[arg-type]
