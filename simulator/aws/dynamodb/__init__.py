"""DynamoDB: items, queries, transactions, time to live."""
