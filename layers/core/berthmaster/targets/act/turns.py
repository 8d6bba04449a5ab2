"""Which calls a plan needs, and in which order: what has waited longest comes first."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from itertools import batched

from berthmaster.targets.act.target_groups import TARGETS_PER_CALL
from berthmaster.targets.model import Call, Kind, Move, kind_of

type Moves = tuple[Move, ...]


def calls_of(moves: Iterable[Move], kind: Kind) -> list[Moves]:
    """The moves on destinations of a kind that need a call, each tuple one call.

    Of those that have waited equally long, deregistrations come first: in a full target group AWS refuses the other
    order. If all of them came first, no registration would get its turn under load.
    """
    alike: dict[tuple[str, Call, bool], list[Move]] = defaultdict(list)
    for move in moves:
        key = move.after.key
        if move.call and kind_of(key.destination) is kind:
            # Those that are registered while others drain are called for by themselves: AWS may refuse all of them.
            alike[key.destination, move.call, is_early(move)].append(move)
    size = TARGETS_PER_CALL if kind is Kind.TARGET_GROUP else 1
    calls = [part for own in alike.values() for part in batched(sorted(own, key=_since), size, strict=False)]
    return sorted(calls, key=lambda part: (_since(part[0]), part[0].call is Call.REGISTER))


def is_early(move: Move) -> bool:
    """Whether a target is registered while the former one at its address drains."""
    return move.call is Call.REGISTER and move.after.early_at is not None


def _since(move: Move) -> datetime:
    """Since when it has been intended."""
    return move.after.changed_at
