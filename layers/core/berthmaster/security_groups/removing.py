"""Runs in which it is decided what is announced, proposed, changed and given back; one at a time."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from berthmaster import metrics
from berthmaster.arn import Arn
from berthmaster.failures import Failures
from berthmaster.items import Conflict, Items
from berthmaster.lease import Leases
from berthmaster.modes import Mode
from berthmaster.own_queue import OwnQueue
from berthmaster.security_groups.change_triggers import CHANGE_GROUP, PlanRemovals
from berthmaster.security_groups.folding import NoTime
from berthmaster.security_groups.judgement import Judging
from berthmaster.security_groups.ledger.origins import Origins
from berthmaster.security_groups.ledger.proposals import Proposals
from berthmaster.security_groups.ledger.removals import LeftAlones, Removals, newest
from berthmaster.security_groups.model.removals import (
    Candidate,
    Ground,
    LeftAlone,
    Origin,
    Proposal,
    Removal,
    RemovalState,
)
from berthmaster.security_groups.model.rules import Group, Network, Rule
from berthmaster.security_groups.model.runs import RemovalRun
from berthmaster.security_groups.observe.topology_aws import TopologyReader
from berthmaster.security_groups.plan.candidates import candidates
from berthmaster.security_groups.plan.due_runs import watched_since
from berthmaster.security_groups.plan.freeze import why_frozen
from berthmaster.security_groups.plan.holds import Holds
from berthmaster.security_groups.plan.origins import origin_of
from berthmaster.security_groups.plan.removal_plan import plan_removals
from berthmaster.security_groups.plan.removal_progress import going
from berthmaster.security_groups.plan.replay import Replays, staying
from berthmaster.security_groups.plan.situation import (
    LeaveAlone,
    Move,
    Propose,
    RemovalPlan,
    Situation,
    Step,
    Supersede,
    Wait,
)
from berthmaster.security_groups.plan.terms import terms_of
from berthmaster.security_groups.publishing import publish
from berthmaster.security_groups.removal_reports import RemovalReports
from berthmaster.security_groups.report.removal_notices import (
    proposal_superseded,
    removals_proposed,
    returned,
)
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from berthmaster.clients import Clients
    from berthmaster.clock import Clock
    from berthmaster.invocation import Invocation
    from berthmaster.notices import Notice, Notices
    from berthmaster.security_groups.plan.window import Judgement
    from berthmaster.security_groups.settings import ChangeSettings
    from berthmaster.switch import Switch

LEASE = "removals"
LEAST_TIME = timedelta(seconds=240)
"""What is left for the topology, the plan and its execution once all evidence is read."""
WITHOUT_TIME = timedelta(seconds=1)
WHILE_ANOTHER_RUNS = timedelta(seconds=30)
ALIVE = timedelta(minutes=2)
"""An invocation publishes what it has saved within so long, or has died."""
WATCHED = frozenset({RemovalState.QUARANTINED, RemovalState.REVOKED})
"""Whether anything was missed is asked before their next steps."""
SLOT = 300
"""Seconds: when a rule was changed, as far as files of flow logs tell that apart."""


class Removing:
    """Makes plans and saves what they say; whatever EC2 is to be called for is left to Change Group."""

    def __init__(
        self, settings: "ChangeSettings", clients: "Clients", clock: "Clock", *, switch: "Switch", notices: "Notices"
    ) -> None:
        table = settings.security_groups_table
        self._settings = settings
        self._clock = clock
        self._switch = switch
        self._notices = notices
        self._account = Arn.parse(settings.topic_arn).account
        self._place = settings.place
        self._frozen = settings.freeze_windows
        self._leases = Leases(clients.dynamodb, table)
        self._queue = OwnQueue(clients, clock, settings.security_groups_change_queue_url)
        self._runs = Items(clients.dynamodb, table, "removal run", RemovalRun)
        self._removals = Removals(clients.dynamodb, table)
        self._left_alone = LeftAlones(clients.dynamodb, table)
        self._proposals = Proposals(clients.dynamodb, table)
        self._origins = Origins(clients.dynamodb, table)
        self._reports = RemovalReports(settings, clients, notices, self._place)
        self._judging = Judging(clients.s3, settings.evidence_bucket, settings.window)
        self._reader = TopologyReader(clients.ec2, clock)

    def run(self, wanted: PlanRemovals, body: str, invocation: "Invocation") -> None:
        """Make a plan and save it, unless one was begun after it was wanted; it is gone on with if time runs out."""
        if self._settings.security_groups_mode is Mode.OFF:
            logger.info("removals not planned", reason="the mode is off")
            return
        with self._leases.held(LEASE, invocation, self._clock) as is_held:
            if not is_held:
                self._queue.defer(body, WHILE_ANOTHER_RUNS)
                return
            newest = self._runs.get("newest") or RemovalRun()
            if newest.begun >= wanted.at:
                logger.info("removals not planned", reason="a newer run was completed")
                return
            begun = self._clock.now()
            try:
                self._run(lambda: invocation.time_left(self._clock.now()) > LEAST_TIME)
            except NoTime as error:
                logger.info("removals are planned when more was read", day=str(error))
                self._queue.defer(body, WITHOUT_TIME)
                return
            self._runs.save(replace(newest, begun=begun))

    def _run(self, may_go_on: Callable[[], bool]) -> None:
        # The ledger first: whoever changes a rule writes there before, and then this run's writes are conflicts.
        removals = self._removals.all()
        left_alone, proposals = self._left_alone.all(), self._proposals.all()
        now = self._clock.now()
        watched = [watched_since(one, now) for one in removals if one.state in WATCHED]
        judgement = self._judging.read(now, may_go_on, watched_since=min(watched, default=None))
        situation = self._situation(judgement, removals, left_alone, proposals)
        plan = plan_removals(situation)
        plan = self._with_earlier_peers(plan, may_go_on)
        for one in plan.of(Wait):
            logger.info("rule waits", rule=one.rule.id, group=one.rule.group, reason=one.reason)
        # What others changed is left alone before its removal ends; what is given back waits for no notice.
        self._leave_alone([one.left for one in plan.of(LeaveAlone) if not one.returned])
        superseded = [one for step in plan.of(Supersede) for one in self._superseded(step)]
        saved = [one for step in plan.of(Move) for one in self._moved(step.removal)]
        self._have_changed(saved)
        failures = Failures()
        with failures.collect("steps of removals not published"):
            publish(saved, self._notices, self._removals, self._place)
        with failures.collect("superseded proposals not published"):
            self._notices.publish(superseded)
        with failures.collect("returned rules not published"):
            self._report_returned(plan.of(LeaveAlone))
        for step in plan.of(Propose):
            with failures.collect("removals not proposed", group=step.proposal.group):
                self._propose(step)
        with failures.collect("reports not published"):
            self._reports.report(plan, situation)
        _count(newest([*removals, *saved]), plan)
        failures.raise_all("removals were planned with failures")

    # What there is

    def _situation(
        self,
        judgement: "Judgement",
        removals: Sequence[Removal],
        left_alone: Sequence[LeftAlone],
        proposals: Sequence[Proposal],
    ) -> Situation:
        rules = {one.id: one for one in judgement.present.rules}
        groups = dict(judgement.present.groups)
        self._read_afresh({one.rule.group for one in removals if one.state.is_open}, rules, groups)
        now = self._clock.now()
        unchanged = _unchanged(judgement, rules)
        may_go = (one for one in candidates(judgement, going(removals, now)) if _stands(one, unchanged))
        found = {one.rule.id: one for one in may_go}
        holds = Holds(judgement, account=self._account, now=now, removals=removals, left_alone=left_alone)
        replays = Replays(judgement.evidence.allowed_by, staying(judgement, ()) & unchanged)
        since = cache(judgement.completeness.from_then_on)
        return Situation(
            now=now,
            mode=self._settings.security_groups_mode,
            policy=self._settings.policy,
            window=self._settings.window,
            paused=self._switch.reason(),
            frozen=why_frozen(self._frozen, now),
            candidates=found,
            verdicts={one.rule.id: one for one in judgement.rules},
            rules=rules,
            groups=groups,
            origins=self._origins_of([*(one.rule for one in found.values()), *_rules_of(removals)], groups),
            removals=tuple(removals),
            left_alone=tuple(left_alone),
            proposals={one.id: one for one in proposals},
            hold=lambda candidate, gone: "; ".join(holds.of(candidate, gone)[:1]),
            needed=lambda gone: replays.without(gone).rules,
            unwatched=lambda one: "; ".join(since(_slot_of(watched_since(one, now))).doubts(one.rule)[:1]),
        )

    def _read_afresh(self, group_ids: set[str], rules: dict[str, Rule], groups: dict[str, Group]) -> None:
        """What was read of these groups before is replaced by what they are now."""
        if not group_ids:
            return
        for rule in [one for one in rules.values() if one.group in group_ids]:
            del rules[rule.id]
        for identifier in group_ids:
            groups.pop(identifier, None)
        for identifier, subject in self._reader.of(groups=group_ids).seen.items():
            if isinstance(subject, Rule):
                rules[identifier] = subject
            elif isinstance(subject, Group):
                groups[identifier] = subject

    def _origins_of(self, rules: Sequence[Rule], groups: Mapping[str, Group]) -> dict[str, Origin]:
        recorded = self._origins.of({one for rule in rules for one in (rule.id, rule.group)})
        tags = self._settings.policy.iac_tags
        return {one.id: origin_of(one, groups.get(one.group), recorded, tags) for one in rules}

    def _with_earlier_peers(self, plan: RemovalPlan, may_go_on: Callable[[], bool]) -> RemovalPlan:
        """What is announced now is announced with everybody that ever used it."""
        new = {one.removal.rule.id for one in plan.of(Move) if _is_announced(one)}
        if not new:
            return plan
        peers = self._judging.earlier_peers(new, self._clock.now(), may_go_on)
        return RemovalPlan(tuple(_with_peers(one, peers) for one in plan.steps))

    # What is saved

    def _leave_alone(self, left: Iterable[LeftAlone]) -> None:
        for one in left:
            with suppress(Conflict):
                self._left_alone.save(one)

    def _report_returned(self, steps: Iterable[LeaveAlone]) -> None:
        """To report again that a rule came back does less harm than never: it is left alone afterwards."""
        found = [(one.returned, one) for one in steps if one.returned]
        self._notices.publish([returned(removal, one.reason) for removal, one in found])
        self._leave_alone(one.left for _, one in found)

    def _moved(self, removal: Removal) -> list[Removal]:
        try:
            return [self._removals.save(removal)]
        except Conflict:
            logger.info("removal was written by another invocation", rule=removal.rule.id)
            return []

    def _superseded(self, step: Supersede) -> list["Notice"]:
        with suppress(Conflict):
            saved = self._proposals.save(step.proposal)
            logger.info("proposal superseded", proposal=saved.id, reason=step.reason)
            return [proposal_superseded(saved)] if saved.verdict else []
        return []

    def _propose(self, step: Propose) -> None:
        """The proposal before its removals: one whose removals do not wait for it is superseded by the next run."""
        with suppress(Conflict):
            proposal = self._proposals.save(step.proposal)
            removals = [one for removal in step.removals for one in self._moved(removal)]
            if len(removals) == len(step.removals):
                self._notices.publish([removals_proposed(proposal, removals, self._place)])
                self._proposals.save(replace(proposal, unpublished=False))

    def _have_changed(self, removals: Iterable[Removal]) -> None:
        for group in sorted({one.rule.group for one in removals if one.state.is_intent}):
            self._queue.send(CHANGE_GROUP, {"group": group}, timedelta())


def _rules_of(removals: Iterable[Removal]) -> list[Rule]:
    return [one.rule for one in removals if one.state.is_open]


def _slot_of(moment: datetime) -> float:
    return moment.timestamp() // SLOT * SLOT


def _unchanged(judgement: "Judgement", rules: Mapping[str, Rule]) -> frozenset[str]:
    """Rules that are as they were judged."""
    judged = ((one, rules.get(one.id)) for one in judgement.present.rules)
    return frozenset(one.id for one, now in judged if now and terms_of(one) == terms_of(now))


def _stands(candidate: Candidate, unchanged: frozenset[str]) -> bool:
    """Whether what allows all of it, if that is why it may go, is there as it was judged."""
    return candidate.ground is Ground.UNUSED or unchanged.issuperset(candidate.covered_by)


def _is_announced(step: Move) -> bool:
    return step.removal.state is RemovalState.ANNOUNCED and step.removal.unpublished


def _with_peers(step: Step, peers: Mapping[str, tuple[Network, ...]]) -> Step:
    if not isinstance(step, Move) or not _is_announced(step):
        return step
    candidate = replace(step.removal.candidate, earlier_peers=peers.get(step.removal.rule.id, ()))
    return replace(step, removal=replace(step.removal, candidate=candidate))


def _count(removals: Iterable[Removal], plan: RemovalPlan) -> None:
    states = [one.state for one in removals]
    metrics.publish(
        {
            "RemovalsAnnounced": states.count(RemovalState.ANNOUNCED),
            "RemovalsProposed": states.count(RemovalState.PROPOSED),
            "RulesInQuarantine": states.count(RemovalState.QUARANTINED),
            "RemovalsWaiting": len(plan.of(Wait)),
        }
    )
