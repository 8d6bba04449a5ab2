"""The flow logs of the account, as DescribeFlowLogs has them."""

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from berthmaster.expiring import Expiring
from berthmaster.security_groups.model.topology import FlowLog
from berthmaster.security_groups.observe.ec2_shapes import FlowLogShape, described, flow_log_of

if TYPE_CHECKING:
    from berthmaster.clients import Clients
    from berthmaster.clock import Clock

LIFETIME = timedelta(minutes=5)
ALL = "all"


class FlowLogs:
    """Reads them when they are needed, and keeps them for some minutes."""

    def __init__(self, clients: "Clients", clock: "Clock") -> None:
        self._clients = clients
        self._clock = clock
        self._known = Expiring[Mapping[str, FlowLog]]()
        self._absent = Expiring[bool]()

    def by_id(self, needed: str) -> Mapping[str, FlowLog]:
        """All flow logs; if `needed` is not among those that are kept, it may be new: they are read again, once."""
        now = self._clock.now()
        known = self._known.get(ALL, now)
        if known is None or (needed not in known and not self._absent.get(needed, now)):
            known = self._known.put(ALL, self._read(), now, LIFETIME)
            if needed not in known:
                self._absent.put(needed, True, now, LIFETIME)  # noqa: FBT003 - that it was not there
        return known

    def _read(self) -> dict[str, FlowLog]:
        pages = self._clients.ec2.get_paginator("describe_flow_logs").paginate()
        items = [cast("Any", item) for page in pages for item in page["FlowLogs"]]
        return {one.id: one for one in map(flow_log_of, described(FlowLogShape, items, "DescribeFlowLogs"))}
