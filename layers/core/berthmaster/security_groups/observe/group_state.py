"""One group and its rules, as they are now."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from berthmaster.security_groups.model.rules import Group, Rule

if TYPE_CHECKING:
    from berthmaster.security_groups.observe.topology_aws import TopologyReader


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupState:
    """group: None if it is gone. rules: by id."""

    group: Group | None
    rules: Mapping[str, Rule]


def read_group(reader: "TopologyReader", group: str) -> GroupState:
    """Two calls, at the same time."""
    seen = reader.of(groups=[group]).seen
    found = seen.get(group)
    return GroupState(
        group=found if isinstance(found, Group) else None,
        rules={key: one for key, one in seen.items() if isinstance(one, Rule)},
    )
