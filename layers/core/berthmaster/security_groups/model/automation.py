"""The automation's name, as requests, ids and the switch have it."""

AUTOMATION = "security_groups"
