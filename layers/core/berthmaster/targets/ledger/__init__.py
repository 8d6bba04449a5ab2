"""What targets remembers, in its DynamoDB table."""
