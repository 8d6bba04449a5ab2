"""What a security group is at the moment at which it is changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from berthmaster.security_groups.model.rules import Group, Rule
from berthmaster.security_groups.model.tags import MANAGED, TAG


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupState:
    """A group and its rules, by id, read together. group: None if it does not exist any more."""

    group: Group | None
    rules: Mapping[str, Rule] = field(default_factory=dict)

    @property
    def is_managed(self) -> bool:
        """Whether its rules may be changed: IAM allows no other group either."""
        return self.group is not None and (TAG, MANAGED) in self.group.tags
