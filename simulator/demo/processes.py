"""Each run in a process of its own: a simulated cloud controls its process's clock, and there are two cores."""

from __future__ import annotations

import multiprocessing
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    type Simulate[Scene, News, Outcome] = Callable[[Scene, Callable[[News], None]], Outcome]
    """Runs a scene once, emits news meanwhile and returns the outcome."""


@dataclass(frozen=True, slots=True)
class _Ended:
    outcome: Any


class Observed[Scene, News, Outcome]:
    """A run that has been started; its news wait in a pipe until `follow` reads them."""

    def __init__(self, simulate: Simulate[Scene, News, Outcome], scene: Scene) -> None:
        context = multiprocessing.get_context("spawn")
        self._receiver, sender = context.Pipe(duplex=False)
        self._process = context.Process(target=_simulate, args=(simulate, scene, sender), daemon=True)
        self._process.start()
        # With its copy closed, the death of the process is the end of the pipe.
        sender.close()

    def follow(self, show: Callable[[News], None]) -> Outcome:
        """Pass the run's news to `show` until it ends; ChildProcessError if its process dies."""
        try:
            while not isinstance(message := self._receiver.recv(), _Ended):
                show(message)
        except EOFError:
            self._process.join()
            raise ChildProcessError("a simulation died; its error is printed above") from None
        self._process.join()
        outcome: Outcome = message.outcome
        return outcome


def _simulate(simulate: Simulate[Any, Any, Any], scene: object, sender: Connection) -> None:
    # The parent handles Ctrl-C; this process ends with it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sender.send(_Ended(simulate(scene, sender.send)))
