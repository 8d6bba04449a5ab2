"""DescribeTargetHealth after DeregisterTargets: AWS may answer a call that it does not carry out."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import batched
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from berthmaster.concurrently import concurrently
from berthmaster.errors import code_of
from berthmaster.paced_reads import AT_ONCE, PacedReads
from berthmaster.targets.model import ClaimKey, Move
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client

TARGETS_PER_CALL = 100

type Part = tuple[str, tuple[ClaimKey, ...]]


def seen_deregistered(
    elbv2: "ElasticLoadBalancingv2Client", reads: PacedReads, moves: Sequence[Move], may_begin: Callable[[], bool]
) -> set[ClaimKey]:
    """The targets that their groups show as draining or not registered; not those that could not be asked about."""
    by_group: dict[str, list[ClaimKey]] = defaultdict(list)
    for move in moves:
        by_group[move.after.key.destination].append(move.after.key)
    parts = [(arn, part) for arn, keys in by_group.items() for part in batched(keys, TARGETS_PER_CALL, strict=False)]
    seen: set[ClaimKey] = set()
    for one in concurrently(
        lambda part: _deregistered(elbv2, reads, part), parts, at_once=AT_ONCE, may_begin=may_begin
    ):
        if isinstance(one.error, BotoCoreError | ClientError | TimeoutError):
            logger.warning("deregistrations not verified", destination=one.item[0], error=repr(one.error))
        else:
            seen |= one.result
    return seen


def _deregistered(elbv2: "ElasticLoadBalancingv2Client", reads: PacedReads, part: Part) -> set[ClaimKey]:
    arn, keys = part
    targets = [{"Id": key.ip, "Port": key.port} for key in keys]
    try:
        answer = reads.call(elbv2.describe_target_health, TargetGroupArn=arn, Targets=targets)  # type: ignore[arg-type]
    except ClientError as error:
        if code_of(error) == "TargetGroupNotFound":
            return set(keys)
        raise
    return {
        ClaimKey(arn, one["Target"]["Id"], one["Target"].get("Port", 0))
        for one in answer["TargetHealthDescriptions"]
        if one["TargetHealth"]["State"] == "draining" or one["TargetHealth"].get("Reason") == "Target.NotRegistered"
    }
