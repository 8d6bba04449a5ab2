"""The tags by which people say what security_groups may do."""

TAG = "berthmaster:security-groups"
MANAGED = "managed"
"""The value of TAG on a group whose rules may be changed."""
PLACE = "quarantine"
"""The value of TAG on Berthmaster's own empty groups and prefix lists, to which rules in quarantine point."""
KEEP = "berthmaster:keep"
"""On a group or a rule that stays; its value says why."""
