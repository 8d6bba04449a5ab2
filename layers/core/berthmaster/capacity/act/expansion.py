"""Carry an expansion out, or undo it: a saga that can die before or after any call and be run again.

Nothing is decided here. Each step finds in AWS whether its effect is there, so that a second run goes on where the
first one died. The record holds what AWS cannot tell: that the expansion was begun, its association's id, that its
subnets were proved, and which workloads were wired or had to be left out.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from berthmaster.capacity.act.network import InUse, NetworkSteps, NotYet
from berthmaster.capacity.act.workloads import DEPLOYMENT_SECONDS, WorkloadSteps
from berthmaster.capacity.ledger.expansions import Expansion, Expansions, ExpansionState
from berthmaster.capacity.model import UPDATED_BY_SERVICE, ServiceWiring, VpcSnapshot
from berthmaster.capacity.plan.expansion import rebased
from berthmaster.capacity.plan.wiring import why_not_changed
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.errors import Refused, is_transient
from berthmaster.telemetry import logger

DEPLOYMENT_PATIENCE = timedelta(minutes=15)
"""How long deployments that others began are waited for before their services are left to a person."""


class Act:
    """The writes of one invocation; `caller_roles` is the policy's."""

    def __init__(
        self, clients: Clients, clock: Clock, expansions: Expansions, *, caller_roles: str, deadline: datetime
    ) -> None:
        self._clients = clients
        self._clock = clock
        self._expansions = expansions
        self._caller_roles = caller_roles
        self._deadline = deadline
        self._workloads = WorkloadSteps(clients, clock)

    def carry_out(self, expansion: Expansion) -> Expansion:
        """Do what is left of a running expansion and return it done, not yet saved as such.

        Raises NotYet when AWS needs more time than this invocation has, Refused when it will not have it.
        """
        if not expansion.proved:
            expansion = self._build(self._network(expansion), expansion)
        expansion = self._wire_services(expansion)
        expansion = self._wire_callers(expansion)
        return expansion.moved(ExpansionState.DONE, self._clock.now())

    def _build(self, network: NetworkSteps, expansion: Expansion) -> Expansion:
        expansion = self._add_block(network, expansion)
        made = network.create_subnets(expansion.plan.subnets)
        network.wire_subnets(made)
        network.verify(made)
        network.admit(made)
        ids = {str(one.planned.cidr): one.id for one in made}
        logger.info("subnets made, wired and proved", expansion=expansion.id, subnets=ids)
        return self._save(expansion, subnet_ids=ids, proved=True)

    def _add_block(self, network: NetworkSteps, expansion: Expansion) -> Expansion:
        block = expansion.plan.block
        if block is None:
            return expansion
        association_id = network.associate(block, expansion.association_id)
        if association_id != expansion.association_id:
            logger.info("block associating", expansion=expansion.id, block=str(block.cidr), association=association_id)
            expansion = self._save(expansion, association_id=association_id)
        usable = network.await_association(association_id)
        if usable != block.cidr:
            expansion = self._save(expansion, plan=rebased(expansion.plan, usable))
        return expansion

    def _wire_services(self, expansion: Expansion) -> Expansion:
        expansion = self._await_deployments(expansion)
        for service in expansion.plan.services:
            label = _label(service)
            if label in expansion.left_out:
                continue
            add = [*(expansion.subnet_ids[str(cidr)] for cidr in service.add_cidrs), *service.add_ids]
            try:
                updated = self._workloads.list_in_service(service.cluster, service.service, add=add)
            except (Refused, ClientError) as error:
                expansion = self._leave_out(expansion, label, error)
                continue
            if updated:
                logger.info("service wired", expansion=expansion.id, service=label, subnets=add)
                self._save(expansion, wired=(*expansion.wired, label))
                raise NotYet(f"{service.service} deploys with its new subnets", seconds=DEPLOYMENT_SECONDS)
        return expansion

    def _leave_out(self, expansion: Expansion, label: str, error: Refused | ClientError) -> Expansion:
        """One workload that cannot be wired must not keep the others from it; what passes by itself is tried again."""
        if isinstance(error, ClientError) and is_transient(error):
            raise error
        logger.warning("left out", expansion=expansion.id, workload=label, error=str(error))
        return self._save(expansion, left_out=(*expansion.left_out, label))

    def _await_deployments(self, expansion: Expansion) -> Expansion:
        """One deployment at a time in the short subnets, whoever began it: each takes addresses for its new tasks."""
        by_cluster: defaultdict[str, list[str]] = defaultdict(list)
        for service in expansion.plan.services:
            if _label(service) not in expansion.left_out:
                by_cluster[service.cluster].append(service.service)
        deploying = {
            f"{cluster} {name}"
            for cluster, names in by_cluster.items()
            for name in self._workloads.deploying(cluster, names)
        }
        if not deploying:
            return expansion
        if self._clock.now() - expansion.changed_at < DEPLOYMENT_PATIENCE:
            raise NotYet(f"{', '.join(sorted(deploying))}: a deployment is in progress", seconds=DEPLOYMENT_SECONDS)
        others = sorted(deploying - set(expansion.wired))
        if not others:
            return expansion
        logger.warning("left out: a deployment does not end", expansion=expansion.id, services=others)
        return self._save(expansion, left_out=(*expansion.left_out, *others))

    def _wire_callers(self, expansion: Expansion) -> Expansion:
        for caller in expansion.plan.callers:
            label = f"{caller.kind} {caller.name}"
            add = [*(expansion.subnet_ids[str(cidr)] for cidr in caller.add_cidrs), *caller.add_ids]
            if label not in expansion.left_out:
                try:
                    self._workloads.list_in_caller(caller.kind, caller.group, caller.name, caller.target_id, add=add)
                except (Refused, ClientError) as error:
                    expansion = self._leave_out(expansion, label, error)
        return expansion

    def undo(self, expansion: Expansion, snapshot: VpcSnapshot, retired: Iterable[Expansion]) -> Expansion:
        """Take an expansion nobody uses away, in the reverse order, and return it retired, not yet saved as such.

        A block goes when no subnet is left in it: the expansion's own, and that of one retired before, whose block this
        expansion's subnets were in.

        Raises InUse before the first write if an interface is in its subnets or something unmanaged lists them, NotYet
        while a service deploys without them.
        """
        network = self._network(expansion)
        network.sweep()
        subnet_ids = network.own_subnet_ids()
        _refuse_if_listed(snapshot, subnet_ids, self._caller_roles)
        if interfaces := network.interfaces_in(subnet_ids):
            raise InUse(f"{len(interfaces)} interfaces are in {', '.join(subnet_ids)}: {', '.join(interfaces[:5])}")
        for caller in snapshot.callers:
            if set(caller.subnet_ids) & set(subnet_ids):
                self._workloads.list_in_caller(
                    caller.kind, caller.group, caller.name, caller.target_id, remove=subnet_ids
                )
        for service in snapshot.services:
            listed = bool(set(service.subnet_ids) & set(subnet_ids))
            if listed and self._workloads.list_in_service(service.cluster, service.name, remove=subnet_ids):
                raise NotYet(f"{service.name} deploys without the subnets", seconds=DEPLOYMENT_SECONDS)
        self._await_steady(expansion)
        network.delete_subnets(subnet_ids)
        for one in (expansion, *retired):
            if one.association_id and not _is_inhabited(snapshot, one, subnet_ids):
                network.disassociate(one.association_id)
        return expansion.moved(ExpansionState.RETIRED, self._clock.now())

    def _await_steady(self, expansion: Expansion) -> None:
        """A deployment that rolls back would bring a list with deleted subnets back."""
        for service in expansion.plan.services:
            if self._workloads.deploying(service.cluster, [service.service]):
                raise NotYet(f"{service.service} has a deployment in progress", seconds=DEPLOYMENT_SECONDS)

    def _network(self, expansion: Expansion) -> NetworkSteps:
        return NetworkSteps(
            self._clients.ec2,
            self._clock,
            vpc_id=expansion.vpc_id,
            expansion_id=expansion.id,
            deadline=self._deadline,
        )

    def _save(self, expansion: Expansion, **changes: Any) -> Expansion:
        return self._expansions.save(replace(expansion, changed_at=self._clock.now(), **changes))


