"""A Lambda runtime in this interpreter: each invocation has a container to itself, a warm one if one is idle.

A container has module state of its own: the function, the layers' packages and Powertools are imported anew on a cold
start, but for modules without state, and are in `sys.modules` only while their container runs: two containers share no
cache, and a crash loses it.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
import traceback
import typing
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import botocore
from moto.moto_api._internal import mock_random

from simulator.calls import calling_as
from simulator.cloud import ENVIRONMENT
from simulator.errors import FunctionDied, TimedOut
from simulator.processes import Process
from simulator.stack import compiled
from simulator.stack.logs import Logs, Output
from simulator.stack.module_space import Modules, ModuleSpace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from simulator.cloud import Cloud

STATEFUL_LIBRARIES = ("aws_lambda_powertools",)
NOT_ON_LAMBDA = ("pydantic",)
"""Packages of the development environment that Powertools would use if it found them imported."""


@dataclass(frozen=True, kw_only=True)
class Function:
    """A function as deployed: what Lambda knows of it. `timeout` in seconds, `memory` in MB."""

    logical_id: str
    name: str
    arn: str
    handler: str
    folder: Path
    layers: tuple[Path, ...]
    environment: Mapping[str, str]
    timeout: float
    memory: int
    log_group: str
    log_level: str = "INFO"


@dataclass
class Invocation:
    """How one invocation ended: `result` if it returned, else `error`; `died` if its container is gone.

    started, ended: in seconds since the epoch; what passes before a container is ready does not count.
    """

    function: str
    request_id: str
    started: float
    ended: float = 0.0
    result: Any = None
    error: BaseException | None = None
    calls: int = 0

    @property
    def died(self) -> bool:
        """Whether the process was killed."""
        return isinstance(self.error, FunctionDied)


@dataclass
class LambdaContext:
    """The second argument of a handler."""

    function_name: str
    invoked_function_arn: str
    memory_limit_in_mb: str
    aws_request_id: str
    log_group_name: str
    log_stream_name: str
    remaining: Callable[[], float]
    function_version: str = "$LATEST"
    identity: None = None
    client_context: None = None

    def get_remaining_time_in_millis(self) -> int:
        """Virtual time left, in milliseconds."""
        return max(0, int(self.remaining() * 1000))


class Container:
    """A function's process: its modules, its environment and its standard output; `handler` once it is imported.

    deployment: which deployment of the function it was made from.
    """

    def __init__(
        self,
        function: Function,
        environment: Mapping[str, str],
        output: Output,
        space: ModuleSpace,
        *,
        deployment: int,
    ) -> None:
        self.function = function
        self.handler: Callable[[Any, LambdaContext], Any] | None = None
        self.output = output
        self.deployment = deployment
        self._modules = Modules()
        self._packages = _packages(function)
        self._environment = {os.environ.encodekey(key): os.environ.encodevalue(environment[key]) for key in environment}
        self._space = space

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Have its modules, environment and output in the place of the interpreter's."""
        # Only Python reads these variables; putenv for each would take longer than most turns.
        data, stdout = os.environ._data, sys.stdout  # type: ignore[attr-defined]
        os.environ._data, sys.stdout = self._environment, self.output  # type: ignore[attr-defined]
        try:
            with self._space.installed(self._modules, self._packages):
                yield
        finally:
            os.environ._data, sys.stdout = data, stdout  # type: ignore[attr-defined]


