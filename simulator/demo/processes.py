"""Each run in a process of its own: a cloud takes hold of its process's clock, and there are two cores."""

from __future__ import annotations

import multiprocessing
import signal
from typing import TYPE_CHECKING

from simulator.demo.outcome import Run
from simulator.demo.simulation import simulate

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from simulator.demo.scene import Scene
    from simulator.demo.simulation import Tell


class Observed:
    """A run that has been started; what it tells waits until somebody follows it."""

    def __init__(self, scene: Scene, *, with_berthmaster: bool) -> None:
        context = multiprocessing.get_context("spawn")
        self._receiver, sender = context.Pipe(duplex=False)
        self._process = context.Process(target=_simulate, args=(scene, with_berthmaster, sender), daemon=True)
        self._process.start()
        # With its copy closed, the death of the process is the end of the pipe.
        sender.close()

    def follow(self, tell: Tell) -> Run:
        """Pass on what the run tells until it ends; ChildProcessError if its process dies."""
        try:
            while not isinstance(message := self._receiver.recv(), Run):
                tell(message)
        except EOFError:
            self._process.join()
            raise ChildProcessError("a simulation died; its error is printed above") from None
        self._process.join()
        return message


def _simulate(scene: Scene, with_berthmaster: bool, sender: Connection) -> None:  # noqa: FBT001 - Process's arguments
    # Ctrl-C is the parent's to hear; this process ends with it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sender.send(simulate(scene, with_berthmaster=with_berthmaster, tell=sender.send))