def _label(service: ServiceWiring) -> str:
    return f"{service.cluster} {service.service}"


def _refuse_if_listed(snapshot: VpcSnapshot, subnet_ids: Iterable[str], caller_roles: str) -> None:
    """What cannot be taken off a list must not be deleted: others' lists, and lists of nothing else."""
    ours = set(subnet_ids)
    for service in snapshot.services:
        movable = service.managed and service.controller == UPDATED_BY_SERVICE
        if ours & set(service.subnet_ids) and not (movable and set(service.subnet_ids) - ours):
            raise InUse(f"ECS service {service.name} lists {', '.join(sorted(ours & set(service.subnet_ids)))}")
    for caller in snapshot.callers:
        movable = not why_not_changed(caller, caller_roles)
        if ours & set(caller.subnet_ids) and not (movable and set(caller.subnet_ids) - ours):
            raise InUse(f"{caller.kind} {caller.name} lists {', '.join(sorted(ours & set(caller.subnet_ids)))}")


def _is_inhabited(snapshot: VpcSnapshot, expansion: Expansion, gone: Iterable[str]) -> bool:
    """Whether a later expansion, or a person, put subnets into the expansion's block."""
    block = expansion.plan.block
    deleted = set(gone)
    return block is not None and any(
        subnet.cidr.subnet_of(block.cidr) and subnet.id not in deleted for subnet in snapshot.subnets
    )
