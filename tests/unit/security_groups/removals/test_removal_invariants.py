"""Whatever happens to rules meanwhile: what no sequence of plans may do."""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from berthmaster.modes import Mode
from berthmaster.proposals import Outcome
from berthmaster.security_groups.model.evidence import Verdict as Use
from berthmaster.security_groups.model.removals import Origin, Proposal, Removal, RemovalPolicy, RemovalState
from berthmaster.security_groups.model.rules import Group
from berthmaster.security_groups.plan.removal_approval import fingerprint
from berthmaster.security_groups.plan.situation import Move, RemovalPlan
from tests.support.security_groups.removals import DAY, MANAGED, Books, rule

GROUPS = [f"sg-0000000{number}" for number in range(3)]
POLICY = RemovalPolicy(per_run=4, per_group=3, per_day=5)
INTENTS = {RemovalState.APPROVED: "intended_at", RemovalState.REVOKING: "revoke_intended_at"}
HOURS = (0.2, 1, 6, 24, 48)
GONE = {RemovalState.APPROVED, RemovalState.QUARANTINED, RemovalState.REVOKING, RemovalState.REVOKED}


class Account:
    """Rules to which things happen, and what was done to them."""

    def __init__(self, random: Random, mode: Mode) -> None:
        self.random = random
        self.books = Books(mode=mode, policy=POLICY)
        rules = [rule(number, random.choice(GROUPS)) for number in range(1, 13)]
        self.books.add(*rules)
        self.ids = [one.id for one in rules]
        for one in rules:
            alike = [other.id for other in rules if other.group == one.group and other.id > one.id]
            if alike and random.random() < 0.3:
                self.books.covered_by[one.id] = (random.choice(alike),)
        self.intents: list[tuple[datetime, Removal]] = []

    def happen(self) -> None:
        """One thing, by people or time."""
        happen = self.random.choice(
            [self.judge, self.judge, self.edit, self.edit, self.switch, self.restore, self.decide]
        )
        happen()

    def judge(self) -> None:
        """Something else is known of a rule."""
        books, random, one = self.books, self.random, self.random.choice(self.ids)
        match random.randrange(6):
            case 0:
                books.unproven[one] = random.choice(list(Use))
            case 1:
                books.unproven.pop(one, None)
            case 2:
                books.origins[one] = random.choice(list(Origin))
            case 3:
                books.held ^= {one}
            case 4:
                books.unwatched ^= {one}
            case _:
                books.needed = {frozenset(random.sample(self.ids, 2))}

    def edit(self) -> None:
        """People change a rule or a group."""
        books, random, one = self.books, self.random, self.random.choice(self.ids)
        rule_now = books.rules.get(one)
        match random.randrange(4):
            case 0 if rule_now:
                books.rules[one] = replace(rule_now, tags=(("berthmaster:keep", "so"),))
            case 1 if rule_now:
                books.rules[one] = replace(rule_now, ports=(random.randrange(99), 99))
            case 2:
                books.rules.pop(one, None)
            case _:
                group = random.choice(GROUPS)
                books.groups[group] = Group(id=group, tags=random.choice([(), (MANAGED,), (MANAGED,)]))

    def switch(self) -> None:
        """It is paused or frozen, or is no more."""
        self.books.paused = self.random.choice(["", "", "it is paused"])
        self.books.frozen = self.random.choice(["", "", "changes are frozen"])

    def restore(self) -> None:
        """A rule is missed."""
        one = self.books.removals.get(self.random.choice(self.ids))
        if one and one.state in GONE:
            self.books.save(one.moved(RemovalState.RESTORING, self.books.now, note="it was rejected"))

    def decide(self) -> None:
        """People decide on what is proposed."""
        for one in self.books.proposals.values():
            if one.verdict is None and not one.superseded:
                self.books.proposals[one.id] = self.decided(one)

    def decided(self, proposal: Proposal) -> Proposal:
        verdict = self.random.choice([Outcome.APPROVED, Outcome.APPROVED, Outcome.REJECTED])
        return replace(proposal, verdict=verdict, decided_by="ann", decided_at=self.books.now)

    def step(self) -> None:
        """Things happen, a run is made and checked; it is carried out, or whoever had to do that has died."""
        for _ in range(self.random.randrange(3)):
            self.happen()
        before = dict(self.books.removals)
        plan = self.books.run()
        self.check(plan, before)
        if self.random.random() < 0.8:
            self.books.carry_out()
        self.books.now += timedelta(hours=self.random.choice(HOURS))

    def check(self, plan: RemovalPlan, before: dict[str, Removal]) -> None:
        """The invariants, of one run."""
        books = self.books
        moves = [one.removal for one in plan.of(Move)]
        assert len({one.rule.id for one in moves}) == len(moves), "a removal is moved once in a run"
        begun = [one for one in moves if one.state in INTENTS]
        if begun:
            assert books.mode in {Mode.APPROVE, Mode.ENFORCE}
            assert not books.paused
            assert not books.frozen
        assert len(begun) <= POLICY.per_run
        for one in begun:
            self.check_begun(one, before.get(one.rule.id))
        self.intents = [(at, one) for at, one in self.intents if books.now - at < DAY]
        assert len(self.intents) <= POLICY.per_day
        assert max(Counter(one.rule.group for _, one in self.intents).values(), default=0) <= POLICY.per_group
        gone = {key for key, one in books.removals.items() if one.state in GONE}
        fresh = {one.rule.id for one in moves if one.state is RemovalState.APPROVED}
        for covered, coverers in books.covered_by.items():
            assert not ({covered, *coverers} <= gone and {covered, *coverers} & fresh), "coverer and covered"

    def check_begun(self, one: Removal, before: Removal | None) -> None:
        books, rule_id = self.books, one.rule.id
        assert before is not None
        assert books.groups[one.rule.group].tags
        assert not books.rules[rule_id].tags, "it is kept"
        if one.state is RemovalState.REVOKING:
            assert before.state is RemovalState.QUARANTINED
            assert books.now >= before.due_at
        else:
            assert rule_id not in books.held
            assert rule_id not in books.unproven
            assert books.origins[rule_id] in {Origin.PEOPLE, Origin.UNKNOWN}
            assert books.now - one.announced_at >= POLICY.notice
            if books.mode is Mode.APPROVE or books.origins[rule_id] is Origin.UNKNOWN:
                self.check_approved(one)
            self.intents = [
                (at, other)
                for at, other in self.intents
                if other.intended_at != before.intended_at
                or (other.rule.id != rule_id or before.state is not RemovalState.APPROVED)
            ]
        self.intents.append((books.now, one))

    def check_approved(self, one: Removal) -> None:
        proposal = self.books.proposals[one.proposal]
        assert proposal.verdict is Outcome.APPROVED
        assert one.rule.id in proposal.rules
        known = [self.books.removals[rule_id].rule for rule_id in proposal.rules]
        assert fingerprint(known) == proposal.fingerprint


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(list(Mode)))
def test_nothing_is_begun_that_may_not_be(seed: int, mode: Mode) -> None:
    account = Account(Random(seed), mode)  # noqa: S311 - a seed
    for _ in range(60):
        account.step()
    if mode in {Mode.OFF, Mode.OBSERVE}:
        assert account.books.removals == {}


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32))
def test_what_nobody_stands_in_the_way_of_is_gone_in_the_end(seed: int) -> None:
    account = Account(Random(seed), Mode.ENFORCE)  # noqa: S311 - a seed
    account.books.days(120)
    assert account.books.rules == {}
    assert {one.state for one in account.books.removals.values()} == {RemovalState.CLOSED}
