"""What batch remembers, in its DynamoDB table."""
