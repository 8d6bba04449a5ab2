"""Carry an expansion out; an attempt can die before or after any call, and the next one continues.

Nothing is decided here. Each step checks in AWS whether its effect is there. The record holds what AWS does not know:
that the expansion was begun, the id of its association, and that its subnets were tested. Workloads are given the
subnets by `act.workload_wiring`.
"""

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

from berthmaster.capacity.act.attempt import Attempt
from berthmaster.capacity.act.block import Block
from berthmaster.capacity.act.canary import Canary
from berthmaster.capacity.act.subnets import Subnets
from berthmaster.capacity.act.wiring import SubnetWiring
from berthmaster.capacity.act.workload_wiring import begun
from berthmaster.capacity.ledger.expansions import Expansion, Expansions
from berthmaster.capacity.model.plan import NewBlock
from berthmaster.errors import Refused
from berthmaster.telemetry import logger


class Expanding:
    """One attempt to carry an expansion out."""

    def __init__(self, attempt: Attempt, expansions: Expansions) -> None:
        self._attempt = attempt
        self._clock = attempt.clock
        self._expansions = expansions
        self._block = Block(attempt)
        self._subnets = Subnets(attempt)

    def carry_out(self, expansion: Expansion) -> Expansion:
        """Do what is left of a running expansion; returns it wiring or done, not saved as such yet.

        Raises NotYet if AWS needs more time than this invocation has, Refused if AWS refuses a step for good, Taken if
        somebody else has associated its block, Stopped if the automation is paused, NotManaged if the VPC is no longer
        tagged.
        """
        if not expansion.proved:
            expansion = self._build(self._add_block(expansion))
        return begun(expansion, self._clock.now())

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

    def _save(self, expansion: Expansion, **changes: Any) -> Expansion:
        return self._expansions.save(replace(expansion, changed_at=self._clock.now(), **changes))
