"""What only one invocation may do at a time: each does it before another one begins to, or after it has ended that."""

from collections.abc import Iterable, Iterator
from itertools import pairwise

from simulator.calls import Call


def overlaps(calls: Iterable[Call]) -> Iterator[str]:
    """Of calls in their order: those that came after the first one of the next invocation."""
    spans: dict[str, tuple[Call, Call]] = {}
    for call in calls:
        first, _ = spans.get(call.request_id, (call, call))
        spans[call.request_id] = first, call
    for (_, last), (first, _) in pairwise(spans.values()):
        if last.seq > first.seq:
            yield f"{last} came after {first} of another invocation"
