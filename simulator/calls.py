"""A record of every AWS call: who made it, what it was, how it ended."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextvars import Context

OPERATOR = "operator"
WORKLOAD = "workload"

READ_VERBS = ("Describe", "Get", "List", "Query", "Scan", "BatchGet", "Receive", "Search", "Head")

_caller: ContextVar[tuple[str, str]] = ContextVar("caller", default=(OPERATOR, ""))


def caller() -> str:
    """Who is calling AWS now: a function's logical id, `workload`, or `operator` (the test, or a person)."""
    return _caller.get()[0]


def caller_in(context: Context) -> str:
    """Who calls AWS in a context, as `caller`: that of another thread, for example."""
    return context.get(_caller, (OPERATOR, ""))[0]


def is_function() -> bool:
    """Whether a Lambda function is calling AWS now."""
    return caller() not in (OPERATOR, WORKLOAD)


@contextmanager
def calling_as(name: str, *, request_id: str = "") -> Iterator[None]:
    """Record the calls made inside under `name`, and under the request id of an invocation."""
    token = _caller.set((name, request_id))
    try:
        yield
    finally:
        _caller.reset(token)


@dataclass(slots=True)
class Call:
    """One AWS call; a call that botocore retries is one call with several attempts.

    `request_id` is that of the invocation whose call it is, or the id of the task whose program made it, and empty for
    calls of others. `at` is when the call began.
    `outcome` is `ok`, an AWS error code, or the name of the exception that ended it.
    """

    seq: int
    caller: str
    request_id: str
    service: str
    operation: str
    params: Mapping[str, Any]
    at: float
    outcome: str = ""
    attempts: int = 1

    @property
    def name(self) -> str:
        """Service and operation, as in `ec2:DescribeVpcs`."""
        return f"{self.service}:{self.operation}"

    @property
    def is_read(self) -> bool:
        """Whether the operation only reads."""
        return self.operation.startswith(READ_VERBS)

    @property
    def is_by_function(self) -> bool:
        """Whether a Lambda function made the call."""
        return self.caller not in (OPERATOR, WORKLOAD)

    @property
    def is_by_program(self) -> bool:
        """Whether the program of a task made the call."""
        return self.caller == WORKLOAD and self.request_id != ""

    @property
    def takes_time(self) -> bool:
        """Whether the call is made over a network, and so takes time."""
        return self.is_by_function or self.is_by_program

    def __str__(self) -> str:
        return f"#{self.seq} {self.caller} {self.name} {self.outcome}"


@dataclass
class Calls:
    """All calls of a simulation, oldest first; `by_request` counts those of each invocation."""

    all: list[Call] = field(default_factory=list)
    by_request: Counter[str] = field(default_factory=Counter)

    def record(self, service: str, operation: str, params: Mapping[str, Any], at: float) -> Call:
        """Record a call that the current caller begins."""
        name, request_id = _caller.get()
        call = Call(len(self.all) + 1, name, request_id, service, operation, params, at)
        self.all.append(call)
        self.by_request[request_id] += 1
        return call

    def of(self, name: str) -> Calls:
        """The calls of one caller."""
        return Calls([call for call in self.all if call.caller == name])

    def since(self, seq: int) -> Calls:
        """The calls after the one numbered `seq`."""
        return Calls([call for call in self.all if call.seq > seq])

    def named(self, name: str) -> list[Call]:
        """The calls of one operation, as in `named("ec2:CreateSubnet")`."""
        return [call for call in self.all if call.name == name]

    def reads(self) -> list[Call]:
        """The calls that read."""
        return [call for call in self.all if call.is_read]

    def writes(self) -> list[Call]:
        """The calls that may change something."""
        return [call for call in self.all if not call.is_read]

    def counts(self) -> Counter[str]:
        """How often each operation was called."""
        return Counter(call.name for call in self.all)

    def clear(self) -> None:
        """Forget all calls; sequence numbers start again."""
        self.all.clear()

    def __len__(self) -> int:
        return len(self.all)

    def __iter__(self) -> Iterator[Call]:
        return iter(self.all)
