"""What containers share holds no state, and knows nothing that each of them has for itself."""

import ast
import logging
from collections.abc import Iterator
from pathlib import Path

import botocore
import pytest

from simulator.cloud import Cloud
from simulator.stack.deployment import Deployment
from simulator.stack.module_space import SHARED

LAYER = Path(__file__).parents[3] / "layers" / "core"
CHANGES = {"add", "append", "clear", "discard", "extend", "insert", "pop", "popitem", "remove", "setdefault", "update"}


def modules() -> Iterator[tuple[str, ast.Module]]:
    """The product's modules that are shared."""
    for path in sorted(LAYER.glob("berthmaster/**/*.py")):
        name = ".".join(path.relative_to(LAYER).with_suffix("").parts).removesuffix(".__init__")
        if SHARED.match(name):
            yield name, ast.parse(path.read_text())


def imported(module: ast.Module) -> Iterator[str]:
    """The product's modules that a module imports."""
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom):
            # What is imported from a package is a module of it.
            names = [f"{node.module}.{one.name}" for one in node.names]
            yield from names if (LAYER / str(node.module).replace(".", "/")).is_dir() else [str(node.module)]
        elif isinstance(node, ast.Import):
            yield from (one.name for one in node.names)


def state(module: ast.Module) -> Iterator[str]:
    """What a module could remember from one call to the next; a cache of a pure function gives nothing away."""
    targets = [one for node in module.body if isinstance(node, ast.Assign | ast.AnnAssign) for one in ast.walk(node)]
    held = {one.id for one in targets if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
    for node in ast.walk(module):
        match node:
            case ast.Global(names=names):
                yield f"global {names}"
            case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()) if name in held:
                yield f"{name}[…]"
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attr)) if name in held and attr in CHANGES:
                yield f"{name}.{attr}"


def test_they_import_nothing_that_is_not_shared() -> None:
    found = dict(modules())
    assert len(found) > 100
    for name, module in found.items():
        own = [one for one in imported(module) if one.startswith("berthmaster")]
        assert (name, [one for one in own if not SHARED.match(one)]) == (name, [])


def test_they_remember_nothing() -> None:
    for name, module in modules():
        assert (name, list(state(module))) == (name, [])


@pytest.mark.parametrize(
    "code",
    [
        "SEEN = {}\ndef f(x): SEEN[x] = 1",
        "SEEN: set[int] = set()\ndef f(x): SEEN.add(x)",
        "N = 0\ndef f():\n    global N\n    N += 1",
    ],
)
def test_what_remembers_is_recognized(code: str) -> None:
    assert list(state(ast.parse(code)))


def test_cold_starts_leave_nothing_behind_that_slows_down_later_calls(cloud: Cloud) -> None:
    berthmaster = Deployment(cloud)

    def left() -> list[int]:
        berthmaster.runtime.kill_containers()
        berthmaster.invoke("BatchDispatchFunction", {"Records": []})
        filters = sum(len(handler.filters) for handler in logging.root.handlers)
        return [len(botocore._INITIALIZERS), len(logging.getLogger("aws_lambda_powertools").handlers), filters]

    once = left()
    assert [left(), left()] == [once, once]
    assert berthmaster.runtime.cold_starts == 3
