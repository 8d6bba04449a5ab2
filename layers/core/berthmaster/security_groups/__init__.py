"""Security groups: which rules are used, proved from flow logs, and what nobody uses, covers or reaches."""
