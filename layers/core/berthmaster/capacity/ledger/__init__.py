"""What capacity stores in its DynamoDB table: expansions and the history of use."""
