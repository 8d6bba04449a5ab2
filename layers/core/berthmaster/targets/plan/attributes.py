"""Which decisions depend on the attributes of their target group, which take a call to read."""

from collections.abc import Iterable, Mapping

from berthmaster.targets.model import Call, Claim, ClaimState, Destination, Move, TargetGroup


def unread(destinations: Mapping[str, Destination], moves: Iterable[Move], claims: Iterable[Claim] = ()) -> set[str]:
    """The groups whose attributes must be read, by ARN; with them, what led to these moves is to be decided again."""
    groups = {
        arn: one.body
        for arn, one in destinations.items()
        if isinstance(one.body, TargetGroup) and not one.body.has_attributes
    }
    waiting = {claim.key.destination for claim in claims if claim.state is ClaimState.HANDOVER}
    for move in moves:
        arn = move.after.key.destination
        if arn in groups and _needs_attributes(move, groups[arn]):
            waiting.add(arn)
    return waiting & groups.keys()


def _needs_attributes(move: Move, group: TargetGroup) -> bool:
    """The end of a drain follows from the deregistration delay, and the zone of a foreign address from cross-zone."""
    if move.call is Call.DEREGISTER:
        return True
    is_foreign = not group.is_network and not group.contains(move.after.key.ip)
    return move.call is Call.REGISTER and (is_foreign or move.after.early_at is not None)
