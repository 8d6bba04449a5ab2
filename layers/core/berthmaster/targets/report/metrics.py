"""CloudWatch metrics of all managed destinations together, so that they cost the same however many there are."""

from collections.abc import Mapping, Sequence

from aws_lambda_powertools.metrics import MetricUnit

from berthmaster import metrics
from berthmaster.targets.model import Call

SECONDS = {Call.REGISTER: "SecondsToRegister", Call.DEREGISTER: "SecondsToDeregister"}


def publish_delays(seconds: Mapping[Call, Sequence[float]]) -> None:
    """The seconds from events to AWS's answers."""
    for call, values in seconds.items():
        metrics.publish_values(SECONDS[call], values, MetricUnit.Seconds)


def publish_run(*, destinations: int, targets: int, held_back: int, findings: int) -> dict[str, float]:
    """The figures of one run of the reconciliation; returns them.

    held_back: destinations in which changes wait for an approval.
    """
    figures: dict[str, float] = {
        "ManagedDestinations": destinations,
        "Targets": targets,
        "HeldBack": held_back,
        "Findings": findings,
    }
    metrics.publish(figures)
    return figures
