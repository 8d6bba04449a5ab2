"""Compiled code, kept from one simulated cold start to the next: modules run anew but are not compiled anew."""

from __future__ import annotations

import dataclasses
from contextlib import ExitStack, contextmanager
from importlib.machinery import SourceFileLoader
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

_read = SourceFileLoader.get_code
_modules: dict[str, CodeType | None] = {}
_methods: dict[str, CodeType] = {}


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
    """Compile nothing that was compiled inside before."""
    with ExitStack() as stack:
        stack.enter_context(patch.object(SourceFileLoader, "get_code", _code_of_module))
        stack.enter_context(patch.object(dataclasses, "exec", _define_methods, create=True))
        yield
