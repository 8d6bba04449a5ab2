"""What is kept from one simulated cold start to the next: modules run anew, but are not found or compiled anew."""

from __future__ import annotations

import dataclasses
import sys
from contextlib import ExitStack, contextmanager
from importlib.machinery import PathFinder, SourceFileLoader
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from importlib.machinery import ModuleSpec
    from types import CodeType

_read = SourceFileLoader.get_code
_modules: dict[str, CodeType | None] = {}
_methods: dict[str, CodeType] = {}
_specs: dict[tuple[str, ...], ModuleSpec] = {}


class _Finder:
    """Knows where each module of a package was found. Those at the top are looked for: each function has its `app`."""

    @staticmethod
    def find_spec(fullname: str, path: Sequence[str] | None, _: object = None) -> ModuleSpec | None:
        """As `importlib.abc.MetaPathFinder` does."""
        if path is None:
            return None
        key = (fullname, *path)
        if key not in _specs:
            found = PathFinder.find_spec(fullname, path)
            if found is None:
                return None
            _specs[key] = found
        return _specs[key]


def _code_of_module(loader: SourceFileLoader, fullname: str) -> CodeType | None:
    if loader.path not in _modules:
        _modules[loader.path] = _read(loader, fullname)
    return _modules[loader.path]


def _define_methods(source: str, scope: dict[str, Any], names: dict[str, Any]) -> None:
    # A dataclass writes its methods as source text, and compiles it.
    if source not in _methods:
        _methods[source] = compile(source, "<dataclass>", "exec")
    exec(_methods[source], scope, names)  # noqa: S102 - as dataclasses does


@contextmanager
def kept() -> Iterator[None]:
    """Find and compile nothing that was inside before."""
    with ExitStack() as stack:
        sys.meta_path.insert(0, _Finder)
        stack.callback(sys.meta_path.remove, _Finder)
        stack.enter_context(patch.object(SourceFileLoader, "get_code", _code_of_module))
        stack.enter_context(patch.object(dataclasses, "exec", _define_methods, create=True))
        yield
