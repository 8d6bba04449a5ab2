"""The topology as EC2 describes it now: all of it, or what events name.

Calls for 20,000 interfaces and 2,500 groups of 20 rules: 20 + 3 + 50, and a few more; see benchmarks/topology.py.
"""

from collections.abc import Collection, Iterable, Mapping
from itertools import batched
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from berthmaster.concurrently import Together
from berthmaster.errors import is_denied
from berthmaster.security_groups.model.observations import Kind, Observation, Subject
from berthmaster.security_groups.model.rules import PrefixList, PrefixListReference, Rule
from berthmaster.security_groups.observe.ec2_shapes import (
    FlowLogShape,
    NetworkInterface,
    PrefixListEntry,
    SecurityGroup,
    SecurityGroupRule,
    VpcShape,
    described,
    entries_of,
    flow_log_of,
    group_of,
    interface_of,
    rule_of,
    vpc_of,
)
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import FilterTypeDef

    from berthmaster.clock import Clock

PAGE = 1_000
"""The most items of a page that EC2 has."""
LIST_PAGE = 100
FILTER_VALUES = 200
"""The most values of a filter."""
AT_ONCE = 4
"""Threads that read; each pages through one kind of item, so that there are at most so many calls at a time."""
_HIDDEN_TOO = "IncludeManagedResources"

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
                reads.begin(self._interfaces, [_filter("network-interface-id", some)]) for some in _some(interfaces)
            ]
            found += [
                reads.begin(self._interfaces, [_filter("attachment.instance-id", some)]) for some in _some(instances)
            ]
            for some in _some(groups):
                found.append(reads.begin(self._groups, [_filter("group-id", some)]))
                found.append(reads.begin(self._rules, [_filter("group-id", some)]))
            if prefix_lists:
                found.append(reads.begin(self._prefix_lists, prefix_lists, {}))
        return Observation(
            kind=Kind.SIGHTING,
            begun=begun,
            ended=self._clock.now().timestamp(),
            seen={key: value for one in found for key, value in one.result().items()},
            whole=frozenset(groups),
        )

    def _interfaces(self, filters: list["FilterTypeDef"]) -> Subjects:
        operation = "DescribeNetworkInterfaces"
        shape = self._ec2.meta.service_model.operation_model(operation).input_shape
        # An account may hide interfaces that AWS services manage, which have groups like all others. SDKs without this
        # parameter are older than that.
        everything: Any = {_HIDDEN_TOO: True} if shape is not None and _HIDDEN_TOO in shape.members else {}
        pages = self._ec2.get_paginator("describe_network_interfaces").paginate(
            Filters=filters, PaginationConfig={"PageSize": PAGE}, **everything
        )
        return {
            one.network_interface_id: interface_of(one)
            for page in pages
            for one in described(NetworkInterface, page["NetworkInterfaces"], f"{operation}.NetworkInterfaces")
        }

    def _rules(self, filters: list["FilterTypeDef"]) -> Subjects:
        pages = self._ec2.get_paginator("describe_security_group_rules").paginate(
            Filters=filters, PaginationConfig={"PageSize": PAGE}
        )
        where = "DescribeSecurityGroupRules.SecurityGroupRules"
        return {
            one.security_group_rule_id: rule_of(one)
            for page in pages
            for one in described(SecurityGroupRule, page["SecurityGroupRules"], where)
        }

    def _groups(self, filters: list["FilterTypeDef"]) -> Subjects:
        pages = self._ec2.get_paginator("describe_security_groups").paginate(
            Filters=filters, PaginationConfig={"PageSize": PAGE}
        )
        return {
            one.group_id: group_of(one)
            for page in pages
            for one in described(SecurityGroup, page["SecurityGroups"], "DescribeSecurityGroups.SecurityGroups")
        }

    def _vpcs(self) -> Subjects:
        pages = self._ec2.get_paginator("describe_vpcs").paginate(PaginationConfig={"PageSize": PAGE})
        return {
            one.vpc_id: vpc_of(one) for page in pages for one in described(VpcShape, page["Vpcs"], "DescribeVpcs.Vpcs")
        }

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
        for some in _some(sorted(ids)):
            pages = self._ec2.get_paginator("describe_managed_prefix_lists").paginate(
                Filters=[_filter("prefix-list-id", some)], PaginationConfig={"PageSize": LIST_PAGE}
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
        """One version of a list; None if its owner does not let it be read, so that its entries are unknown."""
        target: Any = {"TargetVersion": version} if version else {}
        pages = self._ec2.get_paginator("get_managed_prefix_list_entries").paginate(
            PrefixListId=list_id, PaginationConfig={"PageSize": LIST_PAGE}, **target
        )
        try:
            items = [item for page in pages for item in page.get("Entries", [])]
        except ClientError as error:
            if not is_denied(error):
                raise
            logger.warning("entries of a prefix list not read", prefix_list=list_id, error=str(error))
            return None
        shapes = described(PrefixListEntry, items, f"GetManagedPrefixListEntries({list_id}).Entries")
        return PrefixList(id=list_id, name=name, version=version, entries=entries_of(shapes))


def prefix_lists_of(subjects: Iterable[Subject]) -> set[str]:
    """The ids of the prefix lists that rules name."""
    peers = (one.peer for one in subjects if isinstance(one, Rule))
    return {peer.prefix_list for peer in peers if isinstance(peer, PrefixListReference)}


def _some(values: Collection[str]) -> Iterable[list[str]]:
    return map(list, batched(sorted(values), FILTER_VALUES, strict=False))


def _filter(name: str, values: Iterable[str]) -> "FilterTypeDef":
    return {"Name": name, "Values": list(values)}
