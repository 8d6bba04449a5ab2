"""Attributes of target groups, as records of the ledger: AWS returns those of one group a call.

pk attributes   sk <ARN of the target group>
"""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import batched
from typing import TYPE_CHECKING, Any

import msgspec

from berthmaster import items
from berthmaster.items import NewerSchema
from berthmaster.targets.model import GroupAttributes
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PARTITION = "attributes"
KEPT_FOR = timedelta(days=1)
_KEYS_PER_READ = 100


class AttributeLedger:
    """What was read last of the groups of one account and Region. Whoever writes last has read last, or nearly so."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def all(self) -> dict[str, GroupAttributes]:
        """Those of all groups, by ARN."""
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": PARTITION}},
        )
        return dict(_decoded(item for page in pages for item in page["Items"]))

    def of(self, arns: Iterable[str]) -> dict[str, GroupAttributes]:
        """Those of some groups; what DynamoDB leaves unprocessed is missing, as what it does not have."""
        found: dict[str, GroupAttributes] = {}
        for batch in batched(sorted(set(arns)), _KEYS_PER_READ, strict=False):
            answer = self._dynamodb.batch_get_item(RequestItems={self._table: {"Keys": [_key(arn) for arn in batch]}})
            found |= _decoded(answer["Responses"].get(self._table, ()))
        return found

    def save(self, arn: str, attributes: GroupAttributes) -> None:
        """Keep those of one group."""
        expires = {"N": str(int((attributes.read_at + KEPT_FOR).timestamp()))}
        self._dynamodb.put_item(
            TableName=self._table, Item={**_key(arn), **items.encoded(attributes), "expires": expires}
        )


def _key(arn: str) -> dict[str, Any]:
    return {"pk": {"S": PARTITION}, "sk": {"S": arn}}


def _decoded(found: Iterable[Any]) -> Iterator[tuple[str, GroupAttributes]]:
    """What cannot be read is read from AWS again."""
    for item in found:
        try:
            yield item["sk"]["S"], items.decoded(item, GroupAttributes)
        except (NewerSchema, msgspec.DecodeError) as error:
            logger.warning("attributes not decoded", destination=item["sk"]["S"], error=repr(error))
