"""The nouns of security_groups."""
