"""Undo an expansion; an attempt can die before or after any call, and the next one continues."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from berthmaster.capacity.act.attempt import Attempt, InUse, NotYet
from berthmaster.capacity.act.block import Block
from berthmaster.capacity.act.canary import Canary
from berthmaster.capacity.act.subnets import Subnets
from berthmaster.capacity.act.workloads import DEPLOYMENT_DELAY, ServiceName, Untagged, Workloads
from berthmaster.capacity.ecs_service import is_deploying, rollouts_of, subnets_of_service
from berthmaster.capacity.ledger.expansions import Expansion, Expansions, ExpansionState
from berthmaster.capacity.model.vpc import VpcSnapshot
from berthmaster.capacity.model.workloads import Service, TaskCaller
from berthmaster.capacity.plan.consumers import why_no_service, why_not_changed
from berthmaster.capacity.plan.drain import (
    counted,
    deployable,
    described,
    leave_by_themselves,
    residents,
    tags_to_withhold,
    tags_while_draining,
    why_no_room,
)
from berthmaster.errors import Refused
from berthmaster.switch import Stopped

DRAIN_DELAY = timedelta(minutes=5)
"""How often subnets are looked at that are being drained."""
DRAINED_WITHIN = timedelta(hours=12)
"""How long tasks and pods may stay in a subnet that nothing places them in any more. Then it stays, and can be drained
again."""
SLOW_AFTER = timedelta(minutes=15)
_TOO_LONG = f"after {DRAINED_WITHIN // timedelta(hours=1)} hours"


class Retiring:
    """The attempts of one invocation to undo an expansion; `caller_roles` is the policy's."""

    def __init__(
        self, attempt: Attempt, expansions: Expansions, expansion: Expansion, *, caller_roles: str = ""
    ) -> None:
        self._attempt = attempt
        self._clock = attempt.clock
        self._expansions = expansions
        self._expansion = expansion
        self._caller_roles = caller_roles
        self._block = Block(attempt)
        self._subnets = Subnets(attempt)
        self._workloads = Workloads(attempt)

    def undo(self, snapshot: VpcSnapshot, retired: Iterable[Expansion]) -> Expansion:
        """Remove an expansion that is not in use, in reverse order; returns it retired, not saved as such yet.

        If it is to be drained, it is taken off services first, when it is draining already, and returned so when only
        tasks are left in it.
        A block is disassociated if no subnet is left in it: the expansion's own, and that of an expansion retired
        before, whose block had this expansion's subnets. One that is kept stays on the record of its expansion.
        Raises InUse if others use its subnets, when what was changed for draining is as it was again, except that
        services do not list the subnets; NotYet while a service deploys; Stopped if the automation is paused.
        """
        Canary(self._attempt).sweep()
        subnet_ids = self._subnets.of(self._expansion)
        try:
            if not self._vacate(snapshot, subnet_ids):
                return self._draining()
            self._subnets.delete(subnet_ids)
        except InUse:
            self.restore()
            raise
        except Refused as refusal:
            self.restore()
            raise InUse(f"AWS refused: {refusal}") from refusal
        for one in retired:
            if not self._release_block(one, snapshot, subnet_ids):
                self._expansions.save(replace(one, association_id="", note=""))
        ended = self._expansion.moved(ExpansionState.RETIRED, self._clock.now())
        why_kept = self._release_block(ended, snapshot, subnet_ids)
        return replace(ended, note=why_kept) if why_kept else replace(ended, association_id="")

    def restore(self) -> None:
        """Give the subnets back the tags by which pods and plans use them, if they were taken away."""
        for subnet_id, tags in self._expansion.withheld.items():
            self._subnets.retag(subnet_id, put=tags, delete=tags_while_draining(tags).keys() - tags.keys())
        if self._expansion.withheld:
            self._save(withheld={})

    def _vacate(self, snapshot: VpcSnapshot, subnet_ids: Sequence[str]) -> bool:
        """Take the subnets off what lists them; returns whether nobody is left in them. InUse if that is not wanted."""
        _refuse_if_listed(snapshot, subnet_ids, self._caller_roles)
        found = residents(snapshot, subnet_ids)
        can_drain = leave_by_themselves(found)
        if found and not (self._expansion.drain and can_drain):
            raise InUse(f"in use: {_in_use_by(found)}", in_use=described(snapshot, found), can_drain=can_drain)
        if found and self._is_overdue():
            raise InUse(f"in use {_TOO_LONG}: {_in_use_by(found)}", in_use=described(snapshot, found), can_drain=True)
        if not self._expansion.unwired and (reason := why_no_room(snapshot, subnet_ids)):
            raise InUse(reason, in_use=described(snapshot, found))
        if self._expansion.drain:
            self._withhold(snapshot, subnet_ids)
            self._begin_draining()
        try:
            self._unwire(snapshot, subnet_ids)
            self._await_steady()
        except Untagged as error:
            raise InUse(f"{error}, and lists {', '.join(subnet_ids)}") from error
        except NotYet as wait:
            if self._is_overdue():
                raise InUse(f"not drained {_TOO_LONG}: {wait}", can_drain=True) from wait
            if self._expansion.state is ExpansionState.DRAINING:
                self._save()
            raise
        if found:
            self._save(in_use=described(snapshot, found))
        return not found

    def _draining(self) -> Expansion:
        """Nothing places tasks and pods there any more, and some are left."""
        if self._expansion.is_emptying:
            raise NotYet("the subnets are being drained", DRAIN_DELAY)
        return self._expansion.moved(ExpansionState.DRAINING, self._clock.now(), is_emptying=True)

    def _begin_draining(self) -> None:
        """From now on the VPC is free for other work: no plan uses the subnets, since their tags are withheld."""
        if self._expansion.state is not ExpansionState.DRAINING:
            now = self._clock.now()
            self._expansion = self._expansions.save(
                self._expansion.moved(ExpansionState.DRAINING, now, draining_since=now)
            )

    def _is_overdue(self) -> bool:
        since = self._expansion.draining_since
        return since is not None and self._clock.now() - max(since, self._attempt.switch.resumed_at()) > DRAINED_WITHIN

    def _withhold(self, snapshot: VpcSnapshot, subnet_ids: Sequence[str]) -> None:
        """Take away the tags by which somebody new would come; on record first, since they may have to be restored."""
        subnets = {one.id: one for one in snapshot.subnets if one.id in subnet_ids}
        new = {
            one: tags_to_withhold(subnet, self._expansion.plan.subnets)
            for one, subnet in subnets.items()
            if one not in self._expansion.withheld
        }
        if new:
            self._save(withheld={**self._expansion.withheld, **new})
        for subnet_id, tags in self._expansion.withheld.items():
            meanwhile = tags_while_draining(tags)
            shown = subnets[subnet_id].tags if subnet_id in subnets else meanwhile
            gone = (tags.keys() - meanwhile.keys()) & shown.keys()
            if gone or not meanwhile.items() <= shown.items():
                self._subnets.retag(subnet_id, put=meanwhile, delete=gone)

    def _unwire(self, snapshot: VpcSnapshot, subnet_ids: Sequence[str]) -> None:
        """Take the subnets off what lists them; NotYet if services deploy without them now, or wait for that."""
        for caller in snapshot.callers:
            if _listed_by(caller, subnet_ids):
                self._refuse_if_new(f"{caller.kind} {caller.name}", subnet_ids)
                self._workloads.change_caller(caller, remove=subnet_ids)
        listing = [service for service in snapshot.services if _listed_by(service, subnet_ids)]
        for service in listing:
            self._refuse_if_new(f"ECS service {service.name}", subnet_ids)
        for service in deployable(snapshot, subnet_ids, self._expansion.unwired):
            self._deploy_without(service, subnet_ids)
        if listing:
            names = ", ".join(service.name for service in listing[:5])
            raise NotYet(f"{len(listing)} services deploy without the subnets, or will: {names}", self._delay)

    def _deploy_without(self, service: Service, subnet_ids: Sequence[str]) -> None:
        """Deploy a service once without the subnets: one that lists them later wants them.

        The intent is on record before the call. If nobody knows whether it was made, the primary deployment tells.
        """
        self._attempt.check()
        shown = self._workloads.look(service.cluster, service.name)
        if shown is None or is_deploying(shown) or not set(subnets_of_service(shown)) & set(subnet_ids):
            return
        label, primary, record = service.label, rollouts_of(shown)[0].id, self._expansion
        if label in record.unwired and record.deployed_before.get(label) != primary:
            raise InUse(
                f"ECS service {service.name} lists {', '.join(subnet_ids)} again: its deployment without them was "
                "rolled back, or somebody has reset its list"
            )
        self._workloads.require_tag(shown)
        self._save(
            unwired=tuple(dict.fromkeys([*record.unwired, label])),
            deployed_before={**record.deployed_before, label: primary},
        )
        try:
            self._workloads.set_subnets(shown, remove=subnet_ids)
        except (Stopped, NotYet, Refused):
            self._save(unwired=record.unwired, deployed_before=record.deployed_before)
            raise

    def _refuse_if_new(self, label: str, subnet_ids: Sequence[str]) -> None:
        if self._expansion.is_emptying:
            raise InUse(f"{label} has come to list {', '.join(subnet_ids)} while they were drained")

    def _await_steady(self) -> None:
        """A deployment that rolls back would restore a list with deleted subnets."""
        names: list[ServiceName] = [(one.cluster, one.service) for one in self._expansion.plan.services]
        for label in self._expansion.unwired:
            cluster, _, name = label.partition(" ")
            names.append((cluster, name))
        for (_, name), service in self._workloads.read(dict.fromkeys(names)).items():
            if is_deploying(service):
                raise NotYet(f"{name} has a deployment in progress", self._delay)

    @property
    def _delay(self) -> timedelta:
        """Until deployments are looked at again: less often when they last long."""
        since = self._expansion.draining_since
        return DRAIN_DELAY if since and self._clock.now() - since > SLOW_AFTER else DEPLOYMENT_DELAY

    def _release_block(self, expansion: Expansion, snapshot: VpcSnapshot, deleted: Sequence[str]) -> str:
        """Disassociate the expansion's block, unless other subnets are in it. Why it is kept; "" if it is gone."""
        block = next((one.cidr for one in snapshot.associations if one.id == expansion.association_id), None)
        if block is None:
            return ""
        if any(one.cidr.subnet_of(block) and one.id not in deleted for one in snapshot.subnets):
            return (
                f"{block} is kept, since other subnets are in it: it goes with the last of them that is retired, or "
                f"when {expansion.id} is retired again after they were deleted"
            )
        problem = self._block.disassociate(expansion.association_id)
        return f"{block} is kept: {problem}; it goes when {expansion.id} is retired again" if problem else ""

    def _save(self, **changes: Any) -> None:
        self._expansion = self._expansions.save(replace(self._expansion, changed_at=self._clock.now(), **changes))


