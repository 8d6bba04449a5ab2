"""Some hours of the company while Berthmaster removes rules: a window, notice, quarantine and what follows, scaled.

Who needs a rule comes when it is gone, strangers knock, people edit, and functions die at any call.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from math import inf
from random import Random
from typing import Any

from simulator.aws.ec2.cloud_trail import Trail
from simulator.aws.ec2.connection_tracking import ConnectionTracking
from simulator.faults import FaultPlan
from simulator.stack.deployment import Deployment
from tests.simulation.security_groups.changes.denials import Denials
from tests.simulation.security_groups.changes.estate import ALL_IDLE, IAC_TAGS, UNMANAGED, furnish, visit_the_attic
from tests.simulation.security_groups.changes.invariants import Invariants, Promise
from tests.simulation.security_groups.changes.operators import OURS, Operators, seconds
from tests.simulation.security_groups.changes.people import People
from tests.simulation.security_groups.changes.taken import Deed, Taken, TakenRules
from tests.simulation.security_groups.changes.users import Users
from tests.simulation.security_groups.changes.witness import Witness, Write
from tests.simulation.security_groups.company import BUCKET, DAY, HOUR, Company, a_company

SAMPLE = (0,)
"""Seeds that are run every time: of a life in which nothing fails, and of one in which everything does."""
WINDOW, NOTICE, QUARANTINE = 1.5 * HOUR, 0.25 * HOUR, 0.5 * HOUR
TRACKING = 1800
"""Seconds for which all interfaces remember an idle connection: a quarantine lasts an hour longer."""
HOURS = 5.25
"""From the beginning of the window until rules have been revoked and closed."""
PACE = 4.0
UNTIL_RECORDED = 700.0
STEP = 60.0
TAIL = 0.5 * HOUR
PER_RUN, PER_GROUP, PER_DAY = 20, 9, 70
"""Changes: a rule is quarantined, and then revoked."""
MAINTAINED = "bastion"
"""The group whose rules a pipeline makes again."""
QUEUES = ("Topology", "Credit", "Report", "Change", "Watch")


def faults_of(random: Random, seed: int) -> FaultPlan:
    """Functions die at any call, AWS fails and throttles, events and files are late and doubled; not in all lives."""
    if seed % 2 == 0:
        return FaultPlan(seed=seed)
    return FaultPlan(
        seed=seed,
        throttled=random.choice((0.0, 0.03)),
        server_error=random.choice((0.0, 0.02)),
        lost_response=random.choice((0.0, 0.02)),
        crash=random.choice((0.0005, 0.002)),
        event_duplicated=0.2,
        event_delayed=0.1,
        longest_delay=120.0,
        log_file_late=0.03,
        log_file_doubled=0.05,
        records_skipped=random.choice((0.0, 0.001)),
    )


def promise_of(seed: int, freeze: str, *, is_observing: bool) -> Promise:
    """What is promised: more where nothing fails."""
    is_calm = seed % 2 == 0
    return Promise(
        restored=60.0 if is_calm else 1800.0,
        answered=60.0 if is_calm else inf,
        read=2100.0 if is_calm else 3600.0,
        window=WINDOW,
        per_group=PER_GROUP,
        per_day=PER_DAY,
        freeze=freeze,
        is_observing=is_observing,
    )


@dataclass(frozen=True)
class Tally:
    """What happened, in numbers. idle: rules that could go. gone: how many of them have gone."""

    connections: int
    taken: int
    revoked: int
    denied: int
    restored: int
    idle: int
    gone: int
    died: int

    @property
    def recall(self) -> float:
        """The share of rules that could go that has gone."""
        return self.gone / max(1, self.idle)

    def __str__(self) -> str:
        return (
            f"{self.connections} connections, {self.taken} rules quarantined, {self.revoked} revoked, {self.denied}"
            f" connections denied, {self.restored} rules restored because of that, {self.gone} of {self.idle} idle"
            f" rules gone, {self.died} invocations died"
        )


@dataclass
class Life:
    """One company with everybody in it.

    edits, needs, knocks: how often somebody edits a rule that is announced or removed, needs it, or knocks at it.
    """

    company: Company
    berthmaster: Deployment
    random: Random
    taken: TakenRules
    denials: Denials
    people: People
    users: Users
    operators: Operators
    invariants: Invariants
    edits: float = 0.12
    needs: float = 0.25
    knocks: float = 0.5
    needed: set[str] = field(default_factory=set)

    def begin(self) -> None:
        """Let everybody begin."""
        company, random, buses = self.company, self.random, self.company.cloud.buses
        put = buses.put

        def seen(bus: str, event: Mapping[str, Any]) -> None:
            self.see(event)
            put(bus, event)

        buses.put = seen  # type: ignore[method-assign]
        company.begin_traffic()
        company.every(HOUR, partial(visit_the_attic, company))
        company.every(8 * HOUR, company.edit)
        company.every(12 * HOUR, company.release)
        self.people.maintain(MAINTAINED)
        self.operators.begin()
        self.taken.watchers.append(self._react)
        if random.random() < 1 / 3:
            at = company.begun + random.uniform(2, 4) * HOUR
            length = random.uniform(0.5, 1) * HOUR
            company.cloud.clock.at(at, lambda: company.logs.begin_outage(company.log_id, length))

    def run(self, until: float) -> Iterator[None]:
        """Live until a time, step by step."""
        while self.company.now < until:
            self.company.run(min(STEP, until - self.company.now))
            self.invariants.look()
            yield

    @property
    def broken(self) -> list[str]:
        """What was wrong by now, in sentences."""
        return [*self.invariants.broken, *self.taken.broken]

    def at_the_end(self) -> list[str]:
        """What was wrong, all in all."""
        return [*self.broken, *self.invariants.at_the_end(self.berthmaster), *self._left()]

    def tally(self) -> Tally:
        """What happened."""
        idle = set(self._idle())
        gone = {one.original.id for one in self.taken.all if one.is_open}
        return Tally(
            connections=len(self.company.traffic.connections),
            taken=len(self.taken.all),
            revoked=sum(one.revoked_at < inf for one in self.taken.all),
            denied=len(self.denials.all),
            restored=self.invariants.restored,
            idle=self._most(idle),
            gone=len(idle & gone),
            died=sum(one.died for one in self.berthmaster.invocations),
        )

    def see(self, event: Mapping[str, Any]) -> None:
        """An event that comes to a bus."""
        if event["source"] == OURS:
            self.operators.see(event)
            self.invariants.see(event, seconds(event))
            if event["detail-type"] == "Removal Announced":
                self._react_to_notice(event["detail"])

    def _react_to_notice(self, detail: Mapping[str, Any]) -> None:
        """Somebody edits or uses the rule before it is changed, or opens a connection that will be there afterwards."""
        rule = detail["rule"]
        wanted = self.company.rules.get(rule)
        if wanted is None:
            return
        if self.random.random() < self.edits and (state := self.people.state(rule)):
            self.people.edit_later(rule, self.random.uniform(0, 2 * NOTICE), state)
        if not self.users.can_come(wanted):
            return
        chance = self.random.random()
        if chance < 0.4 * self.needs:
            self.needed.add(rule)
            self.users.come(wanted, self.random.uniform(0, NOTICE))
        elif chance < self.needs:
            self.needed.add(rule)
            self.users.stay(wanted, NOTICE + self.random.uniform(-600, 600))

    def _react(self, deed: Deed, _: Write, taken: Taken) -> None:
        """Somebody needs the rule just now, a stranger knocks, or people change it."""
        if deed is Deed.GIVE_BACK:
            return
        rule, random = taken.original, self.random
        wanted = self.company.rules.get(rule.id)
        if random.random() < self.edits:
            self.people.edit_later(rule.id, random.uniform(5, 1.2 * HOUR), rule)
        if wanted is None:
            return
        if random.random() < self.needs and self.users.can_come(wanted):
            self.needed.add(rule.id)
            self.users.come(wanted, random.uniform(5, 0.8 * HOUR))
        elif random.random() < self.knocks and self.users.can_knock(wanted):
            self.users.knock(wanted, random.uniform(5, 0.5 * HOUR))

    def _idle(self) -> Iterator[str]:
        """The rules that could go: nobody used, needed or touched them, and nothing else stands in the way."""
        edited = self.people.touched | self.needed | self.operators.refused | set(self._asked_back())
        for rule, wanted in self.company.rules.items():
            is_idle = wanted in ALL_IDLE and not self.denials.uses(rule)
            is_old = self.taken.edited_at(rule) < self.company.begun and rule not in edited
            may_go = wanted.group not in UNMANAGED and not self._is_last(wanted.group, wanted.direction)
            if is_idle and is_old and may_go:
                yield rule

    def _asked_back(self) -> Iterator[str]:
        """The rules that operators wanted to have back, and got."""
        for one in self.taken.all:
            names = ("", one.original.id, one.original.group)
            if any(one.since < self.operators.restores.get(name, -inf) <= one.back_at for name in names):
                yield one.original.id

    def _is_last(self, group: str, direction: str) -> bool:
        """Whether the company began with no other rule of that group and direction."""
        return sum((one.group, one.direction) == (group, direction) for one in self.company.rules.values()) < 2

    def _most(self, idle: set[str]) -> int:
        """How many of them may go in a day."""
        by_group = Counter(self.company.rules[rule].group for rule in idle)
        return min(PER_DAY, sum(min(count, PER_GROUP) for count in by_group.values()))

    def _left(self) -> Iterator[str]:
        for name in QUEUES:
            if letters := self.berthmaster.dead_letters(f"SecurityGroups{name}DeadLetterQueue"):
                yield f"SecurityGroups{name}DeadLetterQueue has {len(letters)} messages, such as {letters[0]}"


@contextmanager
def a_life(seed: int, hours: float = HOURS, mode: str = "") -> Iterator[Life]:
    """A company in which everything stands ready; nothing that fails fails yet."""
    random = Random(f"{seed}:changes")  # noqa: S311 - reproducible on purpose
    mode = mode or random.choice(("approve", "enforce"))
    freeze = _freeze(random)
    with a_company(seed, FaultPlan(seed=seed), days=hours * HOUR / DAY, aggregation=60, pace=PACE) as company:
        cloud = company.cloud
        cloud.state(ConnectionTracking).default["TcpEstablishedTimeout"] = TRACKING
        cloud.state(Trail).is_on = True
        company.logs.longest_late = HOUR
        berthmaster = Deployment(
            cloud,
            parameters={
                "SecurityGroupsMode": mode,
                "FlowLogBuckets": f"arn:aws:s3:::{BUCKET}",
                "SecurityGroupsWindowDays": WINDOW / DAY,
                "SecurityGroupsNoticeDays": NOTICE / DAY,
                "SecurityGroupsQuarantineDays": QUARANTINE / DAY,
                "SecurityGroupsRemovalsPerRun": PER_RUN,
                "SecurityGroupsRemovalsPerGroup": PER_GROUP,
                "SecurityGroupsRemovalsPerDay": PER_DAY,
                "SecurityGroupsIacTags": IAC_TAGS,
                "SecurityGroupsFreeze": freeze,
                "CapacityMode": "off",
                "TargetsMode": "off",
                "BatchMode": "off",
            },
        )
        furnish(company, random)
        company.run(UNTIL_RECORDED)
        witness = Witness(cloud)
        taken = TakenRules(witness)
        denials = Denials(company, taken)
        people = People(company, random, witness)
        operators = Operators(company, random, berthmaster, taken)
        promise = promise_of(seed, freeze, is_observing=mode == "observe")
        invariants = Invariants(company, promise, witness, taken, denials, operators)
        users = Users(company, random)
        life = Life(company, berthmaster, random, taken, denials, people, users, operators, invariants)
        life.begin()
        cloud.faults.plan = faults_of(random, seed)
        yield life


def live_on(life: Life) -> None:
    """Live to the end, and until nothing fails and all is delivered."""
    for _ in life.run(life.company.end):
        pass
    life.company.cloud.faults.clear()
    for _ in life.run(life.company.end + TAIL):
        pass


def _freeze(random: Random) -> str:
    """Half an hour of a Monday in which nothing is changed."""
    begin = 9 * 60 + random.randrange(45)
    first, last = (f"Mon {at // 60:02}:{at % 60:02}" for at in (begin, begin + 30))
    return f"{first}-{last}"
