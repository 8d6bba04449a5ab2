"""Every five minutes: has begun what is due, and goes on with what invocations that died have left."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from berthmaster.failures import Failures
from berthmaster.items import Conflict, Items
from berthmaster.lease import Leases
from berthmaster.modes import Mode
from berthmaster.own_queue import OwnQueue
from berthmaster.proposals import Outcome
from berthmaster.security_groups.change_triggers import CHANGE_GROUP, PLAN_REMOVALS
from berthmaster.security_groups.ledger.proposals import Proposals
from berthmaster.security_groups.ledger.removals import Removals
from berthmaster.security_groups.model.removals import Proposal, ProposalKind, Removal, RemovalState
from berthmaster.security_groups.model.rules import Group, Rule
from berthmaster.security_groups.model.runs import RemovalRun
from berthmaster.security_groups.observe.topology_aws import TopologyReader
from berthmaster.security_groups.plan.due_runs import is_run_due
from berthmaster.security_groups.plan.keeping import why_kept
from berthmaster.security_groups.publishing import publish
from berthmaster.security_groups.removing import ALIVE, LEASE
from berthmaster.security_groups.report.removal_notices import removals_proposed, restore_proposed
from berthmaster.security_groups.restore_commands import RESTORE_RULES, approved_restore

if TYPE_CHECKING:
    from berthmaster.clients import Clients
    from berthmaster.clock import Clock
    from berthmaster.notices import Notices
    from berthmaster.security_groups.settings import ChangeSettings
    from berthmaster.switch import Switch

NOW = timedelta()


class Ticking:
    """Looks at all open removals."""

    def __init__(
        self, settings: "ChangeSettings", clients: "Clients", clock: "Clock", *, switch: "Switch", notices: "Notices"
    ) -> None:
        table = settings.security_groups_table
        self._mode = settings.security_groups_mode
        self._window = settings.window
        self._clock = clock
        self._switch = switch
        self._notices = notices
        self._place = settings.place
        self._removals = Removals(clients.dynamodb, table)
        self._proposals = Proposals(clients.dynamodb, table)
        self._runs = Items(clients.dynamodb, table, "removal run", RemovalRun)
        self._reader = TopologyReader(clients.ec2, clock)
        self._leases = Leases(clients.dynamodb, table)
        self._queue = OwnQueue(clients, clock, settings.security_groups_change_queue_url)

    def tick(self) -> None:
        """One look; what fails does not stop the rest, and is raised at the end."""
        failures = Failures()
        removals = self._removals.open(failures)
        if self._mode is Mode.OFF:
            if watched := [one for one in removals if one.state.is_watched]:
                self._switch.leave_unfinished(f"{len(watched)} rules are being removed, and nobody watches them")
            return
        # Nothing is proposed of removals that were only announced.
        is_proposed = any(one.state is not RemovalState.ANNOUNCED for one in removals)
        proposals = self._proposals.all(failures) if is_proposed else []
        with failures.collect("intents not carried out"):
            self._have_changed(removals)
        with failures.collect("kept rules not restored"):
            self._have_changed(self._kept(removals))
        with failures.collect("approved restores not begun"):
            self._have_restored(removals, proposals)
        with failures.collect("removals not planned"):
            self._have_planned(removals, proposals)
        with failures.collect("notices not published"):
            self._publish(removals, proposals)
        failures.raise_all("the tick was completed with failures")

    def _have_changed(self, removals: Sequence[Removal]) -> None:
        intents = [one for one in removals if one.state.is_intent]
        for group in sorted({one.rule.group for one in intents}):
            self._queue.send(CHANGE_GROUP, {"group": group}, NOW)

    def _kept(self, removals: Sequence[Removal]) -> list[Removal]:
        """Those in quarantine that people have tagged to be kept, as they are to be restored."""
        quarantined = [one for one in removals if one.state is RemovalState.QUARANTINED]
        if not quarantined:
            return []
        seen = self._reader.of(groups={one.rule.group for one in quarantined}).seen
        now, kept = self._clock.now(), list[Removal]()
        for one in quarantined:
            rule, group = seen.get(one.rule.id), seen.get(one.rule.group)
            why = why_kept(
                rule if isinstance(rule, Rule) else None, group if isinstance(group, Group) else None, now.date()
            )
            if why:
                with suppress(Conflict):
                    note = f"it is to be kept: {why}"
                    kept.append(self._removals.save(one.moved(RemovalState.RESTORING, now, note=note, due_at=now)))
        return kept

    def _have_restored(self, removals: Sequence[Removal], proposals: Sequence[Proposal]) -> None:
        """Whoever saved an approval may have died before it was carried out."""
        announced = {one.rule.id: one.announced_at for one in removals if one.state.is_watched}
        for proposal in proposals:
            is_approved = proposal.kind is ProposalKind.RESTORE and proposal.verdict is Outcome.APPROVED
            # An approval that restored a rule before is not about its next removal.
            is_about = any(announced[one] <= proposal.made_at for one in proposal.rules if one in announced)
            if is_approved and is_about and not proposal.superseded:
                self._queue.send(RESTORE_RULES, approved_restore(proposal), NOW)

    def _have_planned(self, removals: Sequence[Removal], proposals: Sequence[Proposal]) -> None:
        now = self._clock.now()
        newest = self._runs.get("newest") or RemovalRun()
        paused = bool(self._switch.reason())
        if is_run_due(removals, proposals, begun=newest.begun, window=self._window, paused=paused, now=now):
            lease = self._leases.look(LEASE)
            if lease is None or lease.until <= now:
                self._queue.send(PLAN_REMOVALS, {}, NOW)

    def _publish(self, removals: Sequence[Removal], proposals: Sequence[Proposal]) -> None:
        """Publish what an invocation that died has saved and not published."""
        now = self._clock.now()
        of_removals = [one for one in removals if one.unpublished and self._has_died(one.changed_at, now)]
        publish(of_removals, self._notices, self._removals, self._place)
        by_rule = {one.rule.id: one for one in removals}
        for proposal in proposals:
            if proposal.unpublished and not proposal.superseded and self._has_died(proposal.made_at, now):
                self._publish_proposal(proposal, [by_rule[one] for one in proposal.rules if one in by_rule])

    def _publish_proposal(self, proposal: Proposal, removals: Sequence[Removal]) -> None:
        if len(removals) < len(proposal.rules):
            return
        if proposal.kind is ProposalKind.RESTORE:
            notice = restore_proposed(proposal, removals[0], self._place)
        elif all(one.proposal == proposal.id for one in removals):
            notice = removals_proposed(proposal, removals, self._place)
        else:
            # Whoever made it died before its removals were saved: the next run supersedes it.
            return
        self._notices.publish([notice])
        with suppress(Conflict):
            self._proposals.save(replace(proposal, unpublished=False))

    def _has_died(self, saved_at: datetime, now: datetime) -> bool:
        return now - saved_at > ALIVE
