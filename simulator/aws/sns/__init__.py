"""SNS: topics and what was published to them."""
