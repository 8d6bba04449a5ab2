"""The capacity table as the template makes it, for tests without the deployed template."""

from typing import Any

CAPACITY_TABLE = "berthmaster-capacity"


def create_capacity_table(dynamodb: Any) -> str:
    dynamodb.create_table(
        TableName=CAPACITY_TABLE,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
    )
    return CAPACITY_TABLE
