"""Amazon Resource Names, taken apart: `arn:partition:service:region:account:resource`."""

from dataclasses import dataclass
from typing import Self

_PARTS = 6


@dataclass(frozen=True, slots=True)
class Arn:
    """The parts of an ARN. Region and account are empty for global resources, such as roles and hosted zones.

    >>> Arn.parse("arn:aws:ecs:eu-central-1:123456789012:task/web/0a1b").path
    ('task', 'web', '0a1b')
    """

    partition: str
    service: str
    region: str
    account: str
    resource: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read one; ValueError if it is none."""
        parts = text.split(":", _PARTS - 1)
        if len(parts) != _PARTS or parts[0] != "arn":
            raise ValueError(f"{text[:100]!r} is not an ARN")
        return cls(*parts[1:])

    def __str__(self) -> str:
        """The ARN itself."""
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account}:{self.resource}"

    @property
    def path(self) -> tuple[str, ...]:
        """The resource's parts: `("service", "web", "shop")`."""
        return tuple(self.resource.split("/"))

    @property
    def name(self) -> str:
        """The last part of the resource."""
        return self.path[-1]
