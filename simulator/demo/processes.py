"""Each run in a process of its own: a cloud takes hold of its process's clock, and there are two cores."""

from __future__ import annotations

import multiprocessing
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection


class Simulate[Scene, News, Outcome](Protocol):
    """A function that lets a scene happen, once, and tells of it meanwhile."""

    def __call__(self, scene: Scene, *, with_berthmaster: bool, tell: Callable[[News], None]) -> Outcome:
        """Return the outcome."""


@dataclass(frozen=True, slots=True)
class _Ended:
    outcome: Any


class Observed[Scene, News, Outcome]:
    """A run that has been started; what it tells waits until somebody follows it."""

    def __init__(self, simulate: Simulate[Scene, News, Outcome], scene: Scene, *, with_berthmaster: bool) -> None:
        context = multiprocessing.get_context("spawn")
        self._receiver, sender = context.Pipe(duplex=False)
        arguments = (simulate, scene, with_berthmaster, sender)
        self._process = context.Process(target=_simulate, args=arguments, daemon=True)
        self._process.start()
        # With its copy closed, the death of the process is the end of the pipe.
        sender.close()

    def follow(self, tell: Callable[[News], None]) -> Outcome:
        """Pass on what the run tells until it ends; ChildProcessError if its process dies."""
        try:
            while not isinstance(message := self._receiver.recv(), _Ended):
                tell(message)
        except EOFError:
            self._process.join()
            raise ChildProcessError("a simulation died; its error is printed above") from None
        self._process.join()
        outcome: Outcome = message.outcome
        return outcome


def _simulate(
    simulate: Simulate[Any, Any, Any],
    scene: object,
    with_berthmaster: bool,  # noqa: FBT001 - Process's arguments
    sender: Connection,
) -> None:
    # Ctrl-C is the parent's to hear; this process ends with it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sender.send(_Ended(simulate(scene, with_berthmaster=with_berthmaster, tell=sender.send)))
