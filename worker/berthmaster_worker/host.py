"""What differs between a real container and a simulated one: time, threads, and how the command is started."""

from collections.abc import Callable
from typing import Protocol

from berthmaster_worker.model import Job


class Running(Protocol):
    """A command that was started on a job."""

    def exit_code(self) -> int | None:
        """As a shell shows it, 128 + n for a signal; None while it runs."""

    def terminate(self) -> None:
        """Ask it to end (SIGTERM)."""

    def kill(self) -> None:
        """End it, and all that it has started; nothing happens if all of it has ended."""


class Host(Protocol):
    """Where a worker runs."""

    def monotonic(self) -> float:
        """Seconds of a clock that nobody sets."""

    def wait(self, seconds: float) -> None:
        """Let the main thread sleep until somebody calls `wake`, also before this call, or for so long."""

    def wake(self) -> None:
        """End the wait of the main thread, or its next one; for other threads and signal handlers."""

    def in_background(self, work: Callable[[], None]) -> None:
        """Begin a thread that ends with the process."""

    def sleep(self, seconds: float) -> None:
        """Let another thread than the main one sleep."""

    def start(self, job: Job) -> Running:
        """Start the command; `wake` is called when it ends."""
