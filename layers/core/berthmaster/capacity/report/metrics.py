"""CloudWatch metrics of VPCs and subnets, written to the log in the embedded metric format.

Each metric with dimensions of its own costs 0.30 $ a month: settings tell how many there may be.
"""

from collections.abc import Sequence

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from berthmaster.capacity.model import VpcSnapshot
from berthmaster.capacity.plan.demand import Assessment
from berthmaster.capacity.settings import MetricDetail

ATTENTION_HOURS = 30 * 24


def publish_fleet(name: str, count: int) -> None:
    """Write one figure of the whole fleet."""
    metrics = EphemeralMetrics()
    metrics.add_metric(name, MetricUnit.Count, count)
    metrics.flush_metrics()


def publish_vpc(snapshot: VpcSnapshot, assessments: Sequence[Assessment], detail: MetricDetail) -> None:
    """Write what `detail` allows for one VPC: its own metrics, and those of its subnets."""
    if detail is MetricDetail.ATTENTION and not any(_wants_attention(one) for one in assessments):
        return
    in_prefixes = [one.free_prefixes for one in assessments if one.prefixes]
    _write(
        "VpcId",
        snapshot.vpc_id,
        free=sum(subnet.free for subnet in snapshot.subnets),
        prefixes=sum(in_prefixes) if in_prefixes else None,
        hours=min((hours for one in assessments if (hours := one.hours_pessimistic) is not None), default=None),
    )
    if detail is MetricDetail.SUBNET:
        _publish_subnets(snapshot, assessments)


def _publish_subnets(snapshot: VpcSnapshot, assessments: Sequence[Assessment]) -> None:
    """The hours are those of the subnet and the ones Berthmaster added for it, together."""
    for assessment in assessments:
        for subnet in assessment.group.members:
            occupancy = snapshot.occupancy.get(subnet.id)
            _write(
                "SubnetId",
                subnet.id,
                free=subnet.free,
                prefixes=occupancy.free_prefixes if occupancy and assessment.prefixes else None,
                hours=assessment.hours_pessimistic,
            )


def _wants_attention(assessment: Assessment) -> bool:
    """Whether a group is more than half full or will run out within 30 days."""
    hours = assessment.hours_pessimistic
    return assessment.group.free * 2 < assessment.group.capacity or (hours is not None and hours <= ATTENTION_HOURS)


def _write(dimension: str, resource: str, *, free: int, prefixes: int | None, hours: float | None) -> None:
    metrics = EphemeralMetrics()
    metrics.add_dimension(dimension, resource)
    metrics.add_metric("FreeAddresses", MetricUnit.Count, free)
    if prefixes is not None:
        metrics.add_metric("FreePrefixes", MetricUnit.Count, prefixes)
    if hours is not None:
        metrics.add_metric("HoursToExhaustion", MetricUnit.NoUnit, hours)
    metrics.flush_metrics()
