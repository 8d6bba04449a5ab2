"""Failures of single items that must not stop the others, collected and raised at the end."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from berthmaster.telemetry import logger


class Failures:
    """What failed so far.

    >>> failures = Failures()
    >>> for vpc in vpcs:
    ...     with failures.collect("VPC not assessed", vpc=vpc.id):
    ...         assess(vpc)
    >>> failures.raise_all("the cycle completed with failures")
    """

    def __init__(self) -> None:
        self._errors: list[Exception] = []

    def __len__(self) -> int:
        """How many errors there are."""
        return len(self._errors)

    @property
    def errors(self) -> tuple[Exception, ...]:
        """What failed, in order."""
        return tuple(self._errors)

    @contextmanager
    def collect(self, what: str, **where: Any) -> Iterator[None]:
        """Log an error of the block under the constant message `what`, keep it, and go on after the block."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - raised by `raise_all`, when the other items are done
            logger.error(what, error=repr(error), **where)
            self._errors.append(error)

    def add(self, errors: Iterable[Exception]) -> None:
        """Keep errors that were caught elsewhere."""
        self._errors += errors

    def raise_all(self, summary: str) -> None:
        """Raise an ExceptionGroup of all errors, if there are any."""
        if self._errors:
            raise ExceptionGroup(summary, self._errors)
