"""Threads whose calls are made at once by the thread that begins them: the simulator makes one call at a time."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Self


class OneThread:
    """In place of `ThreadPoolExecutor`."""

    def __init__(self, max_workers: int) -> None:
        assert max_workers > 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit[**Arguments, Result](
        self, function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - raised by `result`
            future.set_exception(error)
        return future
