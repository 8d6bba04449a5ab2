"""How far an automation may go on its own."""

from enum import StrEnum


class Mode(StrEnum):
    """A template parameter per automation."""

    OFF = "off"
    """Do nothing; answer requests with a refusal."""
    OBSERVE = "observe"
    """Report what would be done."""
    APPROVE = "approve"
    """Store the plan, notify, act when an operator approves."""
    ENFORCE = "enforce"
    """Act at once."""
