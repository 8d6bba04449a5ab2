"""CloudWatch metrics of VPCs and subnets; the settings say for how many of them."""

from collections.abc import Sequence

from aws_lambda_powertools.metrics import MetricUnit

from berthmaster import metrics
from berthmaster.capacity.model.vpc import VpcSnapshot
from berthmaster.capacity.plan.demand import Assessment
from berthmaster.capacity.settings import MetricDetail

ATTENTION_HOURS = 30 * 24


def publish_vpc(snapshot: VpcSnapshot, assessments: Sequence[Assessment], detail: MetricDetail) -> None:
    """Write what `detail` allows for one VPC: its own metrics, and those of its subnets."""
    if detail is MetricDetail.ATTENTION and not any(_needs_attention(one) for one in assessments):
        return
    free_prefixes = [one.whole.free_prefixes for one in assessments if one.whole.prefixes]
    _publish(
        "VpcId",
        snapshot.vpc_id,
        free=sum(subnet.free for subnet in snapshot.subnets),
        prefixes=sum(free_prefixes) if free_prefixes else None,
        hours=min((hours for one in assessments if (hours := one.hours_pessimistic) is not None), default=None),
    )
    if detail is MetricDetail.SUBNET:
        _publish_subnets(snapshot, assessments)


def _publish_subnets(snapshot: VpcSnapshot, assessments: Sequence[Assessment]) -> None:
    """The hours are those of the whole group: until somebody finds no address in the subnets that it lists."""
    for assessment in assessments:
        for subnet in assessment.group.members:
            occupancy = snapshot.occupancy.get(subnet.id)
            _publish(
                "SubnetId",
                subnet.id,
                free=subnet.free,
                prefixes=occupancy.free_prefixes if occupancy and assessment.whole.prefixes else None,
                hours=assessment.hours_pessimistic,
            )


def _needs_attention(assessment: Assessment) -> bool:
    """Whether subnets that somebody uses are more than half full or will run out within 30 days."""
    hours = assessment.hours_pessimistic
    is_half_full = any(one.subnets.free * 2 < one.subnets.capacity for one in assessment.pools)
    return is_half_full or (hours is not None and hours <= ATTENTION_HOURS)


def _publish(dimension: str, resource: str, *, free: int, prefixes: int | None, hours: float | None) -> None:
    measured = {"FreeAddresses": free, "FreePrefixes": prefixes, "HoursToExhaustion": hours}
    metrics.publish(
        {name: value for name, value in measured.items() if value is not None},
        units={"HoursToExhaustion": MetricUnit.NoUnit},
        dimensions={dimension: resource},
    )
