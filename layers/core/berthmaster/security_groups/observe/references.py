"""Everything that names security groups without an interface, as far as it can be read.

What cannot be read, because a permission is lacking or there is no time, is named: then nothing certain is said of any
group.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial

from botocore.exceptions import ClientError

from berthmaster.clients import Clients
from berthmaster.concurrently import NotBegun, concurrently
from berthmaster.errors import code_of
from berthmaster.security_groups.model.references import References
from berthmaster.security_groups.observe.launch_templates import Named
from berthmaster.security_groups.observe.referrers import REFERRERS, rules_of_other_vpcs
from berthmaster.telemetry import logger

AT_ONCE = 6
"""Kinds of resources that are read at a time; each pages through its own API."""

type Referrer = Callable[[Clients], Iterator[Named]]


def read_references(
    clients: Clients,
    groups: Collection[str],
    may_go_on: Callable[[], bool],
    referrers: Mapping[str, Referrer] = REFERRERS,
) -> References:
    """Read all that may name groups, several kinds at a time.

    groups: ids of those without an interface. may_go_on: asked for each resource; a kind that is not read to its end
    is unread.
    """
    peers: Referrer = partial(rules_of_other_vpcs, groups=sorted(groups))
    kinds = {**referrers, "rules of other VPCs": peers}

    def read(kind: str) -> list[Named]:
        found = []
        for one in kinds[kind](clients):
            if not may_go_on():
                raise NotBegun(f"no time left to read {kind}")
            found.append(one)
        return found

    outcomes = concurrently(read, kinds, at_once=AT_ONCE, may_begin=may_go_on)
    by_group: dict[str, list[str]] = {}
    for outcome in outcomes:
        if outcome.error:
            logger.warning("references of security groups not read", kind=outcome.item, error=repr(outcome.error))
        for who, named in outcome.value or ():
            for group in filter(None, dict.fromkeys(named)):
                by_group.setdefault(group, []).append(who)
    return References(
        by_group={group: tuple(sorted(set(who))) for group, who in sorted(by_group.items())},
        looked_at=tuple(one.item for one in outcomes if not one.error),
        unread=tuple((one.item, reason(one.error)) for one in outcomes if one.error),
    )


def reason(error: Exception) -> str:
    """Why something was not read, for people."""
    if isinstance(error, NotBegun):
        return "there was no time left"
    return code_of(error) if isinstance(error, ClientError) else type(error).__name__
