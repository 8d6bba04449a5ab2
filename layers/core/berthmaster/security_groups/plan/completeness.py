"""Whether logs can prove that a rule is not used: what they do not cover, and why that matters."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from ipaddress import ip_network
from itertools import pairwise

from berthmaster.security_groups.model.evidence import Gap
from berthmaster.security_groups.model.flows import Coverage
from berthmaster.security_groups.model.rules import ANY, UDP, Direction, GroupReference, PrefixListReference, Rule
from berthmaster.security_groups.model.topology import FlowLog, Interface, Topology

SLOT = 300
"""Seconds in which AWS writes a file of a flow log."""
LONG_AGGREGATION = 600
HOLE = {False: 3, True: 5}
"""Slots without any record that make a hole, by whether records are aggregated over ten minutes."""
MOST_LOST = 0.5
"""Share of a rule's minutes in which records may be lost."""
NAMED = 5
"""Interfaces that a text names."""
NEVER_LOGGED = (ip_network("169.254.0.0/16"), ip_network("fd00:ec2::/32"))
DHCP = ((67, 68), (546, 547))
USEFUL_FIELDS = {
    "tcp-flags": "who opened a TCP connection and whether it was answered is not known: conversations cannot be "
    "distinguished from scans, and both sides' rules count as possibly used",
    "flow-direction": "which side of a record is the interface's own is known from its addresses only",
    "pkt-srcaddr": "traffic of secondary addresses and pods, and through NAT gateways, shows another address",
    "pkt-dstaddr": "traffic of secondary addresses and pods, and through NAT gateways, shows another address",
    "log-status": "whether records were lost (SKIPDATA) is not known",
}


