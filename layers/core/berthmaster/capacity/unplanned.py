"""VPCs that are short of addresses, and that capacity_expand has not read: its invocations end before.

Whether they run out of time, are refused something or cannot be started, they cannot report it themselves.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from berthmaster.capacity.ledger.expansions import Expansion
from berthmaster.capacity.model.findings import Finding
from berthmaster.capacity.model.vpc import VpcSnapshot
from berthmaster.lease import Leases

REPORTED_AFTER = timedelta(minutes=20)
"""Four cycles have reported the VPC by then."""
CODE = "not planned"
_TEXT = (
    "it is short of addresses, and for {minutes} minutes or longer capacity_expand could not read it, so that nothing "
    "is planned: the log of capacity_expand and its dead-letter queue say why"
)


class Unplanned:
    """Remembers since when VPCs are short; a new container notices a little later what it has not seen."""

    def __init__(self, leases: Leases) -> None:
        self._leases = leases
        self._since: dict[str, datetime] = {}

    def find(self, short: Iterable[VpcSnapshot], expansions: Iterable[Expansion], now: datetime) -> list[Finding]:
        """A finding for each VPC that is short for a while and was not read since; it has no expansion in progress."""
        snapshots = {snapshot.vpc_id: snapshot for snapshot in short}
        self._since = {vpc_id: self._since.get(vpc_id, now) for vpc_id in snapshots}
        busy = {one.vpc_id for one in expansions if one.state.is_unfinished}
        return [_finding(snapshots[one]) for one in self._unread(now - REPORTED_AFTER, now) if one not in busy]

    def _unread(self, since: datetime, now: datetime) -> Iterator[str]:
        for vpc_id, began in self._since.items():
            if began > since:
                continue
            lease = self._leases.look(vpc_id)
            if lease is None or not (lease.is_in_progress(now) or lease.considered_at >= since):
                yield vpc_id


def _finding(snapshot: VpcSnapshot) -> Finding:
    minutes = REPORTED_AFTER // timedelta(minutes=1)
    return Finding(snapshot.vpc_id, snapshot.tags.get("Name", ""), CODE, _TEXT.format(minutes=minutes))
