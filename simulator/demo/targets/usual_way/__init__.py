"""What Berthmaster is compared with: the Lambda that the web offers for registering tasks."""
