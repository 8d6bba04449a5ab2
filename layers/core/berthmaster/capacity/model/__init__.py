"""The nouns of capacity: what a VPC has, what it needs, and what is planned for it.

Frozen values; their properties follow from their own fields. Addresses are IPv4 addresses, prefixes are the /28 blocks
that EC2 prefix delegation assigns, times are UTC.
"""
