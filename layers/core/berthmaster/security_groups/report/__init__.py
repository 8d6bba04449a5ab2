"""What security_groups says: evidence, pages, notices, metrics."""
