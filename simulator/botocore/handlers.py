"""Event handlers of botocore, which each session registers anew and each client copies: they share what is the same.

A trie of handlers that is copied shares its nodes with the copy; whoever changes one of them has a node of its own
before.
"""

from __future__ import annotations

import copy
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import botocore.session
from botocore.handlers import BUILTIN_HANDLERS
from botocore.hooks import NodeList, _PrefixTrie  # type: ignore[attr-defined]

if TYPE_CHECKING:
    from collections.abc import Iterator

type Node = dict[str, Any]

_register = botocore.session.Session._register_builtin_handlers  # type: ignore[attr-defined]
_registered: dict[tuple[Any, ...], Any] = {}


def _own(trie: Any, node: Node) -> Node:
    """A node of this trie that no other has: this one, or a copy."""
    owner = trie.__dict__.setdefault("owner", object())
    if node.get("owner") is owner:
        return node
    values = node["values"]
    return {
        "chunk": node["chunk"],
        "children": dict(node["children"]),
        "values": None if values is None else NodeList(*map(list, values)),
        "owner": owner,
    }


def _own_child(trie: Any, node: Node, part: str) -> Node:
    child = node["children"].get(part) or {"chunk": part, "children": {}, "values": None}
    node["children"][part] = owned = _own(trie, child)
    return owned


def _append_item(trie: Any, key: str, value: Any, section: int = 1) -> None:
    node = trie._root = _own(trie, trie._root)
    for part in key.split("."):
        node = _own_child(trie, node, part)
    if node["values"] is None:
        node["values"] = NodeList([], [], [])
    node["values"][section].append(value)


def _remove_item(trie: Any, key: str, value: Any) -> None:
    node = trie._root = _own(trie, trie._root)
    for part in key.split("."):
        if part not in node["children"]:
            break
        node = _own_child(trie, node, part)
    _remove(trie, key, value)


def _copy(trie: Any) -> Any:
    copied = _PrefixTrie()
    copied._root = trie._root
    # Neither may change the nodes any more.
    trie.owner = object()
    return copied


_remove = _PrefixTrie.remove_item


def _register_builtin_handlers(session: Any, events: Any) -> None:
    key = tuple(BUILTIN_HANDLERS)
    if key not in _registered:
        _register(session, events)
        _registered[key] = copy.copy(events._emitter)
    else:
        events._emitter.__dict__.update(copy.copy(_registered[key]).__dict__)


@contextmanager
def shared_handlers() -> Iterator[None]:
    """Let sessions and clients share handlers."""
    with ExitStack() as stack:
        for owner, name, substitute in (
            (_PrefixTrie, "append_item", _append_item),
            (_PrefixTrie, "remove_item", _remove_item),
            (_PrefixTrie, "__copy__", _copy),
            (botocore.session.Session, "_register_builtin_handlers", _register_builtin_handlers),
        ):
            stack.enter_context(patch.object(owner, name, substitute))
        yield
