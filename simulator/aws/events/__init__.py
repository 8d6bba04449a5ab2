"""EventBridge: buses, rules and event patterns."""