def _in_use_by(found: Mapping[str, Mapping[str, int]]) -> str:
    return "; ".join(f"{counted(holders)} in {subnet}" for subnet, holders in sorted(found.items()))


def _listed_by(workload: Service | TaskCaller, subnet_ids: Sequence[str]) -> list[str]:
    return sorted(set(workload.subnet_ids) & set(subnet_ids))


def _refuse_if_listed(snapshot: VpcSnapshot, subnet_ids: Sequence[str], caller_roles: str) -> None:
    """Subnets that cannot be removed from a list are not deleted: lists of others, and lists without another subnet."""
    for service in snapshot.services:
        is_ours = not why_no_service(service)
        _refuse_unless_removable(f"ECS service {service.name}", service, subnet_ids, is_ours=is_ours)
    for caller in snapshot.callers:
        is_ours = not why_not_changed(caller, caller_roles)
        _refuse_unless_removable(f"{caller.kind} {caller.name}", caller, subnet_ids, is_ours=is_ours)


def _refuse_unless_removable(
    label: str, workload: Service | TaskCaller, subnet_ids: Sequence[str], *, is_ours: bool
) -> None:
    listed = _listed_by(workload, subnet_ids)
    if listed and not (is_ours and set(workload.subnet_ids) - set(listed)):
        raise InUse(f"{label} lists {', '.join(listed)}")
