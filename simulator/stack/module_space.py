"""Separate module state for each container: its packages are in `sys.modules` only while it runs."""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

type Modules = dict[str, ModuleType]

SHARED = re.compile(
    r"aws_lambda_powertools\.utilities\.data_classes\b|berthmaster\.(\w+\.(model|plan)\b|(arn|interface_services|modes)$)"
)
"""Modules that all containers share, since they hold no state; to run them anew takes half the time of a cold start."""


class ModuleSpace:
    """Swaps the modules of some packages in and out of `sys.modules`."""

    def __init__(self) -> None:
        self._size = 0
        self._hidden: list[str] = []

    @contextmanager
    def installed(self, modules: Modules, packages: tuple[str, ...]) -> Iterator[None]:
        """Have these modules, and no others of the packages, in `sys.modules`; what is imported now joins them."""
        # To look through thousands of names at each invocation takes longer than most invocations.
        hidden = self._pop(self._hidden) if len(sys.modules) == self._size else _take_out(packages)
        sys.modules.update(modules)
        size = len(sys.modules)
        try:
            yield
        finally:
            if len(sys.modules) == size:
                self._pop(list(modules))
            else:
                modules.update(_take_out(packages))
            sys.modules.update(hidden)
            self._size, self._hidden = len(sys.modules), list(hidden)

    @staticmethod
    def _pop(names: list[str]) -> Modules:
        return {name: module for name in names if (module := sys.modules.pop(name, None))}


def _take_out(packages: tuple[str, ...]) -> Modules:
    names = [name for name in sys.modules if name.startswith(packages) and name.partition(".")[0] in packages]
    return {name: sys.modules.pop(name) for name in names if not SHARED.match(name)}
