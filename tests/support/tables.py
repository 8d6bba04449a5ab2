"""The tables as the template makes them, for tests without the deployed template."""

from typing import Any

CAPACITY_TABLE = "berthmaster-capacity"
TARGETS_TABLE = "berthmaster-targets"


def create_capacity_table(dynamodb: Any) -> str:
    return _create(dynamodb, CAPACITY_TABLE)


def create_targets_table(dynamodb: Any) -> str:
    return _create(dynamodb, TARGETS_TABLE)


def _create(dynamodb: Any, name: str) -> str:
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
    )
    return name
