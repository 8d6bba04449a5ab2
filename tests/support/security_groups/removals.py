"""Removals and what is known of their rules, for plans that need no account."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

from berthmaster.modes import Mode
from berthmaster.security_groups.model.evidence import RuleEvidence, Verdict
from berthmaster.security_groups.model.removals import (
    Candidate,
    Ground,
    LeftAlone,
    Origin,
    Proposal,
    Removal,
    RemovalPolicy,
    RemovalState,
)
from berthmaster.security_groups.model.rules import TCP, Direction, Group, Peer, Rule
from berthmaster.security_groups.plan.removal_plan import plan_removals
from berthmaster.security_groups.plan.removal_progress import going, is_stale
from berthmaster.security_groups.plan.situation import LeaveAlone, Move, Propose, RemovalPlan, Situation, Supersede
from berthmaster.security_groups.plan.terms import content_key

BEGIN = datetime(2026, 11, 2, 9, tzinfo=UTC)
"""A Monday."""
DAY = timedelta(days=1)
MANAGED = ("berthmaster:security-groups", "managed")
WINDOW = timedelta(days=90)
GROUP = "sg-0a1b2c3d4e5f60718"


def rule(number: int, group: str = GROUP, **given: Any) -> Rule:
    """One of many that have nothing in common."""
    peer: Peer = ip_network(f"10.0.{number}.0/24")
    fields: dict[str, Any] = {"direction": Direction.INGRESS, "protocol": TCP, "ports": (443, 443), "peer": peer}
    return Rule(id=f"sgr-{number:08x}", group=group, **fields | given)


def candidate(of: Rule, **given: Any) -> Candidate:
    """It is unused."""
    fields: dict[str, Any] = {"ground": Ground.UNUSED, "why": "no record could have been allowed by it"}
    return Candidate(rule=of, vpc="vpc-1", since=0.0, until=1.0, **fields | given)


@dataclass
class Books:
    """An account and a ledger, in which plans are carried out at once, as executor and ledger would."""

    now: datetime = BEGIN
    mode: Mode = Mode.ENFORCE
    policy: RemovalPolicy = field(default_factory=RemovalPolicy)
    paused: str = ""
    frozen: str = ""
    rules: dict[str, Rule] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    unproven: dict[str, Verdict] = field(default_factory=dict)
    """Rules that are no candidates."""
    covered_by: dict[str, tuple[str, ...]] = field(default_factory=dict)
    origins: dict[str, Origin] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)
    needed: set[frozenset[str]] = field(default_factory=set)
    """Rules of which one must stay."""
    unwatched: set[str] = field(default_factory=set)
    removals: dict[str, Removal] = field(default_factory=dict)
    left_alone: dict[str, LeftAlone] = field(default_factory=dict)
    proposals: dict[str, Proposal] = field(default_factory=dict)

    def add(self, *rules: Rule, **tags: str) -> None:
        """Rules that people made and nobody uses, of managed groups."""
        for one in rules:
            self.rules[one.id] = one
            self.origins[one.id] = Origin.PEOPLE
            self.groups[one.group] = Group(id=one.group, tags=(MANAGED, *tags.items()))

    def situation(self) -> Situation:
        """As a run finds it."""
        gone = going(self.removals.values(), self.now)
        known = [one for one in self.rules.values() if one.id not in gone]
        found = [one for one in known if one.id not in self.unproven and MANAGED in self.groups[one.group].tags]
        return Situation(
            now=self.now,
            mode=self.mode,
            policy=self.policy,
            window=WINDOW,
            paused=self.paused,
            frozen=self.frozen,
            candidates={one.id: candidate(one, covered_by=self.covered_by.get(one.id, ())) for one in found},
            verdicts={
                one.id: RuleEvidence(rule=one, verdict=self.unproven.get(one.id, Verdict.UNUSED), why="so it is")
                for one in known
            },
            rules=dict(self.rules),
            groups=dict(self.groups),
            origins=dict(self.origins),
            removals=tuple(self.removals.values()),
            left_alone=tuple(self.left_alone.values()),
            proposals=dict(self.proposals),
            hold=self._hold,
            needed=self._needed,
            unwatched=lambda one: "there is a hole in the logs" if one.rule.id in self.unwatched else "",
        )

    def run(self) -> RemovalPlan:
        """Make a plan and save it."""
        plan = plan_removals(self.situation())
        for step in plan.steps:
            match step:
                case Move(removal):
                    self.save(removal)
                case Propose(proposal, removals):
                    self.proposals[proposal.id] = proposal
                    for one in removals:
                        self.save(one)
                case Supersede(proposal):
                    self.proposals[proposal.id] = proposal
                case LeaveAlone(left):
                    self.left_alone[left.sort_key] = left
        return plan

    def save(self, removal: Removal) -> None:
        """As the ledger does."""
        self.removals[removal.rule.id] = replace(removal, version=removal.version + 1)

    def carry_out(self) -> None:
        """What the executor does, all of it at once."""
        for one in list(self.removals.values()):
            after = self.now + self.policy.quarantine
            if one.state in {RemovalState.APPROVED, RemovalState.REVOKING} and one.rule.id not in self.rules:
                self.save(one.moved(RemovalState.WITHDRAWN, self.now, note="others have deleted the rule"))
            elif one.state is RemovalState.APPROVED and not is_stale(one, self.now):
                inert: Any = ip_network(f"192.0.2.{int(one.rule.id[4:], 16) % 256}/32")
                self.rules[one.rule.id] = replace(one.rule, peer=inert)
                self.save(one.moved(RemovalState.QUARANTINED, self.now, inert=inert, due_at=after))
            elif one.state is RemovalState.REVOKING:
                del self.rules[one.rule.id]
                self.save(one.moved(RemovalState.REVOKED, self.now, due_at=after))
            elif one.state is RemovalState.RESTORING:
                self._restore(one)

    def _restore(self, one: Removal) -> None:
        self.rules[one.rule.id] = one.rule
        self.save(one.moved(RemovalState.RESTORED, self.now))
        until = self.now + WINDOW
        left = LeftAlone(
            group=one.rule.group, key=content_key(one.rule), why="it was restored", since=self.now, until=until
        )
        self.left_alone[left.sort_key] = left

    def days(self, days: float, step: float = 0.5) -> None:
        """Let time pass, with a run and its execution at each step."""
        end = self.now + days * DAY
        while self.now < end:
            self.run()
            self.carry_out()
            self.now += step * DAY

    def state(self, of: Rule) -> RemovalState | None:
        """That of a rule's removal."""
        found = self.removals.get(of.id)
        return found.state if found else None

    def _hold(self, one: Candidate, gone: frozenset[str]) -> str:
        if one.rule.id in self.held:
            return "a controller has made it"
        pairs = {one.rule.id, *self.covered_by.get(one.rule.id, ())}
        pairs |= {key for key, others in self.covered_by.items() if one.rule.id in others}
        if others := sorted(gone & (pairs - {one.rule.id})):
            return f"{others[0]}, which covers it or is covered by it, is being removed"
        left = self.left_alone.get(f"{one.rule.group}#{content_key(one.rule)}")
        return left.why if left and (left.until is None or left.until > self.now) else ""

    def _needed(self, gone: frozenset[str]) -> Collection[str]:
        return {one for some in self.needed if some <= gone for one in some}
