"""Carry an expansion out; an attempt can die before or after any call, and the next one continues.

Nothing is decided here. Each step checks in AWS whether its effect is there. The record holds what AWS does not know:
that the expansion was begun, the id of its association, that its subnets were tested, and which workloads were wired or
left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from berthmaster.capacity.act.attempt import Attempt, NotYet
from berthmaster.capacity.act.block import Block
from berthmaster.capacity.act.canary import Canary
from berthmaster.capacity.act.deployments import Deployments
from berthmaster.capacity.act.subnets import Subnets
from berthmaster.capacity.act.wiring import SubnetWiring
from berthmaster.capacity.act.workloads import AT_ONCE, DEPLOYMENT_DELAY, ServiceName, Untagged, Workloads
from berthmaster.capacity.ecs_service import is_deploying, primary_deployment
from berthmaster.capacity.ledger.expansions import Expansion, Expansions, ExpansionState
from berthmaster.capacity.model import CallerKind, CallerWiring, NewBlock, ServiceWiring
from berthmaster.capacity.plan.deployments import DeploymentState, Judgement
from berthmaster.concurrently import NotBegun, concurrently, results_of
from berthmaster.errors import BerthmasterError, Refused, is_transient
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import ServiceTypeDef

LONGEST_DEPLOYMENT = timedelta(minutes=15)
"""How long deployments that do not starve are waited for before their services are left to a person."""


class Expanding:
    """One attempt to carry an expansion out."""

    def __init__(self, attempt: Attempt, expansions: Expansions) -> None:
        self._attempt = attempt
        self._clock = attempt.clock
        self._expansions = expansions
        self._block = Block(attempt)
        self._subnets = Subnets(attempt)
        self._workloads = Workloads(attempt)
        self._deployments = Deployments(attempt)

    def carry_out(self, expansion: Expansion) -> Expansion:
        """Do what is left of a running expansion; returns it done, not saved as such yet.

        Raises NotYet if AWS needs more time than this invocation has, Refused if AWS refuses a step for good, Taken if
        somebody else has associated its block, Stopped if the automation is paused, NotManaged if the VPC is no longer
        tagged.
        """
        if not expansion.proved:
            expansion = self._build(self._add_block(expansion))
        expansion = self._wire_services(expansion)
        expansion = self._wire_callers(expansion)
        return expansion.moved(ExpansionState.DONE, self._clock.now())

    def _add_block(self, expansion: Expansion) -> Expansion:
        block = expansion.plan.block
        if block is None:
            return expansion
        association_id = self._block.own(expansion)
        if not association_id:
            expansion, association_id = self._associate(expansion, block)
        if association_id != expansion.association_id:
            logger.info("block is associating", expansion=expansion.id, cidr=str(block.cidr), id=association_id)
            expansion = self._save(expansion, association_id=association_id)
        self._block.wait_until_associated(association_id)
        return expansion

    def _associate(self, expansion: Expansion, block: NewBlock) -> tuple[Expansion, str]:
        """Associate the block; that it is about to be is on record first, for the next attempt if this one dies."""
        self._attempt.check()
        is_repeated = bool(expansion.associations_before)
        before = expansion.associations_before or self._block.before(block)
        if not is_repeated:
            expansion = self._save(expansion, associations_before=before)
        try:
            return expansion, self._block.associate(block, before, is_repeated=is_repeated)
        except Refused:
            # The call had no effect: what has the block from now on is somebody else's.
            self._save(expansion, associations_before=())
            raise

    def _build(self, expansion: Expansion) -> Expansion:
        created = self._subnets.create(expansion.plan.subnets, lambda: self._own_blocks(expansion.vpc_id))
        wiring = SubnetWiring(self._attempt)
        wiring.wire(created)
        wiring.verify(created)
        for subnet_id in Canary(self._attempt).prove(one.id for one in created if one.id not in expansion.tested):
            expansion = self._save(expansion, tested=(*expansion.tested, subnet_id))
        self._subnets.admit(created)
        ids = {str(one.planned.cidr): one.id for one in created}
        logger.info("subnets created, wired and tested", expansion=expansion.id, subnets=ids)
        return self._save(expansion, subnet_ids=ids, proved=True)

    def _own_blocks(self, vpc_id: str) -> Mapping[str, IPv4Network]:
        """The blocks of the VPC that expansions have made, by the id of the association."""
        return self._block.ranges({one.association_id for one in self._expansions.of_vpc(vpc_id)})

    def _wire_services(self, expansion: Expansion) -> Expansion:
        services = self._workloads.read((one.cluster, one.service) for one in expansion.plan.services)
        judged = self._judge(expansion, services)
        expansion = self._end_starvation(expansion, judged)
        expansion = self._await_deployments(expansion, services, judged)
        for service in expansion.plan.services:
            label, add = _label(service), _subnets_for(service, expansion)
            if label in expansion.left_out or _lists(services.get((service.cluster, service.service), {}), add):
                continue
            self._attempt.check()
            try:
                is_updated = self._workloads.change_service(service.cluster, service.service, add=add)
            except (Refused, Untagged, ClientError) as error:
                expansion = self._leave_out(expansion, label, error)
                continue
            if is_updated:
                logger.info("service wired", expansion=expansion.id, service=label, subnets=add)
                self._save(expansion, wired=(*expansion.wired, label))
                raise NotYet(f"{service.service} deploys with its new subnets", DEPLOYMENT_DELAY)
        return expansion

    def _judge(self, expansion: Expansion, services: Mapping[ServiceName, "ServiceTypeDef"]) -> Mapping[str, Judgement]:
        """The deployments of the services that are still to be changed and cannot just be, by label."""
        unsettled: list[tuple[ServiceWiring, ServiceTypeDef]] = []
        for wiring in expansion.plan.services:
            service = services.get((wiring.cluster, wiring.service))
            if service is None or _label(wiring) in {*expansion.left_out, *expansion.wired}:
                continue
            deployment = primary_deployment(service)
            if deployment and not deployment.is_settled and not _lists(service, _subnets_for(wiring, expansion)):
                unsettled.append((wiring, service))
        if not unsettled:
            return {}
        groups = self._deployments.groups()

        def judge(one: tuple[ServiceWiring, "ServiceTypeDef"]) -> Judgement:
            wiring, service = one
            short = {groups.get(added) for added in _subnets_for(wiring, expansion)}
            return self._deployments.judge(service, {subnet for subnet, group in groups.items() if group in short})

        outcomes = concurrently(judge, unsettled, at_once=AT_ONCE, may_begin=lambda: self._attempt.has_time)
        # One for which there was no time is judged by the next attempt; until then it is in progress.
        begun = [one for one in outcomes if not isinstance(one.error, NotBegun)]
        return {
            _label(wiring): judgement
            for ((wiring, _), judgement) in zip((one.item for one in begun), results_of(begun), strict=True)
        }

    def _end_starvation(self, expansion: Expansion, judged: Mapping[str, Judgement]) -> Expansion:
        """Give the new subnets to services whose deployments cannot end without, all of them at once.

        What they need, their deployments have been asking for all the time, so none has to wait for another.
        """
        wired = expansion.wired
        for service in expansion.plan.services:
            label = _label(service)
            judgement = judged.get(label)
            if judgement is None or judgement.state is not DeploymentState.STARVED:
                continue
            self._attempt.check()
            add = _subnets_for(service, expansion)
            try:
                is_updated = self._workloads.change_service(
                    service.cluster, service.service, add=add, starved=judgement.deployment_id
                )
            except NotYet:  # another deployment has begun meanwhile
                continue
            except (Refused, Untagged, ClientError) as error:
                expansion = self._leave_out(expansion, label, error)
                continue
            if is_updated:
                logger.info(
                    "starved service wired",
                    expansion=expansion.id,
                    service=label,
                    subnets=add,
                    deployment=judgement.deployment_id,
                    reason=judgement.reason,
                )
                expansion = self._save(expansion, wired=(*expansion.wired, label))
        if expansion.wired != wired:
            raise NotYet("deployments that starved begin again with new subnets", DEPLOYMENT_DELAY)
        return expansion

    def _wire_callers(self, expansion: Expansion) -> Expansion:
        """Change rules and schedules; those that were done are on record if the rest is not done now."""
        wired = list(expansion.wired)
        try:
            for caller in expansion.plan.callers:
                label = _caller_label(caller)
                if label in wired or label in expansion.left_out:
                    continue
                self._attempt.check()
                try:
                    self._workloads.change_caller(caller, add=_subnets_for(caller, expansion))
                except (Refused, Untagged, ClientError) as error:
                    expansion = self._leave_out(expansion, label, error)
                else:
                    wired.append(label)
        except BerthmasterError:
            self._save(expansion, wired=tuple(wired))
            raise
        return replace(expansion, wired=tuple(wired))

    def _leave_out(self, expansion: Expansion, label: str, error: Exception) -> Expansion:
        """A workload that cannot be wired does not stop the others; a transient error is raised, to be retried."""
        if isinstance(error, ClientError) and is_transient(error):
            raise error
        return self._leave_to_a_person(expansion, {label: str(error)})

    def _leave_to_a_person(self, expansion: Expansion, reasons: Mapping[str, str]) -> Expansion:
        """By label, why workloads are not changed."""
        for label, reason in reasons.items():
            logger.warning("workload left out", expansion=expansion.id, workload=label, reason=reason)
        return self._save(
            expansion,
            left_out=(*expansion.left_out, *reasons),
            left_out_because={**expansion.left_out_because, **reasons},
        )

    def _await_deployments(
        self,
        expansion: Expansion,
        services: Mapping[ServiceName, "ServiceTypeDef"],
        judged: Mapping[str, Judgement],
    ) -> Expansion:
        """One deployment at a time in the full subnets, whoever started it: each takes addresses for its new tasks."""
        failed = {label: one.reason for label, one in judged.items() if one.state is DeploymentState.FAILED}
        if failed:
            expansion = self._leave_to_a_person(expansion, failed)
        deploying = {f"{cluster} {name}" for (cluster, name), service in services.items() if is_deploying(service)}
        deploying -= set(expansion.left_out)
        if not deploying:
            return expansion
        since = max(expansion.changed_at, self._attempt.switch.resumed_at())
        if self._clock.now() - since < LONGEST_DEPLOYMENT:
            waits = [f"{label}: {judged[label].reason}" if label in judged else label for label in sorted(deploying)]
            raise NotYet(f"deployments are in progress: {'; '.join(waits)}", DEPLOYMENT_DELAY)
        others = sorted(deploying - set(expansion.wired))
        if not others:
            return expansion
        unknown = "its deployment does not end"
        return self._leave_to_a_person(
            expansion, {label: judged[label].reason if label in judged else unknown for label in others}
        )

    def _save(self, expansion: Expansion, **changes: Any) -> Expansion:
        return self._expansions.save(replace(expansion, changed_at=self._clock.now(), **changes))


def not_wired(expansion: Expansion) -> tuple[str, ...]:
    """The services, rules and schedules that do not list the new subnets, although those can be used."""
    if not expansion.proved:
        return ()
    labels = [*map(_label, expansion.plan.services), *map(_caller_label, expansion.plan.callers)]
    return tuple(label for label in labels if label not in expansion.wired)


def _label(service: ServiceWiring) -> str:
    return f"{service.cluster} {service.service}"


def _caller_label(caller: CallerWiring) -> str:
    """For people, and of no other: a rule has several targets, and groups have schedules of the same name."""
    if caller.kind is CallerKind.RULE:
        return f"{caller.kind} {caller.name} (target {caller.target_id})"
    return f"{caller.kind} {caller.group}/{caller.name}"


def _lists(service: "ServiceTypeDef | Mapping[str, Any]", subnets: Sequence[str]) -> bool:
    """Whether a service has all these subnets already."""
    network = service.get("networkConfiguration", {}).get("awsvpcConfiguration", {})
    return set(subnets) <= set(network.get("subnets", ()))


def _subnets_for(wiring: ServiceWiring | CallerWiring, expansion: Expansion) -> list[str]:
    """The ids of the subnets to add."""
    return [*(expansion.subnet_ids[str(cidr)] for cidr in wiring.add_cidrs), *wiring.add_ids]
