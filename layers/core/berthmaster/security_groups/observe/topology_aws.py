"""The topology as EC2 describes it now: all of it, or what events name.

Calls for 20,000 interfaces and 2,500 groups of 20 rules: 20 + 3 + 50, and a few more; see benchmarks/topology.py.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from berthmaster.concurrently import Together
from berthmaster.security_groups.model.observations import Kind, Observation, Subject
from berthmaster.security_groups.model.rules import PrefixList, PrefixListReference, Rule
from berthmaster.security_groups.observe import ec2_reads
from berthmaster.security_groups.observe.ec2_reads import LIST_PAGE, PAGE, Filters, batches_of, filter_by
from berthmaster.security_groups.observe.ec2_shapes import FlowLogShape, described, flow_log_of

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

    from berthmaster.clock import Clock

AT_ONCE = 4
"""Threads that read; each pages through one kind of item, so that there are at most so many calls at a time."""

type Subjects = dict[str, Subject]


class TopologyReader:
    """Reads EC2. Each observation says between which times everything in it was read."""

    def __init__(self, ec2: "EC2Client", clock: "Clock") -> None:
        self._ec2 = ec2
        self._clock = clock

    def everything(self, known: Mapping[str, Subject]) -> Observation:
        """All that there is. known: of the survey before, so that prefix lists are only read if they have changed."""
        begun = self._clock.now().timestamp()
        with Together(at_once=AT_ONCE) as reads:
            interfaces = reads.begin(self._interfaces, [])
            rules = reads.begin(self._rules, [])
            groups = reads.begin(self._groups, [])
            vpcs = reads.begin(self._vpcs)
            flow_logs = reads.begin(self._flow_logs)
        seen: Subjects = interfaces.result() | rules.result() | groups.result() | vpcs.result() | flow_logs.result()
        seen |= self._prefix_lists(prefix_lists_of(rules.result().values()), known)
        return Observation(kind=Kind.SURVEY, begun=begun, ended=self._clock.now().timestamp(), seen=seen)

    def of(
        self,
        *,
        interfaces: Collection[str] = (),
        instances: Collection[str] = (),
        groups: Collection[str] = (),
        prefix_lists: Collection[str] = (),
    ) -> Observation:
        """What events name; all rules of these groups. What is not there is left out: it may not be visible yet."""
        begun = self._clock.now().timestamp()
        with Together(at_once=AT_ONCE) as reads:
            found = [
                reads.begin(self._interfaces, [filter_by("network-interface-id", some)])
                for some in batches_of(interfaces)
            ]
            found += [
                reads.begin(self._interfaces, [filter_by("attachment.instance-id", some)])
                for some in batches_of(instances)
            ]
            for ids in batches_of(groups):
                found.append(reads.begin(self._groups, [filter_by("group-id", ids)]))
                found.append(reads.begin(self._rules, [filter_by("group-id", ids)]))
            if prefix_lists:
                found.append(reads.begin(self._prefix_lists, prefix_lists, {}))
        return Observation(
            kind=Kind.SIGHTING,
            begun=begun,
            ended=self._clock.now().timestamp(),
            seen={key: value for one in found for key, value in one.result().items()},
            whole=frozenset(groups),
        )

    def _interfaces(self, filters: Filters) -> Subjects:
        return dict(ec2_reads.interfaces(self._ec2, filters))

    def _rules(self, filters: Filters) -> Subjects:
        return dict(ec2_reads.rules(self._ec2, filters))

    def _groups(self, filters: Filters) -> Subjects:
        return dict(ec2_reads.groups(self._ec2, filters))

    def _vpcs(self) -> Subjects:
        return dict(ec2_reads.vpcs(self._ec2))

    def _flow_logs(self) -> Subjects:
        pages = self._ec2.get_paginator("describe_flow_logs").paginate(PaginationConfig={"PageSize": PAGE})
        return {
            one.flow_log_id: flow_log_of(one)
            for page in pages
            for one in described(FlowLogShape, page["FlowLogs"], "DescribeFlowLogs.FlowLogs")
        }

    def _prefix_lists(self, ids: Iterable[str], known: Mapping[str, Subject]) -> Subjects:
        """These lists with their entries. Those of AWS have no version, and are read every time."""
        found: Subjects = {}
        for some in batches_of(sorted(ids)):
            pages = self._ec2.get_paginator("describe_managed_prefix_lists").paginate(
                Filters=[filter_by("prefix-list-id", some)], PaginationConfig={"PageSize": LIST_PAGE}
            )
            for item in (item for page in pages for item in page["PrefixLists"]):
                list_id, version = item["PrefixListId"], item.get("Version", 0)
                before = known.get(list_id)
                if isinstance(before, PrefixList) and version and before.version == version:
                    found[list_id] = before
                elif (one := self._entries(list_id, item.get("PrefixListName", ""), version)) is not None:
                    found[list_id] = one
        return found

    def _entries(self, list_id: str, name: str, version: int) -> PrefixList | None:
        """One version of a list; None if its entries are unknown."""
        entries = ec2_reads.entries(self._ec2, list_id, version)
        return None if entries is None else PrefixList(id=list_id, name=name, version=version, entries=entries)


def prefix_lists_of(subjects: Iterable[Subject]) -> set[str]:
    """The ids of the prefix lists that rules name."""
    peers = (one.peer for one in subjects if isinstance(one, Rule))
    return {peer.prefix_list for peer in peers if isinstance(peer, PrefixListReference)}
