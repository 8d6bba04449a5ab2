"""What security_groups remembers, in its bucket and its table."""
