"""Condition and update expressions are parsed once; moto parses them anew, and more than once, for each call.

An expression with the same names is the same tree, whatever its values are.
"""

from __future__ import annotations

import functools
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import moto.dynamodb.comparisons
import moto.dynamodb.models
import moto.dynamodb.responses
from moto.dynamodb.comparisons import AttributeValue, ConditionExpressionParser, OpDefault
from moto.dynamodb.parsing.ast_nodes import DepthFirstTraverser  # type: ignore[attr-defined]
from moto.dynamodb.parsing.expressions import UpdateExpressionParser  # type: ignore[attr-defined]

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS = 1024
"""Expressions that are kept; an application has some dozens."""

_kinds_of_nodes = DepthFirstTraverser.nodes_to_be_processed
# Those who change a tree copy it before.
_make = functools.lru_cache(maxsize=KINDS)(UpdateExpressionParser.make)


class _Tree(ConditionExpressionParser):
    """Parses to the tree itself, without values."""

    def _lookup_expression_attribute_value(self, name: str) -> dict[str, str]:  # noqa: ARG002 - as moto calls it
        return {}

    def _make_op_condition(self, node: Any) -> Any:
        return node


@functools.lru_cache(maxsize=KINDS)
def _tree(expression: str, names: tuple[tuple[str, str], ...] | None) -> tuple[Any, list[str], list[str]]:
    parser = _Tree(expression, None if names is None else dict(names), None)
    return parser.parse(), parser.expr_attr_names_found, parser.expr_attr_values_found


class ParsedOnce(ConditionExpressionParser):
    """Moto's parser; the tree of an expression that was seen before is kept."""

    def parse(self) -> Any:
        """As moto does."""
        if not self.condition_expression:
            return OpDefault(None, None)  # type: ignore[arg-type]
        names = self.expression_attribute_names
        node, found_names, found_values = _tree(
            self.condition_expression, None if names is None else tuple(sorted(names.items()))
        )
        self.expr_attr_names_found.extend(found_names)
        self.expr_attr_values_found.extend(found_values)
        return self._make_op_condition(node)

    def _make_operand(self, node: Any) -> Any:
        if node.kind == self.Kind.EXPRESSION_ATTRIBUTE_VALUE:
            return AttributeValue(self._lookup_expression_attribute_value(node.text))
        return super()._make_operand(node)


def _kinds(traverser: Any) -> tuple[type, ...]:
    # Asked for at each node.
    found = traverser.__dict__.get("kinds")
    if found is None:
        found = traverser.kinds = _kinds_of_nodes(traverser)
    return found  # type: ignore[no-any-return]


@contextmanager
def parsed_once() -> Iterator[None]:
    """Let moto parse each expression once."""
    with ExitStack() as stack:
        for module in (moto.dynamodb.comparisons, moto.dynamodb.models, moto.dynamodb.responses):
            stack.enter_context(patch.object(module, "create_condition_expression_parser", ParsedOnce))
        stack.enter_context(patch.object(UpdateExpressionParser, "make", _make))
        stack.enter_context(patch.object(DepthFirstTraverser, "nodes_to_be_processed", _kinds))
        yield