class Completeness:
    """What flow logs cover of a topology, from `since` until `until`, in seconds since the epoch.

    unread: by flow log, the files of which nothing was read, each with the reason; those of "" may be of any log.
    """

    def __init__(
        self,
        topology: Topology,
        coverage: Collection[Coverage],
        since: float,
        until: float,
        unread: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._topology = topology
        self._coverage: Mapping[str, Coverage] = {one.log: one for one in coverage}
        self._since, self._until = since, until
        self._unread = unread or {}
        self._interfaces: dict[str, list[Interface]] = defaultdict(list)
        for spans in topology.interfaces.values():
            for span in spans:
                if span.overlaps(since, until):
                    for group in span.value.groups:
                        self._interfaces[group].append(span.value)

    def from_then_on(self, since: float) -> "Completeness":
        """Of a part of the window, from a later time to its end."""
        return Completeness(self._topology, self._coverage.values(), since, self._until, self._unread)

    def doubts(self, rule: Rule) -> tuple[str, ...]:
        """Why nobody can say that a rule is not used, although nothing was seen."""
        return (*self._unknown_peers(rule), *self._blind_spots(rule), *self._of_group.get(rule.group, ()))

    def lost(self, rule: Rule) -> float:
        """The share of a rule's minutes in which records were lost."""
        shares = [0.0]
        all_minutes = all_lost = 0.0
        for interface in {one.id for one in self._interfaces[rule.group]}:
            minutes, lost = self._minutes(interface)
            all_minutes, all_lost = all_minutes + minutes, all_lost + lost
            shares.append(lost / minutes if minutes else 0.0)
        return max(*shares, all_lost / all_minutes if all_minutes else 0.0)

    def _minutes(self, interface: str) -> tuple[float, float]:
        minutes = lost = 0.0
        for log in self._coverage.values():
            first, last = log.interfaces.get(interface, (0.0, 0.0))
            minutes += max(1.0, (last - first) / 60) if last else 0.0
            lost += len(log.skipped.get(interface, ()))
        return minutes, lost

    def gaps(self) -> list[Gap]:
        """What logs cannot tell, with the groups concerned, in order."""
        found = [*self._of_logs(), *self._of_fields(), *self._of_unrecorded(), *self._of_lost()]
        found += [
            Gap(what=what, why=why, groups=tuple(sorted(groups))) for (what, why), groups in self._uncovered.items()
        ]
        return sorted(found, key=lambda gap: (gap.what, gap.groups))

    # Logs

    @cached_property
    def _log_problems(self) -> dict[str, list[tuple[str, str]]]:
        """What is wrong with each flow log, and why that matters."""
        return {log: list(self._problems(log)) for log in {*self._declared, *self._coverage, *self._unread}}

    @property
    def _declared(self) -> Mapping[str, FlowLog]:
        return self._topology.flow_logs or {}

    def _seen(self, log: str) -> Coverage | None:
        """What was logged. Files whose names tell no flow log may be of one that has no others, if they tell of it."""
        nameless, declared = self._coverage.get(""), self._declared.get(log)
        if log in self._coverage or nameless is None or declared is None:
            return self._coverage.get(log)
        spans = (span for one in nameless.interfaces for span in self._topology.interfaces.get(one, ()))
        named = {name for span in spans for name in (span.value.id, span.value.subnet, span.value.vpc)}
        return nameless if declared.resource in named | nameless.vpcs else None

    def _problems(self, log: str) -> Iterator[tuple[str, str]]:
        name, seen, declared = log or "the flow log", self._seen(log), self._declared.get(log)
        if declared and not declared.is_active:
            yield f"{name} is not active", declared.failure or "it may have missed traffic"
        is_declared_so = declared is not None and declared.traffic_type == "REJECT"
        if is_declared_so or (declared is None and seen is not None and seen.actions == {"REJECT"}):
            yield f"{name} logs REJECT only", "accepted traffic, which shows that rules are used, is not in it"
        if unread := [*self._unread.get(log, ()), *(self._unread.get("", ()) if log else ())]:
            more = f", and {len(unread) - 1} more files" if len(unread) > 1 else ""
            yield f"{unread[0]}{more}", "nothing of this is credited to any rule"
        if seen is None:
            yield f"{name} has no records", "whatever its interfaces did is not known"
            return
        is_long = declared.aggregation >= LONG_AGGREGATION if declared else seen.longest > SLOT
        for first, count in _holes(seen.slots, self._since, self._until, HOLE[is_long]):
            yield (
                f"{name} has no records from {_time(first)} to {_time(first + count * SLOT)}",
                "what happened meanwhile is not known",
            )

    def _covering(self, interface: Interface) -> list[str]:
        if self._declared:
            of_it = (interface.id, interface.subnet, interface.vpc)
            return [log for log, one in self._declared.items() if one.resource in of_it]
        return [log for log, seen in self._coverage.items() if interface.id in seen.interfaces]

    def _covering_vpc(self, vpc: str) -> list[str]:
        if self._declared:
            return [log for log, one in self._declared.items() if one.resource == vpc]
        in_vpc = {
            interface
            for interface, spans in self._topology.interfaces.items()
            if any(s.value.vpc == vpc for s in spans)
        }
        return [log for log, seen in self._coverage.items() if vpc in seen.vpcs or in_vpc & seen.interfaces.keys()]

    # Groups

    @cached_property
    def _uncovered(self) -> dict[tuple[str, str], set[str]]:
        """What is not covered at all, and the groups of which."""
        found: dict[tuple[str, str], set[str]] = defaultdict(set)
        for group, known in self._topology.groups.items():
            interfaces = {one.id: one for one in self._interfaces[group]}
            if bare := sorted(one.id for one in interfaces.values() if not self._covering(one)):
                named = ", ".join(bare[:NAMED]) + (f" and {len(bare) - NAMED} more" if len(bare) > NAMED else "")
                found[f"no flow log covers {named}", "what these interfaces do is not known"].add(group)
            if not interfaces and known.vpc and not self._covering_vpc(known.vpc):
                found[f"no flow log covers {known.vpc}", "interfaces that came and went are not known"].add(group)
        return found

    @cached_property
    def _of_group(self) -> dict[str, list[str]]:
        """Why disuse of rules of a group cannot be proved, by group."""
        found: dict[str, list[str]] = defaultdict(list)
        for (what, _), groups in self._uncovered.items():
            for group in groups:
                found[group].append(what)
        for group, logs in self._logs_of_groups.items():
            for log in logs:
                found[group] += [what for what, _ in self._log_problems[log]]
        return found

    @cached_property
    def _logs_of_groups(self) -> dict[str, list[str]]:
        """The logs with problems that matter to each group: of an interface, all that cover it if none is complete."""
        found: dict[str, dict[str, None]] = defaultdict(dict)
        for group, known in self._topology.groups.items():
            interfaces = {one.id: one for one in self._interfaces[group]}
            for logs in map(self._covering, interfaces.values()) if interfaces else (self._covering_vpc(known.vpc),):
                if all(self._log_problems[log] for log in logs):
                    found[group].update(dict.fromkeys(logs))
        return {group: list(logs) for group, logs in found.items()}

    def _of_logs(self) -> Iterator[Gap]:
        found: dict[tuple[str, str], set[str]] = defaultdict(set)
        for log, problems in self._log_problems.items():
            for problem in problems:
                found[problem].update(group for group, logs in self._logs_of_groups.items() if log in logs)
        for (what, why), groups in found.items():
            yield Gap(what=what, why=why, groups=tuple(sorted(groups)))

    def _of_fields(self) -> Iterator[Gap]:
        for log, seen in self._coverage.items():
            missing: dict[str, list[str]] = defaultdict(list)
            for field, why in USEFUL_FIELDS.items():
                if field not in seen.fields:
                    missing[why].append(field)
            groups = sorted(
                group
                for group, interfaces in self._interfaces.items()
                if any(one.id in seen.interfaces for one in interfaces)
            )
            for why, fields in missing.items():
                yield Gap(what=f"{log or 'the flow log'} lacks {', '.join(fields)}", why=why, groups=tuple(groups))

    def _of_unrecorded(self) -> Iterator[Gap]:
        for log, seen in self._coverage.items():
            strangers = sorted(seen.interfaces.keys() - self._topology.interfaces.keys())
            if strangers:
                declared = self._declared.get(log)
                vpcs = {declared.resource} if declared and declared.resource.startswith("vpc-") else seen.vpcs
                groups = sorted(id_ for id_, one in self._topology.groups.items() if not vpcs or one.vpc in vpcs)
                named = ", ".join(strangers[:NAMED])
                more = f" and {len(strangers) - NAMED} more" if len(strangers) > NAMED else ""
                yield Gap(
                    what=f"nobody recorded {named}{more}, of {log or 'the flow log'}",
                    why="which groups they had is not known: what they did counts as possible use of every rule that "
                    "could have allowed it",
                    groups=tuple(groups),
                )

    def _of_lost(self) -> Iterator[Gap]:
        for log, seen in self._coverage.items():
            for interface, minutes in sorted(seen.skipped.items()):
                spans = self._topology.interfaces.get(interface, ())
                yield Gap(
                    what=f"{log or 'the flow log'} lost records of {interface} in {len(minutes)} minutes (SKIPDATA)",
                    why="rules that were used in these minutes only are not seen to be used",
                    groups=tuple(sorted({group for span in spans for group in span.value.groups})),
                )

    # Rules

    def _unknown_peers(self, rule: Rule) -> Iterator[str]:
        peer = rule.peer
        if isinstance(peer, PrefixListReference) and peer.prefix_list not in self._topology.prefix_lists:
            yield f"the entries of {peer.prefix_list} are not known"
        if isinstance(peer, GroupReference):
            own, other = self._topology.groups.get(rule.group), self._topology.groups.get(peer.group)
            owners = {owner for owner in (peer.owner, own.owner if own else "", other.owner if other else "") if owner}
            if other is None or len(owners) > 1:
                yield f"the members of {peer.group} are not known"

    def _blind_spots(self, rule: Rule) -> Iterator[str]:
        kinds = {one.kind for one in self._interfaces[rule.group]}
        if any(kind.startswith("efa") for kind in kinds) and rule.protocol == ANY:
            yield "traffic of an Elastic Fabric Adapter is not logged"
        if "network_load_balancer" in kinds and rule.direction is Direction.INGRESS:
            yield "traffic that reaches a Network Load Balancer through PrivateLink is not logged"
        if not isinstance(rule.peer, GroupReference | PrefixListReference) and any(
            rule.peer.version == block.version and rule.peer.subnet_of(block)  # type: ignore[arg-type]
            for block in NEVER_LOGGED
        ):
            yield f"traffic with {rule.peer} is not logged"
        if rule.protocol == UDP and any(first <= rule.ports[0] and rule.ports[1] <= last for first, last in DHCP):
            yield "DHCP is not logged"


def _holes(slots: frozenset[int], since: float, until: float, least: int) -> Iterator[tuple[float, int]]:
    """Where at least so many slots in a row have no record: the start, and how many they are."""
    first, last = int(since // SLOT), int(max(since, until - 1) // SLOT)
    known = [first - 1, *sorted(slot for slot in slots if first <= slot <= last), last + 1]
    for before, after in pairwise(known):
        if after - before - 1 >= least:
            yield (before + 1) * float(SLOT), after - before - 1


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%MZ")
