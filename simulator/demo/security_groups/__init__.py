"""The scene of security_groups: two months of a shop whose unused rules are removed."""
