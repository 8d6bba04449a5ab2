"""The tables as the template makes them, for tests without the deployed template."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

CAPACITY_TABLE = "berthmaster-capacity"
TARGETS_TABLE = "berthmaster-targets"
BATCH_TABLE = "berthmaster-batch"
NO_INDEXES: Mapping[str, str] = MappingProxyType({})


def create_capacity_table(dynamodb: Any) -> str:
    return _create(dynamodb, CAPACITY_TABLE)


def create_targets_table(dynamodb: Any) -> str:
    return _create(dynamodb, TARGETS_TABLE)


def create_batch_table(dynamodb: Any, name: str = BATCH_TABLE) -> str:
    """With its local indexes, which hold keys only."""
    indexes = {"by_place": "place", "by_received": "received"}
    return _create(dynamodb, name, indexes)


def _create(dynamodb: Any, name: str, indexes: Mapping[str, str] = NO_INDEXES) -> str:
    local = [
        {
            "IndexName": index,
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": key, "KeyType": "RANGE"}],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
        for index, key in indexes.items()
    ]
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk", *indexes.values())],
        **({"LocalSecondaryIndexes": local} if local else {}),
    )
    return name
