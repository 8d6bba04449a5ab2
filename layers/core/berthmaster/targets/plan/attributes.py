"""Which moves depend on the attributes of their target group, which take a call to read."""

from collections.abc import Iterable, Mapping

from berthmaster.targets.model import Call, Destination, Move, TargetGroup


def unread(moves: Iterable[Move], destinations: Mapping[str, Destination]) -> set[str]:
    """The groups whose attributes must be read before these moves are carried out, by ARN."""
    return {
        move.after.key.destination
        for move in moves
        if isinstance(group := destinations[move.after.key.destination].body, TargetGroup)
        and not group.has_attributes
        and _needs_attributes(move, group)
    }


def _needs_attributes(move: Move, group: TargetGroup) -> bool:
    """The end of a drain follows from the deregistration delay, and the zone of a foreign address from cross-zone."""
    if move.call is Call.DEREGISTER:
        return True
    return move.call is Call.REGISTER and not group.is_network and not group.contains(move.after.key.ip)
