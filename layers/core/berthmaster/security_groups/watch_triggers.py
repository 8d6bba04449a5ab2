"""The messages of security_groups_watch: objects that flow logs deliver. InvalidEvent names a wrong field."""

from berthmaster import envelope
from berthmaster.envelope import Parsers
from berthmaster.security_groups.triggers import Delivered, created

PARSERS: Parsers[Delivered] = {("aws.s3", "Object Created"): created}
"""Not the command by which files of the past are credited: what was rejected then was rejected by others."""


def delivered(body: str) -> Delivered:
    """Read one event as it comes from the queue."""
    return envelope.parse(body, PARSERS)
