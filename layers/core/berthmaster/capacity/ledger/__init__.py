"""What capacity remembers, in its DynamoDB table."""
