"""What must hold of every change to a rule, and of what it denies, in words."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_network
from math import inf
from typing import Any

from berthmaster.security_groups.model.tags import KEEP, MANAGED, TAG
from berthmaster.security_groups.plan.freeze import parse_freeze, why_frozen
from simulator.aws.ec2.connection_tracking import ConnectionTracking
from simulator.aws.ec2.lookup import tags_of
from simulator.stack.deployment import Deployment
from tests.simulation.security_groups.changes.denials import Denial, Denials
from tests.simulation.security_groups.changes.estate import IAC_TAGS, SHARED
from tests.simulation.security_groups.changes.operators import Operators
from tests.simulation.security_groups.changes.taken import Deed, Taken, TakenRules
from tests.simulation.security_groups.changes.witness import RuleState, Witness, Write
from tests.simulation.security_groups.company import Company

DAY = timedelta(days=1).total_seconds()
DELIVERY = 3600.0
"""After connections are forgotten, so many seconds pass before the next step: what is rejected then is delivered."""
RACE = 15.0
"""Seconds in which what people do may cross what a function does: EC2 knows no conditional write."""
NEVER_TAGS = ("aws:cloudformation:stack-name", IAC_TAGS, "elbv2.k8s.aws/cluster")


@dataclass(frozen=True, kw_only=True)
class Promise:
    """What Berthmaster promises in a simulation. Times in seconds.

    restored: from the arrival of a file to the restored rule. answered: a request. read: from the arrival of a file
    until no decision is made without it. window: for how long a rule must be unused. per_group, per_day: rules.
    """

    restored: float
    answered: float
    read: float
    window: float
    per_group: int
    per_day: int
    freeze: str = ""
    is_observing: bool = False


@dataclass
class Invariants:
    """Watches all writes from now on. broken: in sentences."""

    company: Company
    promise: Promise
    witness: Witness
    taken: TakenRules
    denials: Denials
    operators: Operators
    broken: list[str] = field(default_factory=list)
    restored: int = 0
    """How many rules were given back because something was denied."""
    _paused_since: float = inf
    _changes: list[tuple[float, RuleState]] = field(default_factory=list)
    _carriers: dict[str, set[str]] = field(default_factory=dict)
    _late: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.taken.watchers.append(self._judge)

    # Each write

    def _judge(self, deed: Deed, write: Write, taken: Taken) -> None:
        if self.promise.is_observing:
            self.broken.append(f"{write} in mode observe")
        if deed is Deed.GIVE_BACK:
            self.broken += self._given_back(write, taken)
            return
        self._changes.append((write.at, write.rule))
        self.broken += [f"{write}: {problem}" for problem in (*self._while_it_must_not(write), *self._of_caps(write))]
        if deed is Deed.TAKE:
            self._carriers[write.rule.id] = self._carriers_of(write.rule.group)
            self.broken += [f"{write}: {problem}" for problem in (*self._of_rule(write), *self._of_use(write, taken))]
            self.broken += [f"{write}: {problem}" for problem in self._of_cover(taken)]
        elif (early := self._too_early(write, taken)) > 0:
            self.broken.append(f"{write}: revoked {early:.0f} s before connections that it had let in are forgotten")

    def _while_it_must_not(self, write: Write) -> Iterator[str]:
        if self._paused_since < write.at - RACE:
            yield "it is paused"
        if why := why_frozen(parse_freeze(self.promise.freeze), self.company.cloud.clock.now()):
            yield why

    def _of_rule(self, write: Write) -> Iterator[str]:
        """A rule that must never be changed is."""
        rule, cloud = write.rule, self.company.cloud
        tags = tags_of(cloud, rule.group)
        if tags.get(TAG) != MANAGED:
            yield "its group is not managed"
        for key in NEVER_TAGS:
            if key in tags:
                yield f"its group has the tag {key}"
        if rule.description == SHARED:
            yield "it is of a controller"
        if KEEP in {**tags, **rule.tags}:
            yield "it is kept"
        since = write.at - self.taken.edited_at(rule.id)
        if RACE < since < self.promise.window:
            yield f"people have made it what it is {since:.0f} s ago"

    def _of_use(self, write: Write, taken: Taken) -> Iterator[str]:
        """Something that was used, and said so in time, is denied; or a connection breaks."""
        read, since = write.at - self.promise.read, write.at - self.promise.window
        gone = {one.original.id for one in self.taken.open}
        for use in self.denials.uses(taken.original.id):
            is_known = use.delivered_at < read and use.connection.opened > since
            if is_known and use.side.admission.rules <= gone:
                yield f"it denies {use}, which was known"
                break
        for connection in self.denials.broken_at(write.at):
            yield f"it breaks {connection.source.address} → {connection.destination.address}"

    def _of_caps(self, write: Write) -> Iterator[str]:
        day = Counter(rule.group for at, rule in self._changes if at > write.at - DAY)
        if day.total() > self.promise.per_day:
            yield f"{day.total()} changes in a day"
        if day[write.rule.group] > self.promise.per_group:
            yield f"{day[write.rule.group]} changes of its group in a day"

    def _of_cover(self, taken: Taken) -> Iterator[str]:
        for other in self.taken.open:
            if other is not taken and other.closed_at == inf:
                one, two = taken.original, other.original
                if _covers(one, two) or _covers(two, one):
                    yield f"coverer and covered are removed together, {two}"

    def _too_early(self, write: Write, taken: Taken) -> float:
        """By how many seconds the longest tracking, and the delivery of logs, is not over.

        Of the interfaces that have carried the group since the rule was taken: no other one knows a connection by it.
        """
        cloud = self.company.cloud
        there = self._carriers[taken.original.id] & cloud.interfaces.keys()
        timeouts = [cloud.state(ConnectionTracking).of(cloud.interfaces[eni])["TcpEstablishedTimeout"] for eni in there]
        return max(timeouts) + DELIVERY - (write.at - taken.since) if timeouts else 0.0

    def _carriers_of(self, group: str) -> set[str]:
        interfaces = self.company.cloud.interfaces.items()
        return {key for key, eni in interfaces if any(one.id == group for one in eni.group_set)}

    def _given_back(self, write: Write, taken: Taken) -> Iterator[str]:
        denials = [one for one in self.denials.all if one.taken is taken]
        if any(one.is_known for one in denials):
            self.restored += 1
        elif denials and not self._is_wanted_back(write, taken):
            yield f"{write} although only strangers were denied, such as {denials[0]}"

    def _is_wanted_back(self, write: Write, taken: Taken) -> bool:
        """Whether anybody asked for it, keeps it, or used it before."""
        rule = taken.original
        names = {"", rule.id, rule.group} | ({taken.back.id} if taken.back else set())
        asked = any(self.operators.restores.get(name, -inf) > taken.since for name in names)
        is_kept = KEEP in {**tags_of(self.company.cloud, rule.group), **rule.tags, **write.rule.tags}
        edits = any(
            not one.is_ours and one.rule.group == rule.group and one.at > taken.since for one in self.witness.writes
        )
        return asked or is_kept or edits or bool(self.denials.uses(rule.id))

    # Time

    def look(self) -> None:
        """What was denied must be back by now, if somebody may have it back."""
        now = self.company.now
        for number, denial in enumerate(self.denials.all):
            if number not in self._late and self._is_late(denial, now):
                self._late.add(number)
                self.broken.append(f"{denial}, a file said so at {denial.delivered_at:.0f}, and it is not back")

    def _is_late(self, denial: Denial, now: float) -> bool:
        arrived = max(denial.delivered_at, denial.at)
        if not denial.taken.is_open or now < arrived + self.promise.restored:
            return False
        interfaces, side = self.company.cloud.interfaces, denial.side
        is_there = side.peer.eni is not None and {side.peer.eni.id, side.own.eni.id} <= interfaces.keys()
        carries = is_there and any(one.id == denial.taken.original.group for one in side.own.eni.group_set)
        is_managed = tags_of(self.company.cloud, denial.taken.original.group).get(TAG) == MANAGED
        return carries and is_managed and not self.denials.allows_now(denial)

    def see(self, event: Any, at: float) -> None:
        """An event of Berthmaster's own."""
        kind, detail = event["detail-type"], event["detail"]
        if kind == "Automation Paused":
            self._paused_since = at
        elif kind == "Automation Resumed":
            self._paused_since = inf
        elif kind == "Removal Announced":
            # Again, a window after it was restored: only in simulations is that less than a day.
            self._changes = [one for one in self._changes if one[1].id != detail["rule"]]
        elif kind == "Removal Closed" and (taken := self.taken.of(detail["rule"])):
            taken.closed_at = at

    def at_the_end(self, berthmaster: Deployment) -> Iterator[str]:
        """What is left, or was not said."""
        yield from self.operators.unanswered(self.promise.answered, self.company.now)
        said: dict[str, set[str]] = {}
        for seen in berthmaster.bus_events:
            if seen.event["source"] == "berthmaster" and "rule" in seen.event["detail"]:
                said.setdefault(seen.event["detail"]["rule"], set()).add(seen.event["detail-type"])
        for taken in self.taken.all:
            if not said.get(taken.original.id, set()) & {"Rule Quarantined", "Rule Revoked", "Rule Restored"}:
                yield f"nobody was notified of {taken}"


def _covers(one: RuleState, other: RuleState) -> bool:
    """Whether a rule allows all that another does, by literal CIDRs."""
    if one.terms[:2] != other.terms[:2] or one.kept.ip_protocol not in ("-1", other.kept.ip_protocol):
        return False
    outer, inner = (state.kept.ip_range.get("CidrIp") for state in (one, other))
    if not outer or not inner or not ip_network(inner).subnet_of(ip_network(outer)):
        return False
    if one.kept.ip_protocol == "-1":
        return True
    is_all = one.kept.from_port == -1
    return is_all or (one.kept.from_port <= other.kept.from_port and other.kept.to_port <= one.kept.to_port)
