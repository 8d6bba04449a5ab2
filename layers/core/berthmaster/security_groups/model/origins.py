"""Who made a group or a rule, as CloudTrail has it."""

from dataclasses import dataclass
from datetime import datetime

from berthmaster.security_groups.model.removals import Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedOrigin:
    """The call that made a group or a rule. id: of the rule or the group. caller: the ARN of the role or user."""

    id: str
    origin: Origin
    at: datetime
    caller: str = ""
    agent: str = ""
    version: int = 0

    @property
    def sort_key(self) -> str:
        """Of its item."""
        return self.id
