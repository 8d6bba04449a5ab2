"""Which groups are managed, and which rules people want to keep whatever is said of them."""

import re
from collections.abc import Iterable
from datetime import date

from berthmaster.security_groups.model.rules import Group, Rule
from berthmaster.security_groups.model.tags import KEEP, MANAGED, TAG

_UNTIL = re.compile(r"\buntil[ =](\d{4}-\d\d-\d\d)\b")


def is_managed(group: Group | None) -> bool:
    """Whether people are to be notified of a group's rules."""
    return group is not None and (TAG, MANAGED) in group.tags


def kept(tags: Iterable[tuple[str, str]], today: date) -> str:
    """Why something is to be kept, as its tag says; empty if it has none, or one that names a day that is over.

    Such as `nightly export, until 2027-03-31`. A day that does not exist is no end.
    """
    why = dict(tags).get(KEEP)
    if why is None:
        return ""
    if until := _UNTIL.search(why):
        try:
            if date.fromisoformat(until[1]) < today:
                return ""
        except ValueError:
            pass
    return why or "no reason is given"


def is_kept(rule: Rule, group: Group | None, today: date) -> bool:
    """Whether a rule, or all of its group, is to be kept."""
    return bool(why_kept(rule, group, today))


def why_kept(rule: Rule | None, group: Group | None, today: date) -> str:
    """Why a rule, or all of its group, is to be kept; empty if neither is."""
    return kept(rule.tags if rule else (), today) or kept(group.tags if group else (), today)
