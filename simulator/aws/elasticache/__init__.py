"""ElastiCache: clusters with their security groups."""
