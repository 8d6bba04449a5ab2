"""AWS calls made several at a time: bounded, in order, and begun only while there is time.

>>> outcomes = concurrently(read_health, group_arns, at_once=4, may_begin=lambda: invocation.time_left(now()) > LEAST)
>>> unread = {outcome.item: outcome.error for outcome in outcomes if outcome.error}

>>> with Together(at_once=4) as reads:
...     peerings = reads.begin(peerings_of, ec2, vpc_id)
...     neighbours = reads.begin(neighbours_of, ec2, vpc_id)
>>> peerings.result()

boto3's clients may be shared by threads, and hold ten connections each: `at_once` stays below that. Threads see the
context variables of their caller.
"""

from collections.abc import Callable, Iterable
from concurrent import futures
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from types import TracebackType
from typing import Self, cast

from berthmaster.telemetry import logger


class NotBegun(TimeoutError):
    """There was no time left for an item."""


@dataclass(frozen=True, slots=True)
class Outcome[Item, Result]:
    """What came of one item; error: what the function raised, or NotBegun. None if it returned a value."""

    item: Item
    value: Result | None = None
    error: Exception | None = None

    @property
    def result(self) -> Result:
        """What the function returned; raises the error if there is one."""
        if self.error is not None:
            raise self.error
        return cast("Result", self.value)


def concurrently[Item, Result](
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    at_once: int,
    may_begin: Callable[[], bool] = lambda: True,
) -> list[Outcome[Item, Result]]:
    """Call the function with each item, in at most `at_once` threads; returns the outcomes in the order of the items.

    items: may be pages that the caller's thread still reads while others work on the first ones; an error of a page is
    raised when all that was begun has ended. may_begin: asked before each item. What it does not allow any more is
    logged, and its error is NotBegun.
    """

    def attempt(item: Item) -> Outcome[Item, Result]:
        if not may_begin():
            return Outcome(item, error=NotBegun(f"no time left in this invocation for {item}"))
        try:
            return Outcome(item, function(item))
        except Exception as error:  # noqa: BLE001 - the caller decides about each
            return Outcome(item, error=error)

    rest = iter(items)
    first = list(islice(rest, at_once))
    if len(first) <= 1:
        outcomes = [attempt(item) for item in chain(first, rest)]
    else:
        with Together(at_once=len(first)) as calls:
            begun = [calls.begin(attempt, item) for item in chain(first, rest)]
        outcomes = [one.result() for one in begun]
    if late := [str(one.item) for one in outcomes if isinstance(one.error, NotBegun)]:
        logger.warning("no time for all calls", left=late)
    return outcomes


def results_of[Item, Result](outcomes: Iterable[Outcome[Item, Result]]) -> list[Result]:
    """All results, in order. If there are errors, raises the first one and logs the others."""
    found = list(outcomes)
    for other in [one for one in found if one.error is not None][1:]:
        logger.error("another call failed too", item=str(other.item), error=repr(other.error))
    return [one.result for one in found]


class Together:
    """Calls of different kinds, begun one after the other and made in at most `at_once` threads.

    Its block ends when all of them have ended; `result` of what `begin` returns has the result, or raises the error.
    """

    def __init__(self, *, at_once: int) -> None:
        # Looked up when it is needed: the simulator has threads of its own.
        self._executor = futures.ThreadPoolExecutor(max_workers=at_once)

    def __enter__(self) -> Self:
        """Begin."""
        self._executor.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for all calls."""
        self._executor.__exit__(kind, error, trace)

    def begin[**Arguments, Result](
        self, function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> futures.Future[Result]:
        """Have a function called as soon as a thread is free."""
        call: Callable[[], Result] = partial(function, *args, **kwargs)
        return self._executor.submit(lambda context: context.run(call), copy_context())
