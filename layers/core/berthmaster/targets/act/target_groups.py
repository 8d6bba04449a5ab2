"""RegisterTargets and DeregisterTargets: two hundred targets a call. AWS refuses a whole call because of one target."""

from collections.abc import Callable, Sequence
from itertools import batched
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from berthmaster.errors import code_of, is_final
from berthmaster.targets.act.permit import DENIED, Permit
from berthmaster.targets.act.results import CallResults
from berthmaster.targets.model import Call, Destination, Finding, Move, deleted, quota_reached

if TYPE_CHECKING:
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client

TARGETS_PER_CALL = 200
"""What the AWS Load Balancer Controller sends too; AWS documents no limit."""
SPLITS = 20
"""Calls spent on finding the targets that AWS refuses; the rest is tried again later."""
SPLITS_OF_EARLY = 3
"""Those spent on registrations while others drain: if AWS refuses one, it refuses all, and they wait."""

type Send = Callable[[Sequence[Move]], object]


def call_target_group(
    elbv2: "ElasticLoadBalancingv2Client", destination: Destination, call: Call, moves: Sequence[Move], permit: Permit
) -> CallResults:
    """Make one kind of call for all moves on one target group, the oldest first."""

    def send(part: Sequence[Move]) -> object:
        if call is Call.REGISTER:
            return elbv2.register_targets(TargetGroupArn=destination.arn, Targets=[_target(move) for move in part])
        return elbv2.deregister_targets(TargetGroupArn=destination.arn, Targets=[_target(move) for move in part])

    results = CallResults()
    # AWS may refuse a whole call because of those that are registered while others drain at their addresses.
    early = [move for move in moves if move.after.early_at is not None]
    others = [move for move in moves if move.after.early_at is None]
    for some, splits in ((others, SPLITS), (early, SPLITS_OF_EARLY)):
        for part in batched(some, TARGETS_PER_CALL, strict=False):
            results.add(_Sender(destination, call, send, permit, splits).send(part))
    return results


def _target(move: Move) -> Any:
    """A target, with the zone with which it is, or was, registered."""
    claim = move.after
    target: dict[str, Any] = {"Id": claim.key.ip, "Port": claim.key.port}
    return target | {"AvailabilityZone": claim.zone} if claim.zone else target


class _Sender:
    """Sends one batch, in ever smaller parts if AWS refuses it because of some of its targets."""

    def __init__(self, destination: Destination, call: Call, send: Send, permit: Permit, splits: int) -> None:
        self._destination = destination
        self._call = call
        self._send = send
        self._permit = permit
        self._splits = splits
        self._calls = 0
        self._results = CallResults()

    def send(self, moves: Sequence[Move]) -> CallResults:
        self._try(list(moves))
        return self._results

    def _try(self, moves: list[Move]) -> None:
        if not moves:
            return
        self._calls += 1
        try:
            self._permit.wait()
        except DENIED as error:
            self._results.fail(moves, error)
            return
        try:
            self._send(moves)
        except BotoCoreError as error:
            self._results.fail(moves, error)
        except ClientError as error:
            self._sort(moves, error)
        else:
            self._results.done += moves

    def _sort(self, moves: list[Move], error: ClientError) -> None:
        code = code_of(error)
        if code == "TargetGroupNotFound" and self._call is Call.DEREGISTER:
            self._results.done += moves
        elif not is_final(error):
            self._results.fail(moves, error)
        elif code == "TargetGroupNotFound":
            self._refuse(moves, error, deleted(self._destination.arn))
        elif code == "TooManyTargets" and self._call is Call.REGISTER:
            self._fit(moves)
        else:
            self._split(moves, error)

    def _fit(self, moves: list[Move]) -> None:
        """Find how many fit, beginning with the first ones."""
        if len(moves) == 1 or self._calls >= self._splits:
            self._results.refuse(moves, quota_reached(self._destination.arn))
            return
        half = len(moves) // 2
        done_before = len(self._results.done)
        self._try(moves[:half])
        if len(self._results.done) == done_before + half:
            self._try(moves[half:])
        else:
            self._results.refuse(moves[half:], quota_reached(self._destination.arn))

    def _split(self, moves: list[Move], error: ClientError) -> None:
        """Separate the targets that AWS refuses from the others: by the address that AWS names, or by halves."""
        message = error.response.get("Error", {}).get("Message", "")
        if len(moves) == 1:
            target = moves[0].after.key
            text = f"AWS refuses {target.ip}:{target.port}: {code_of(error)}: {message}"
            self._refuse(moves, error, Finding(destination=self._destination.arn, code="refused", text=text))
        elif self._calls >= self._splits and moves[0].after.early_at is not None:
            self._results.refuse(moves)
        elif self._calls >= self._splits:
            self._results.fail(moves, error)
        else:
            named = [move for move in moves if f"'{move.after.key.ip}'" in message]
            first = named if 0 < len(named) < len(moves) else moves[: len(moves) // 2]
            refused = {move.after.key for move in first}
            self._try([move for move in moves if move.after.key not in refused])
            self._try(first)

    def _refuse(self, moves: list[Move], error: ClientError, finding: Finding) -> None:
        """A target whose deregistration AWS refuses may still get traffic, so it is tried again."""
        if self._call is Call.DEREGISTER:
            self._results.fail(moves, error)
        elif moves[0].after.early_at is not None:
            # The reconciliation reports that they wait.
            self._results.refuse(moves)
        else:
            self._results.refuse(moves, finding)
