"""Objects that events name in buckets of flow logs: which of them are read at all."""

from collections.abc import Mapping
from datetime import UTC, datetime

from berthmaster.arn import Arn
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.security_groups.ledger.topology_store import TopologyStore
from berthmaster.security_groups.model.findings import Finding
from berthmaster.security_groups.model.topology import FlowLog
from berthmaster.security_groups.observe.flow_logs import FlowLogs
from berthmaster.security_groups.plan.completeness import SLOT
from berthmaster.security_groups.plan.log_objects import LogObject, disbelief, log_object
from berthmaster.security_groups.triggers import Delivered

BEFORE = 3600
"""Seconds before its five minutes for which the topology is read: records of long intervals, delivered late."""


class DeliveredObjects:
    """Whoever may write to a bucket may name an object as a flow log does: only what a flow log delivers is believed.

    place: an ARN of the stack, for its account and Region. topology: knows flow logs that are gone.
    """

    def __init__(self, clients: Clients, clock: Clock, topology: TopologyStore, place: Arn) -> None:
        self._place = place
        self._topology = topology
        self._logs = FlowLogs(clients, clock)

    def believed(self, given: Delivered) -> LogObject | Finding:
        """The object, if it is what its key says; else what is wrong with it."""
        found = log_object(given.bucket, given.key, given.etag, given.size)
        if found is None:
            text = "it holds objects that are no files of VPC flow logs; nothing is read of them"
            return Finding(given.bucket, "other objects", text)
        if (found.account, found.region) != (self._place.account, self._place.region):
            text = f"it holds flow logs of account {found.account} in {found.region}, which a stack there has to read"
            return Finding(given.bucket, "other account", text)
        if reason := disbelief(found, self.logs_of(found)):
            text = f"{reason}: files in {found.bucket} that bear its name are not read"
            return Finding(found.log, "not believed", text)
        return found

    def logs_of(self, found: LogObject) -> Mapping[str, FlowLog]:
        """The flow logs of now, and those that were there when the object's records were made: its log may be gone."""
        known = self._logs.by_id(found.log)
        if found.log in known:
            return known
        return self._topology.load(_at(found.time - BEFORE), _at(found.time + 2 * SLOT)).flow_logs or {}


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
