"""Which workers give no sign of life any more: pure.

A worker writes another GUID every 20 seconds. Whoever reads remembers which one, and since when it has seen that; no
time that a worker has written counts. So a worker whose clock is wrong is not taken for dead, nor is one that is dead
taken for alive.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from berthmaster.batch.model.heartbeats import Beat, Heartbeats
from berthmaster.batch.model.workers import Worker, WorkerState

LEASE = timedelta(seconds=90)
"""After so long without a sign of life, the claims of a worker are released. It trusts them for a minute itself."""
STOPPED_AFTER = timedelta(minutes=5)
"""Its task is stopped then: it costs, and does nothing that counts."""
_GUID_DIGITS = 12
"""Of a GUID: enough to tell two that follow each other, and 5,000 of them fit into one item."""


def looked(before: Heartbeats, workers: Iterable[Worker], beats: Mapping[str, Beat], now: datetime) -> Heartbeats:
    """What is remembered after a look at the beats of all workers that run. workers: all of the pipeline."""
    now = now.replace(microsecond=0)
    seen = {}
    for worker in workers:
        if worker.state is not WorkerState.RUNNING:
            continue
        guid = beats[worker.id].guid[:_GUID_DIGITS] if worker.id in beats else ""
        known = before.seen.get(worker.id)
        seen[worker.id] = known if known and known[0] == guid else (guid, now)
    return replace(before, looked_at=now, seen=seen)


def lives(before: Heartbeats, beat: Beat) -> bool:
    """Whether a worker has given another sign of life than that which was seen before."""
    known, _ = before.seen.get(beat.worker, ("", None))
    return bool(known) and known != beat.guid[:_GUID_DIGITS]


def silent_for(heartbeats: Heartbeats, worker: str) -> timedelta:
    """For how long a worker had given no sign of life when it was last looked for; zero if it never was."""
    known = heartbeats.seen.get(worker)
    return heartbeats.looked_at - known[1] if known else timedelta()
