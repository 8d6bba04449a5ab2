"""Undo an expansion; an attempt can die before or after any call, and the next one continues."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from ipaddress import IPv4Network

from berthmaster.capacity.act.attempt import Attempt, InUse, NotYet
from berthmaster.capacity.act.block import Block
from berthmaster.capacity.act.canary import Canary
from berthmaster.capacity.act.subnets import Subnets
from berthmaster.capacity.act.workloads import DEPLOYMENT_DELAY, Untagged, Workloads
from berthmaster.capacity.ecs_service import is_deploying
from berthmaster.capacity.ledger.expansions import Expansion, Expansions, ExpansionState
from berthmaster.capacity.model import ROLLING_UPDATE, Service, TaskCaller, VpcSnapshot
from berthmaster.capacity.plan.consumers import why_not_changed


class Retiring:
    """One attempt to undo an expansion; `caller_roles` is the policy's."""

    def __init__(self, attempt: Attempt, expansions: Expansions, *, caller_roles: str) -> None:
        self._attempt = attempt
        self._expansions = expansions
        self._caller_roles = caller_roles
        self._block = Block(attempt)
        self._subnets = Subnets(attempt)
        self._workloads = Workloads(attempt)

    def undo(self, expansion: Expansion, snapshot: VpcSnapshot, retired: Iterable[Expansion]) -> Expansion:
        """Remove an expansion that is not in use, in reverse order; returns it retired, not saved as such yet.

        A block is disassociated if no subnet is left in it: the expansion's own, and that of an expansion retired
        before, whose block had this expansion's subnets. One that is kept stays on the record of its expansion.
        Raises InUse, before anything is removed, if an interface is in its subnets or if something that may not be
        changed lists them; NotYet while a service deploys without them; Stopped if the automation is paused.
        """
        Canary(self._attempt).sweep()
        subnet_ids = self._subnets.ids()
        _refuse_if_listed(snapshot, subnet_ids, self._caller_roles)
        if interfaces := self._subnets.interfaces_in(subnet_ids):
            raise InUse(f"{len(interfaces)} interfaces are in {', '.join(subnet_ids)}: {', '.join(interfaces[:5])}")
        try:
            self._unwire(snapshot, subnet_ids)
        except Untagged as error:
            raise InUse(f"{error}, and lists {', '.join(subnet_ids)}") from error
        self._await_steady(expansion)
        self._subnets.delete(subnet_ids)
        for one in retired:
            if self._release(one, snapshot, subnet_ids):
                self._expansions.save(replace(one, association_id="", note=""))
        ended = expansion.moved(ExpansionState.RETIRED, self._attempt.clock.now())
        if self._release(ended, snapshot, subnet_ids):
            return replace(ended, association_id="")
        block = _block_of(ended, snapshot)
        return replace(ended, note=_kept(block, ended)) if block else ended

    def _release(self, expansion: Expansion, snapshot: VpcSnapshot, deleted: Sequence[str]) -> bool:
        """Disassociate the expansion's block, unless other subnets are in it; returns whether it has none any more."""
        block = _block_of(expansion, snapshot)
        if block is None:
            return True
        if any(one.cidr.subnet_of(block) and one.id not in deleted for one in snapshot.subnets):
            return False
        return self._block.disassociate(expansion.association_id)

    def _unwire(self, snapshot: VpcSnapshot, subnet_ids: Sequence[str]) -> None:
        for caller in snapshot.callers:
            if _listed_by(caller, subnet_ids):
                self._workloads.change_caller(caller, remove=subnet_ids)
        for service in snapshot.services:
            is_listed = bool(_listed_by(service, subnet_ids))
            if is_listed and self._workloads.change_service(service.cluster, service.name, remove=subnet_ids):
                raise NotYet(f"{service.name} deploys without the subnets", DEPLOYMENT_DELAY)

    def _await_steady(self, expansion: Expansion) -> None:
        """A deployment that rolls back would restore a list with deleted subnets."""
        services = self._workloads.read((one.cluster, one.service) for one in expansion.plan.services)
        for (_, name), service in services.items():
            if is_deploying(service):
                raise NotYet(f"{name} has a deployment in progress", DEPLOYMENT_DELAY)


def _listed_by(workload: Service | TaskCaller, subnet_ids: Sequence[str]) -> list[str]:
    return sorted(set(workload.subnet_ids) & set(subnet_ids))


def _refuse_if_listed(snapshot: VpcSnapshot, subnet_ids: Sequence[str], caller_roles: str) -> None:
    """Subnets that cannot be removed from a list are not deleted: lists of others, and lists without another subnet."""
    for service in snapshot.services:
        is_ours = service.managed and service.controller == ROLLING_UPDATE
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


def _block_of(expansion: Expansion, snapshot: VpcSnapshot) -> IPv4Network | None:
    """The block that the expansion made, as long as the VPC has it."""
    return next((one.cidr for one in snapshot.associations if one.id == expansion.association_id), None)


def _kept(block: IPv4Network, expansion: Expansion) -> str:
    return (
        f"{block} is kept, since other subnets are in it: it goes with the last of them that is retired, or when "
        f"{expansion.id} is retired again after they were deleted"
    )
