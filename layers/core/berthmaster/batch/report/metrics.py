"""CloudWatch metrics of all pipelines together, so that they cost the same however many there are."""

from collections.abc import Iterable
from datetime import timedelta

from aws_lambda_powertools.metrics import MetricUnit

from berthmaster import metrics
from berthmaster.batch.model.balance import Balance
from berthmaster.batch.model.files import State


def publish_run(*, in_flight: int, workers: int, oldest: timedelta, balances: Iterable[Balance]) -> dict[str, float]:
    """The figures of one run of the reconciliation; returns them.

    workers: that have not ended. oldest: since when the first file could be launched. What the balances say is as old
    as they are: some minutes.
    """
    known = list(balances)
    figures = {
        "FilesInFlight": in_flight,
        "WorkersActive": workers,
        "FilesWaiting": sum(one.waiting for one in known),
        "OldestWaitingSeconds": round(oldest.total_seconds()),
        "FilesDead": sum(one.replayable.get(State.DEAD, 0) for one in known),
        "FilesOutOfBalance": sum(abs(one.out_of_balance) for one in known),
    }
    metrics.publish(figures, units={"OldestWaitingSeconds": MetricUnit.Seconds})
    return dict(figures)
