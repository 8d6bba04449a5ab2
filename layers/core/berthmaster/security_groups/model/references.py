"""What names a security group without having an interface now, and what rules name that is gone."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from berthmaster.security_groups.model.rules import Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """What would need a group if it ran: launch templates, functions, services with no tasks.

    by_group: by the group's id, or its name where that is all that is given; each named as a person knows it.
    looked_at: kinds of resources that were read. unread: those that could not be read, and why.
    """

    by_group: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    looked_at: tuple[str, ...] = ()
    unread: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stale:
    """What rules name although it is gone, as EC2 says.

    references: a group, the direction of its rules, and the group that they name. prefix_lists: that are not there, or
    not shared with this account any more. unread: what could not be asked for, and why.
    """

    references: frozenset[tuple[str, Direction, str]] = frozenset()
    prefix_lists: frozenset[str] = frozenset()
    unread: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What is beside groups and their interfaces: what names groups, and what rules name."""

    references: References = field(default_factory=References)
    stale: Stale = field(default_factory=Stale)
