"""Reads that only lead to warnings: what of them fails is said, and never stops a plan."""

from collections.abc import Callable, Iterable

from berthmaster.concurrently import NotBegun
from berthmaster.telemetry import logger


class Unread:
    """What could not be read, and why; several threads may add to it."""

    def __init__(self, may_begin: Callable[[], bool]) -> None:
        self._may_begin = may_begin
        self._reasons: dict[str, None] = {}

    @property
    def reasons(self) -> tuple[str, ...]:
        """One sentence each, sorted."""
        return tuple(sorted(self._reasons))

    def read[Item](self, what: str, items: Iterable[Item]) -> tuple[Item, ...]:
        """The items that come before an error, and while there is time.

        items: read from AWS as they are asked for, in pages. what: for people, as in "security groups".
        """
        found: list[Item] = []
        rest = iter(items)
        try:
            while self._may_begin():
                found.append(next(rest))
        except StopIteration:
            return tuple(found)
        except Exception as error:  # noqa: BLE001 - whatever it is, a warning is all that is lost
            self.add(what, error)
        else:
            self.add(what, NotBegun("no time left in this invocation"))
        return tuple(found)

    def add(self, what: str, error: Exception) -> None:
        """Keep why something could not be read."""
        logger.warning("not read", what=what, error=repr(error))
        self._reasons[f"{what}: {error}"] = None
