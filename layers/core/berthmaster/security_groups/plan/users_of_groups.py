"""Topology → each group with who uses it."""

from collections import Counter, defaultdict

from berthmaster.security_groups.model.documentation import DocumentedGroup, User
from berthmaster.security_groups.model.topology import Topology
from berthmaster.security_groups.plan.users import user_of


def documented_groups(topology: Topology, at: float) -> tuple[DocumentedGroup, ...]:
    """All groups that there are, with their users at a time, seconds since the epoch, in order of id.

    Users that a group had before, if it has none then, are given with 0 interfaces.
    """
    now: dict[str, Counter[User]] = defaultdict(Counter)
    before: dict[str, set[User]] = defaultdict(set)
    for spans in topology.interfaces.values():
        latest = max(spans, key=lambda span: span.until)
        user = user_of(latest.value)
        for group in latest.value.groups:
            if latest.until >= at:
                now[group][user] += 1
            else:
                before[group].add(user)
    return tuple(
        DocumentedGroup(
            group=group,
            users=tuple(sorted(now[id_].items(), key=lambda user: (-user[1], user[0])))
            or tuple((user, 0) for user in sorted(before[id_])),
            interfaces=now[id_].total(),
        )
        for id_, group in sorted(topology.groups.items())
        if id_ not in topology.deleted_groups
    )
