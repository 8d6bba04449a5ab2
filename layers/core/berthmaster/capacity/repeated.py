"""The same request for addresses, received or sent again: it is answered with the expansion that was begun for it."""

from collections.abc import Sequence
from datetime import timedelta

from berthmaster.capacity.context import Ruling
from berthmaster.capacity.ledger.expansions import Expansion, ExpansionState
from berthmaster.capacity.proposals import carried_out
from berthmaster.capacity.triggers import ExpandRequest

REPEATED_WITHIN = timedelta(minutes=15)
"""Two people who see the same mail, or one who sees no answer, ask for the same within minutes. Who sends it so long
after the first one was done wants as many addresses again."""


def begun_for(request: ExpandRequest, expansions: Sequence[Expansion]) -> Expansion | None:
    """The expansion that was begun for this request when it was received before, or for one that asks for the same.

    An answer may not have been published, so the first may have ended long ago. One that asks for the same is another
    request once the first was done for a while, or has failed.
    """
    begun = [one for one in expansions if one.begun_at and one.request_id]
    received = (one for one in begun if one.request_id == request.id)
    return next(received, None) or next((one for one in begun if _is_same(request, one)), None)


def ruling_on_repeated(request: ExpandRequest, begun: Expansion) -> Ruling:
    """The answer: which expansion it is, and what becomes of it. Only one that was received before is carried on."""
    if begun.request_id == request.id:
        if begun.state is ExpansionState.RUNNING:
            return carried_out(begun)
        return Ruling(text=f"expansion {begun.id} was carried out, and is {begun.state}")
    same = f"expansion {begun.id}, which {begun.by or 'an operator'} has asked for, adds the same"
    if begun.state is ExpansionState.DONE:
        again = begun.changed_at + REPEATED_WITHIN
        return Ruling(text=f"{same}, and is done; to add as many again, send the request after {again:%H:%M:%S} UTC")
    return Ruling(text=f"{same}, and is in progress; Expansion Completed or Expansion Failed follows")


def _is_same(request: ExpandRequest, begun: Expansion) -> bool:
    if (request.subnet_id, request.addresses) != (begun.requested_subnet, begun.requested_addresses):
        return False
    if begun.state.is_unfinished:
        return begun.state is not ExpansionState.RETIRING
    is_recent = request.time - begun.changed_at < REPEATED_WITHIN
    return begun.state is ExpansionState.DONE and is_recent and not begun.kept_because
