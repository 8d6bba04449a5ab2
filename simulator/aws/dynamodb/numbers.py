"""Sums of numbers: moto takes one without a decimal point for an integer, and fails at its own `0E-15`.

Source: DynamoDB Developer Guide, data types: up to 38 digits of precision, without zeros at either end.
"""

from __future__ import annotations

from decimal import Context, Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from moto.dynamodb.models.dynamo_type import DynamoType

_CONTEXT = Context(prec=38)


def added(number: DynamoType, other: DynamoType) -> DynamoType:
    """The sum of two numbers of moto's."""
    total = _CONTEXT.add(Decimal(number.value), Decimal(other.value)).normalize(_CONTEXT)
    return type(number)({number.type: f"{total:f}"})
