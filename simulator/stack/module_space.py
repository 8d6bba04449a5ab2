"""Separate module state for each container: its packages are in `sys.modules` only while it runs."""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SHARED = re.compile(
    r"aws_lambda_powertools\.(exceptions|shared|warnings|utilities\.(data_classes|jmespath_utils))\b"
    r"|aws_lambda_powertools\.metrics\.(exceptions|functions|provider\.cloudwatch_emf\.(exceptions|metric_properties))$"
    r"|berthmaster\.(\w+\.(model|plan)\b|(arn|clock|envelope|errors|expiring|interface_services|modes|proposals)$)"
    r"|berthmaster\.(network_codec|batch\.(documents|triggers)|capacity\.aws_events)$"
)
"""Modules that all containers share, since they hold no state; to run them anew takes half the time of a cold start."""


class Modules(dict[str, ModuleType]):
    """Modules by name. others: those whose place they took last, and which names are only theirs, and only here."""

    others: tuple[Modules, list[str], list[str]] | None = None

    def apart_from(self, others: Modules) -> tuple[list[str], list[str]]:
        """The names that only others have, and those that only these have."""
        if self.others is None or self.others[0] is not others:
            self.others = others, list(others.keys() - self.keys()), list(self.keys() - others.keys())
        return self.others[1:]

    def update(self, more: Modules) -> None:  # type: ignore[override]
        """Add modules."""
        super().update(more)
        self.others = None


class ModuleSpace:
    """Swaps the modules of some packages in and out of `sys.modules`."""

    def __init__(self) -> None:
        self._size = 0
        self._hidden = Modules()

    @contextmanager
    def installed(self, modules: Modules, packages: tuple[str, ...]) -> Iterator[None]:
        """Have these modules, and no others of the packages, in `sys.modules`; what is imported now joins them."""
        # To look through thousands of names at each invocation takes longer than most invocations.
        if len(sys.modules) != self._size:
            self._hidden = _taken_out(packages)
        hidden = self._hidden
        only_hidden, added = modules.apart_from(hidden)
        _replace(only_hidden, modules)
        size = len(sys.modules)
        try:
            yield
        finally:
            if len(sys.modules) != size:
                modules.update(_taken_out(packages))
                added = []
            _replace(added, hidden)
            self._size = len(sys.modules)


def _replace(names: list[str], modules: Modules) -> None:
    # All others are replaced by the update, which is much faster.
    loaded = sys.modules
    for name in names:
        loaded.pop(name, None)
    loaded.update(modules)


def _taken_out(packages: tuple[str, ...]) -> Modules:
    names = [name for name in sys.modules if name.startswith(packages) and name.partition(".")[0] in packages]
    return Modules({name: sys.modules.pop(name) for name in names if not SHARED.match(name)})