class Runtime:
    """Runs functions. Each invocation is a process of its own under the virtual clock, and any number may be under way.

    invocations: those that have ended, in that order.
    """

    def __init__(self, cloud: Cloud, functions: Mapping[str, Function]) -> None:
        self.cloud = cloud
        self.functions = functions
        self.logs = Logs()
        self.invocations: list[Invocation] = []
        self.cold_starts = 0
        self._idle: dict[str, list[Container]] = defaultdict(list)
        self._processes: list[Process] = []
        self._deployment = 0
        self._space = ModuleSpace()
        cloud.on_close(self._close)

    def start(self, logical_id: str, event: Any, ended: Callable[[Invocation], None]) -> None:
        """Begin to run a function on an event (JSON); `ended` is called when it has ended, however that was."""
        function, clock = self.functions[logical_id], self.cloud.clock
        container = self._idle[logical_id].pop() if self._idle[logical_id] else self._new_container(function)
        invocation = Invocation(logical_id, str(mock_random.uuid4()), clock.timestamp())

        def has_ended() -> None:
            timer.cancel()
            self._processes.remove(process)
            self._end(container, invocation)
            ended(invocation)

        process = Process(
            lambda: self._run(function, container, event, invocation), installed=container.installed, ended=has_ended
        )
        self._processes.append(process)
        delay = self.cloud.latency.of_start(cold=container.handler is None)
        clock.after(delay, process.start)
        timer = clock.after(
            delay + function.timeout, lambda: process.kill(TimedOut(f"{logical_id} ran for {function.timeout:g} s"))
        )

    def kill_containers(self) -> None:
        """Let every function start cold next time, as after a deployment; what is under way ends as it would."""
        for containers in self._idle.values():
            while containers:
                self._discard(containers.pop())
        self._deployment += 1

    def _close(self) -> None:
        for process in list(self._processes):
            process.abandon()
        self.kill_containers()
        # typing caches recent unions, and with their classes the modules of whole containers.
        for forget in typing._cleanups:  # type: ignore[attr-defined]
            forget()

    def _new_container(self, function: Function) -> Container:
        self.cold_starts += 1
        output = Output(self.logs, self.cloud.clock, function.logical_id)
        environment = _environment(self.cloud, function)
        return Container(function, environment, output, self._space, deployment=self._deployment)

    def _run(self, function: Function, container: Container, event: Any, invocation: Invocation) -> None:
        clock = self.cloud.clock
        invocation.started = clock.timestamp()
        deadline = invocation.started + function.timeout
        context = LambdaContext(
            function_name=function.name,
            invoked_function_arn=function.arn,
            memory_limit_in_mb=str(function.memory),
            aws_request_id=invocation.request_id,
            log_group_name=function.log_group,
            log_stream_name="simulator",
            remaining=lambda: deadline - clock.timestamp(),
        )
        try:
            with calling_as(function.logical_id, request_id=invocation.request_id):
                handler = container.handler or _import(function)
                container.handler = handler
                result = handler(json.loads(json.dumps(event)), context)
            # Lambda returns JSON or fails.
            invocation.result = json.loads(json.dumps(result))
        except FunctionDied as death:
            invocation.error = death
            raise
        except Exception as error:  # noqa: BLE001 - whatever a function raises fails its invocation alone
            invocation.error = error
            self._report(function.logical_id, error)

    def _end(self, container: Container, invocation: Invocation) -> None:
        invocation.ended = self.cloud.clock.timestamp()
        invocation.calls = self.cloud.calls.by_request[invocation.request_id]
        self.invocations.append(invocation)
        if invocation.died or container.handler is None or container.deployment != self._deployment:
            self._discard(container)
        else:
            self._idle[invocation.function].append(container)

    def _discard(self, container: Container) -> None:
        container.output.is_open = False
        _forget_logger(container.function)

    def _report(self, logical_id: str, error: Exception) -> None:
        record = {
            "level": "ERROR",
            "errorType": type(error).__name__,
            "errorMessage": str(error),
            "stackTrace": traceback.format_exception(error),
        }
        Output(self.logs, self.cloud.clock, logical_id).write(json.dumps(record) + "\n")


def _import(function: Function) -> Callable[[Any, LambdaContext], Any]:
    """Import a function's handler, as its container starts."""
    module_name, handler_name = function.handler.rsplit(".", 1)
    _forget_logger(function)
    with _path(function), compiled.kept(), _registering_nothing(function):
        handler: Callable[[Any, LambdaContext], Any] = getattr(importlib.import_module(module_name), handler_name)
    return handler


def _environment(cloud: Cloud, function: Function) -> dict[str, str]:
    return {
        **ENVIRONMENT,
        **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
        "AWS_REGION": cloud.region,
        "AWS_DEFAULT_REGION": cloud.region,
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        "AWS_LAMBDA_LOG_GROUP_NAME": function.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": "simulator",
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "AWS_LAMBDA_LOG_LEVEL": function.log_level,
        "LAMBDA_TASK_ROOT": str(function.folder),
        "_HANDLER": function.handler,
        **function.environment,
    }


def _packages(function: Function) -> tuple[str, ...]:
    packages = [
        entry.stem
        for folder in (*function.layers, function.folder)
        if folder.is_dir()
        for entry in folder.iterdir()
        if entry.suffix in ("", ".py") and not entry.name.startswith((".", "_"))
    ]
    return (*packages, *STATEFUL_LIBRARIES, *NOT_ON_LAMBDA)


@contextmanager
def _path(function: Function) -> Iterator[None]:
    kept = list(sys.path)
    sys.path[:0] = [str(function.folder), *map(str, function.layers)]
    try:
        yield
    finally:
        sys.path[:] = kept


@contextmanager
def _registering_nothing(function: Function) -> Iterator[None]:
    """Undo what Powertools registers with botocore and logging: each cold start would slow down all later calls."""
    initializers = list(botocore._INITIALIZERS)  # type: ignore[attr-defined]
    for handler in logging.root.handlers:
        handler.filters[:] = [one for one in handler.filters if getattr(one, "logger", None) != _service(function)]
    try:
        yield
    finally:
        # An addition to the User-Agent, which nobody reads.
        botocore._INITIALIZERS[:] = initializers  # type: ignore[attr-defined]
        del logging.getLogger("aws_lambda_powertools").handlers[1:]


def _service(function: Function) -> str:
    return function.environment.get("POWERTOOLS_SERVICE_NAME", "")


def _forget_logger(function: Function) -> None:
    # Powertools keeps its handler on the process-wide logger of the service's name, bound to the old container's
    # output.
    logging.Logger.manager.loggerDict.pop(_service(function), None)
