"""No two VPCs are given the same block, however many of them are short at the same moment.

EC2 shows a block only when it is associated, and lets VPCs have the same one. So plans are made one after the other,
in all VPCs, from reading what the ledger has chosen for others until the own choice is saved.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from ipaddress import IPv4Network

from berthmaster.capacity.context import ExpandContext
from berthmaster.capacity.ledger.expansions import PROPOSAL_LIFETIME, Expansion, ExpansionState
from berthmaster.capacity.model.vpc import VpcSnapshot
from berthmaster.concurrently import NotBegun
from berthmaster.failures import Failures
from berthmaster.invocation import Invocation
from berthmaster.lease import Lease
from berthmaster.telemetry import logger

RESOURCE = "choice of blocks"
LONGEST_CHOICE = timedelta(seconds=20)
"""To plan, to save and to publish that takes one."""
LONGEST_WAIT = timedelta(seconds=40)
"""Longer than an invocation that died keeps the lease."""
POLL_INTERVAL = timedelta(seconds=1)


class BlockChoice:
    """Lets one plan at a time be made and saved."""

    def __init__(self, context: ExpandContext) -> None:
        self._context = context
        self._clock = context.clock
        self._leases = context.leases

    @contextmanager
    def alone(self, snapshot: VpcSnapshot, invocation: Invocation) -> Iterator[VpcSnapshot]:
        """The VPC with what is chosen for others among its neighbours, to be planned for and saved in this block.

        NotBegun if others plan for so long that no time is left.
        """
        lease = self._acquire(invocation)
        try:
            neighbours = {*snapshot.neighbours, *self._chosen_for_others(snapshot.vpc_id)}
            yield replace(snapshot, neighbours=tuple(sorted(neighbours)))
        finally:
            self._leases.release(lease, considered_at=None, resumes_at=None)

    def _acquire(self, invocation: Invocation) -> Lease:
        owner, began = f"{invocation.id} {RESOURCE}", self._clock.now()
        until = min(began + LONGEST_WAIT, invocation.deadline - LONGEST_CHOICE)
        while True:
            now = self._clock.now()
            if lease := self._leases.acquire(RESOURCE, owner=owner, now=now, deadline=now + LONGEST_CHOICE):
                return lease
            if now >= until:
                raise NotBegun("no time left in this invocation to choose a block after others")
            self._clock.sleep(POLL_INTERVAL.total_seconds())

    def _chosen_for_others(self, vpc_id: str) -> Iterator[IPv4Network]:
        now, failures = self._clock.now(), Failures()
        for one in self._context.expansions.of_all(failures):
            if one.vpc_id != vpc_id and one.plan.block and _may_have_block(one, now):
                yield one.plan.block.cidr
        for error in failures.errors:
            logger.error("record not read", error=str(error))


def _may_have_block(expansion: Expansion, now: datetime) -> bool:
    """Whether it has its block, or will have it if nothing intervenes. What was associated is in `neighbours` too."""
    is_open = expansion.state is ExpansionState.PROPOSED and now - expansion.created_at < PROPOSAL_LIFETIME
    return is_open or expansion.state.is_unfinished or bool(expansion.association_id)
