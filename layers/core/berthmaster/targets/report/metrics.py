"""CloudWatch metrics of all managed destinations together, written to the log in the embedded metric format."""

from collections.abc import Iterable, Mapping
from itertools import batched

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

VALUES_PER_RECORD = 99
"""The format takes 100 of a metric, and with the hundredth Powertools writes the record by itself."""


def publish(figures: Mapping[str, float]) -> None:
    """Write some figures without dimensions: each costs 0.30 $ a month, however many destinations there are."""
    metrics = EphemeralMetrics()
    for name, value in figures.items():
        metrics.add_metric(name, MetricUnit.Count, value)
    metrics.flush_metrics()


def publish_seconds(name: str, values: Iterable[float]) -> None:
    """Write every value of one metric, so that CloudWatch knows its percentiles."""
    for some in batched(values, VALUES_PER_RECORD, strict=False):
        metrics = EphemeralMetrics()
        for value in some:
            metrics.add_metric(name, MetricUnit.Seconds, value)
        metrics.flush_metrics()
