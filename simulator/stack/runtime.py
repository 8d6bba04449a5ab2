"""A Lambda runtime in this process: one container per function, warm until it crashes.

A container has module state of its own: the function, the layers' packages and Powertools are imported anew on a cold
start and are in `sys.modules` only while their container runs: two functions share no cache, and a crash loses it.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
import traceback
import typing
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from moto.moto_api._internal import mock_random

from simulator.calls import calling_as
from simulator.cloud import ENVIRONMENT
from simulator.errors import FunctionDied, TimedOut
from simulator.stack import compiled
from simulator.stack.logs import Logs, Output
from simulator.stack.module_space import ModuleSpace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from simulator.cloud import Cloud
    from simulator.stack.module_space import Modules

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
    """How one invocation ended: `result` if it returned, else `error`; `died` if its container is gone."""

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


@dataclass
class Container:
    """A function's process: its modules and its standard output."""

    handler: Callable[[Any, LambdaContext], Any]
    modules: Modules
    roots: tuple[str, ...]
    output: Output


@dataclass
class Runtime:
    """Runs functions, one invocation at a time."""

    cloud: Cloud
    functions: Mapping[str, Function]
    logs: Logs = field(default_factory=Logs)
    invocations: list[Invocation] = field(default_factory=list)
    cold_starts: int = 0

    def __post_init__(self) -> None:
        self._containers: dict[str, Container] = {}
        self._space = ModuleSpace()
        self._running = False
        self.cloud.on_close(self._close)

    def invoke(self, logical_id: str, event: Any) -> Invocation:
        """Run a function on an event (JSON); returns how that ended, whatever it was."""
        if self._running:
            raise RuntimeError("invocations never nest")
        function, clock = self.functions[logical_id], self.cloud.clock
        invocation = Invocation(logical_id, str(mock_random.uuid4()), clock.timestamp())
        deadline = clock.timestamp() + function.timeout
        calls = len(self.cloud.calls)
        self.cloud.dead = None
        self._running = True
        try:
            with (
                clock.limit(deadline, TimedOut(f"{logical_id} ran for {function.timeout:g} s")),
                calling_as(logical_id),
            ):
                invocation.result = self._run(function, event, invocation, deadline)
        except FunctionDied as death:
            invocation.error = death
            self._discard(logical_id)
        except Exception as error:  # noqa: BLE001 - whatever a function raises fails its invocation alone
            invocation.error = error
            self._report(logical_id, error)
        finally:
            self._running = False
            self.cloud.dead = None
        invocation.ended, invocation.calls = clock.timestamp(), len(self.cloud.calls) - calls
        self.invocations.append(invocation)
        return invocation

    def kill_containers(self) -> None:
        """Let every function start cold next time, as after a deployment or a long pause."""
        for logical_id in list(self._containers):
            self._discard(logical_id)

    def _close(self) -> None:
        self.kill_containers()
        # typing caches recent unions, and with their classes the modules of whole containers.
        for forget in typing._cleanups:  # type: ignore[attr-defined]
            forget()

    def _run(self, function: Function, event: Any, invocation: Invocation, deadline: float) -> Any:
        clock = self.cloud.clock
        context = LambdaContext(
            function_name=function.name,
            invoked_function_arn=function.arn,
            memory_limit_in_mb=str(function.memory),
            aws_request_id=invocation.request_id,
            log_group_name=function.log_group,
            log_stream_name="simulator",
            remaining=lambda: deadline - clock.timestamp(),
        )
        with _environment(self.cloud, function):
            container = self._containers.get(function.logical_id) or self._start(function)
            with self._space.installed(container.modules, container.roots), redirect_stdout(container.output):
                result = container.handler(json.loads(json.dumps(event)), context)
        # Lambda returns JSON or fails.
        return json.loads(json.dumps(result))

    def _start(self, function: Function) -> Container:
        self.cold_starts += 1
        output = Output(self.logs, self.cloud.clock, function.logical_id)
        module_name, handler_name = function.handler.rsplit(".", 1)
        roots = _roots(function)
        _forget_logger(function)
        with ExitStack() as stack:
            modules: Modules = {}
            stack.enter_context(self._space.installed(modules, roots))
            stack.enter_context(_path(function))
            stack.enter_context(compiled.kept())
            stack.enter_context(redirect_stdout(output))
            handler = getattr(importlib.import_module(module_name), handler_name)
        container = Container(handler, modules, roots, output)
        self._containers[function.logical_id] = container
        return container

    def _discard(self, logical_id: str) -> None:
        if container := self._containers.pop(logical_id, None):
            container.output.is_open = False
            _forget_logger(self.functions[logical_id])

    def _report(self, logical_id: str, error: Exception) -> None:
        record = {
            "level": "ERROR",
            "errorType": type(error).__name__,
            "errorMessage": str(error),
            "stackTrace": traceback.format_exception(error),
        }
        Output(self.logs, self.cloud.clock, logical_id).write(json.dumps(record) + "\n")


@contextmanager
def _environment(cloud: Cloud, function: Function) -> Iterator[None]:
    kept = dict(os.environ)
    environment: dict[str, str] = {
        **ENVIRONMENT,
        **{name: kept[name] for name in ("PATH", "HOME", "LANG") if name in kept},
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
    os.environ.clear()
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(kept)


def _roots(function: Function) -> tuple[str, ...]:
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


def _forget_logger(function: Function) -> None:
    # Powertools keeps its handler on the process-wide logger of the service's name, bound to the old container's
    # output.
    logging.Logger.manager.loggerDict.pop(function.environment.get("POWERTOOLS_SERVICE_NAME", ""), None)
