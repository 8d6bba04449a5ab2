"""What Berthmaster is compared with: the Lambda that samples on the web use to register tasks."""
