"""Where Berthmaster is deployed, as commands have it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """bus: to which requests are sent."""

    bus: str
    region: str
