"""A directory with outputs of the AWS CLI → the topology, which is taken to have been like that always.

network-interfaces.json        aws ec2 describe-network-interfaces
security-groups.json           aws ec2 describe-security-groups
security-group-rules.json      aws ec2 describe-security-group-rules
prefix-lists/<pl-id>.json      aws ec2 get-managed-prefix-list-entries --prefix-list-id <pl-id>    (optional)
flow-logs.json                 aws ec2 describe-flow-logs                                          (optional)
vpcs.json                      aws ec2 describe-vpcs                                               (optional)
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from berthmaster.errors import InvalidInput
from berthmaster.security_groups.model.evidence import Gap
from berthmaster.security_groups.model.rules import Group, PrefixList, Rule
from berthmaster.security_groups.model.topology import Span, Topology
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

INTERFACES, GROUPS, RULES = "network-interfaces.json", "security-groups.json", "security-group-rules.json"
FLOW_LOGS, VPCS, PREFIX_LISTS = "flow-logs.json", "vpcs.json", "prefix-lists"


def read_topology(directory: Path) -> tuple[Topology, tuple[Gap, ...]]:
    """The topology, and what these files lack of each other; InvalidInput names the file and the field."""
    if not directory.is_dir():
        raise InvalidInput(str(directory), "is no directory")
    interfaces = _read(directory / INTERFACES, "NetworkInterfaces", NetworkInterface, interface_of)
    shapes = _read(directory / GROUPS, "SecurityGroups", SecurityGroup, lambda one: one)
    rules = _read(directory / RULES, "SecurityGroupRules", SecurityGroupRule, rule_of)
    vpcs = _read(directory / VPCS, "Vpcs", VpcShape, vpc_of) if (directory / VPCS).exists() else []
    flow_logs = None
    if (directory / FLOW_LOGS).exists():
        flow_logs = {one.id: one for one in _read(directory / FLOW_LOGS, "FlowLogs", FlowLogShape, flow_log_of)}
    lists = [_prefix_list(path) for path in sorted((directory / PREFIX_LISTS).glob("*.json"))]
    groups = {one.group_id: group_of(one) for one in shapes}
    gaps = (*_without_rules(shapes, rules), *_without_group(groups, rules))
    topology = Topology(
        interfaces={one.id: (Span(one),) for one in interfaces},
        rules={one.id: (Span(one),) for one in rules},
        prefix_lists={one.id: (Span(one),) for one in lists},
        groups={rule.group: Group(id=rule.group) for rule in rules} | groups,
        vpcs={one.id: one for one in vpcs},
        flow_logs=flow_logs,
    )
    return topology, gaps


def _read[Shape, Noun](path: Path, key: str, kind: type[Shape], noun_of: Callable[[Shape], Noun]) -> list[Noun]:
    """The items of one file."""
    try:
        # Of bytes, json finds the encoding by itself: PowerShell writes UTF-16.
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise InvalidInput(str(path), "is missing") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidInput(str(path), f"cannot be read as JSON: {error}") from None
    if not isinstance(content, dict) or key not in content:
        raise InvalidInput(str(path), f"has no {key}: it must be the whole output of the AWS CLI")
    with _naming(path):
        return [noun_of(one) for one in described(kind, content[key], key)]


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except InvalidInput as error:
        raise InvalidInput(f"{path}: {error.field}", error.problem) from None


def _prefix_list(path: Path) -> PrefixList:
    entries = _read(path, "Entries", PrefixListEntry, lambda one: one)
    return PrefixList(id=path.stem, entries=entries_of(entries))


def _without_rules(shapes: Iterable[SecurityGroup], rules: Iterable[Rule]) -> Iterator[Gap]:
    """Rules that only one of the files shows have no id, so nothing can be said of them."""
    count = Counter(rule.group for rule in rules)
    lacking = tuple(sorted(one.group_id for one in shapes if one.rules > count[one.group_id]))
    if lacking:
        yield Gap(
            what=f"{RULES} lacks rules that {GROUPS} shows",
            why="nothing is said of rules without an id, and what only they allowed counts for no rule",
            groups=lacking,
        )


def _without_group(groups: dict[str, Group], rules: Iterable[Rule]) -> Iterator[Gap]:
    unknown = tuple(sorted({rule.group for rule in rules} - set(groups)))
    if unknown:
        yield Gap(
            what=f"{GROUPS} lacks groups whose rules {RULES} shows",
            why="their VPC is not known",
            groups=unknown,
        )
