"""Whether a launch uses Fargate Spot.

A capacity provider strategy does not fail over from Spot to on-demand, so each launch names one provider.
"""

from datetime import datetime, timedelta

SPOT_PAUSE = timedelta(minutes=5)
"""How long a pipeline launches on demand after Spot had no capacity."""


def uses_spot(*, tries: int, losses: int, lacked_at: datetime | None, now: datetime) -> bool:
    """Whether a launch uses Spot, else on-demand.

    tries: how often a file may lose a Spot task, by its pipeline; 0 for no Spot at all. losses: how often it has lost
    one. lacked_at: when Spot last had no capacity for the pipeline.
    """
    return losses < tries and (lacked_at is None or now - lacked_at >= SPOT_PAUSE)
